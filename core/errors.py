"""Every error a caller can see.

    GiloError                     500  internal_error
    ├── BadRequest                400  bad_request
    │   └── CursorInvalid         400  cursor_invalid
    ├── NotAuthenticated          401  not_authenticated
    ├── PermissionDenied          403  permission_denied
    ├── NotFound                  404  not_found
    ├── MethodNotAllowed          405  method_not_allowed  (carries Allow)
    ├── RequestTimeout            408  request_timeout
    ├── Conflict                  409  conflict
    ├── TooLarge                  413  too_large
    ├── UnsupportedType           415  type_mismatch
    ├── ValidationFailed          422  validation_failed   (carries a list of field errors)
    │   └── UrlNotAllowed         422  url_not_allowed
    ├── TooManyRequests           429  rate_limited        (carries Retry-After)
    ├── UpstreamFailed            502  upstream_failed
    ├── Unavailable               503  unavailable         (carries Retry-After)
    └── StorageFull               507  storage_full        (carries Retry-After)

Apps subclass these in their own `errors.py`. Messages are for people: what happened and what to do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rejected field: its dotted name and why."""

    param: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"param": self.param, "message": self.message}


class GiloError(Exception):
    """Base of all errors that have a shape on the wire (see `body`)."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"
    message: str = "Something went wrong on our side. Try again; if it persists, report the request id."
    retryable: bool = False

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        param: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.code = code or type(self).code
        self.param = param
        self.errors = tuple(errors)
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def type(self) -> str:
        """The broad class that OpenAI clients read."""
        return _TYPES.get(self.status, "api_error" if self.status >= 500 else "invalid_request_error")

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def body(self, request_id: str) -> dict[str, Any]:
        """The one error shape of every door: `{"error": {type, code, message, param, request_id[, errors]}}`."""
        error: dict[str, Any] = {
            "type": self.type,
            "code": self.code,
            "message": str(self.message),
            "param": self.param,
            "request_id": request_id,
        }
        if self.errors:
            error["errors"] = [field.as_dict() for field in self.errors]
        return {"error": error}


_TYPES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.CONFLICT: "conflict_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


class BadRequest(GiloError):
    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"
    message = "The request could not be read."


class CursorInvalid(BadRequest):
    code = "cursor_invalid"
    message = "This cursor is not valid. Start again without one."

    def __init__(self) -> None:
        super().__init__(param="cursor")


class NotAuthenticated(GiloError):
    status = HTTPStatus.UNAUTHORIZED
    code = "not_authenticated"
    message = "Sign in, or send a valid token or API key."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer", **super().headers}


class PermissionDenied(GiloError):
    status = HTTPStatus.FORBIDDEN
    code = "permission_denied"
    message = "Your role does not allow this. Ask an owner of the workspace."


class NotFound(GiloError):
    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    message = "There is nothing here with this id, or it is not yours."


class MethodNotAllowed(GiloError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"
    message = "This address does not take that method."

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = ", ".join(sorted(allowed))
        super().__init__()

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": self._allowed}


class RequestTimeout(GiloError):
    status = HTTPStatus.REQUEST_TIMEOUT
    code = "request_timeout"
    message = "The request body arrived too slowly. Send it again."
    retryable = True


class Conflict(GiloError):
    status = HTTPStatus.CONFLICT
    code = "conflict"
    message = "The state has changed meanwhile. Read it again, then retry."


class TooLarge(GiloError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"
    message = "The request is too large."


class UnsupportedType(GiloError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "type_mismatch"
    message = "This type of content is not accepted here."


class ValidationFailed(GiloError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "validation_failed"
    message = "Some fields are not valid."


class UrlNotAllowed(ValidationFailed):
    code = "url_not_allowed"
    message = "This address is not allowed. Use a public http or https address."


class TooManyRequests(GiloError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"
    message = "Too many requests. Wait, then try again."
    retryable = True


class UpstreamFailed(GiloError):
    status = HTTPStatus.BAD_GATEWAY
    code = "upstream_failed"
    message = "A service that this depends on failed. Try again."
    retryable = True


class Unavailable(GiloError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    message = "The service is restarting. Try again in a few seconds."
    retryable = True

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        extra.setdefault("retry_after", 2)
        super().__init__(message, **extra)


class StorageFull(GiloError):
    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "storage_full"
    message = "The server's disk is full: nothing was stored. Tell the operator."

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        extra.setdefault("retry_after", 60)
        super().__init__(message, **extra)
