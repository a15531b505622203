"""Refusals in OpenAI's words: clients pick their exception by the status, scripts look at `code` and `type`.

Our shape is already the one they read (`core.errors`); what differs here is that a request with a wrong field is 400
(`BadRequestError`), not 422, a used-up budget is 429 `insufficient_quota`, not 402, and a few names differ.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from billing.errors import BudgetExceeded
from chat.transports.http import Endpoint, Request
from chat.transports.openai.rates import describe_limits
from core.errors import BadRequest, GiloError, NotFound, TooManyRequests, ValidationFailed

_CODES = {"not_authenticated": "invalid_api_key", "rate_limited": "rate_limit_exceeded"}
_TYPES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}

Handler = Callable[[Request], Awaitable[None]]


class ModelNotFound(NotFound):
    code = "model_not_found"
    message = "This key opens no model of that name. The model is the agent's id or slug; see GET /api/v1/models."


class ResponseNotFound(NotFound):
    code = "response_not_found"
    message = "There is no response with this id, or another key asked for it."


class PreviousResponseNotFound(NotFound):
    code = "previous_response_not_found"
    message = "There is no previous response with this id, or another key asked for it."


class QuotaInsufficient(TooManyRequests):
    """A budget is used up: 429 as OpenAI says it. Clients would ask again by themselves; they are told not to."""

    code = "insufficient_quota"
    retryable = False

    @property
    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false", **super().headers}


def open_door(policy: str, **handlers: Handler) -> Endpoint:
    """An endpoint whose refusals are OpenAI's."""
    return Endpoint(
        policy,
        describe_error,
        describe_limits,
        **{method: _refusing_as_openai(each) for method, each in handlers.items()},
    )


def describe_error(error: GiloError, request_id: str) -> dict[str, Any]:
    """The error's body as OpenAI clients read it."""
    body = error.body(request_id)
    told = body["error"]
    told["code"] = _CODES.get(error.code, error.code)
    told["type"] = _type_of(error)
    return body


def _type_of(error: GiloError) -> str:
    if isinstance(error, QuotaInsufficient):
        return error.code
    return _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")


def _refusing_as_openai(handler: Handler) -> Handler:
    @wraps(handler)
    async def handle(request: Request) -> None:
        try:
            await handler(request)
        except ValidationFailed as error:
            raise BadRequest(error.message, code=error.code, param=error.param, errors=error.errors) from error
        except BudgetExceeded as error:
            raise QuotaInsufficient(error.message, retry_after=error.retry_after) from error

    return handle
