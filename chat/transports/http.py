"""Raw ASGI over HTTP, as little as the hot path needs: bodies with limits, JSON answers, errors in the one shape.

Django's handler costs more CPU than everything else in a chat turn together, so these endpoints stand beside it. They
keep its promises: a declared policy, strict JSON, 404 for what is malformed, 405 with Allow, a request id everywhere.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import orjson

from chat.runtime.events import Event, encode_group
from chat.runtime.intake import MessageTooLong
from chat.transports.admission import current_decision
from core.api import parse_json, to_gilo_error
from core.errors import GiloError, MethodNotAllowed, RequestTimeout
from core.middleware import request_id_from
from core.ratelimit import Decision
from core.tenancy import parse_id

logger = logging.getLogger(__name__)
MAX_BODY_BYTES = 2 * 1024 * 1024
BODY_SECONDS = 25.0
_JSON = (b"content-type", b"application/json")
_SAFE = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]

Scope = Any
DescribeLimits = Callable[[Decision], Mapping[str, str]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def token_from(authorization: str, api_key: str = "") -> str:
    """The token in `Authorization: Bearer ...` or `X-API-Key: ...`, "" when there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else api_key.strip()


class Request:
    """One HTTP request and its answer. `token` is its API key or visitor's token, "" when it brings none."""

    __slots__ = (
        "body",
        "describe_limits",
        "headers",
        "method",
        "receive",
        "request_id",
        "scope",
        "send",
        "started",
        "token",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id_from(self.header(b"x-request-id"))
        self.token = token_from(self.header(b"authorization"), self.header(b"x-api-key"))
        self.started = False
        self.body = b""
        self.describe_limits: DescribeLimits = Decision.headers
        self.receive = receive
        self.send = send

    def header(self, name: bytes) -> str:
        """A header's value, "" when it is absent; the name in lower case."""
        return self.headers.get(name, b"").decode("latin-1")

    def path_id(self, name: str) -> UUID:
        """A UUID from the path; NotFound when it is malformed."""
        return parse_id(self.scope["url_route"]["kwargs"][name])

    async def read_json(self) -> Any:
        """The body's JSON, strictly read. Raises MessageTooLong, RequestTimeout, BadRequest, ValidationFailed."""
        self.body = await self._read_body()
        return parse_json(self.body)

    async def respond_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Answer with one JSON value."""
        body = orjson.dumps(value)
        extra = _encode({**self._limits(), **(headers or {})})
        fixed = [_JSON, *_SAFE, (b"content-length", b"%d" % len(body)), self._id_header()]
        self.started = True
        await self.send({"type": "http.response.start", "status": int(status), "headers": [*fixed, *extra]})
        await self.send({"type": "http.response.body", "body": body})

    async def respond_error(self, error: GiloError) -> None:
        await self.respond_json(error.status, error.body(self.request_id), error.headers)

    async def respond_stream(
        self, groups: AsyncIterator[list[Event]], encode: Callable[[list[Event]], bytes] = encode_group
    ) -> None:
        """Answer with server-sent events: each group leaves in one piece, at once."""
        head = [*_STREAM, self._id_header(), *_encode(self._limits())]
        is_ended = False
        async for group in groups:
            if not self.started:
                self.started = True
                await self.send({"type": "http.response.start", "status": 200, "headers": head})
            is_ended = bool(group) and group[-1].is_last
            await self.send({"type": "http.response.body", "body": encode(group), "more_body": not is_ended})
        if not is_ended:
            await self.send({"type": "http.response.body", "body": b""})

    def _limits(self) -> Mapping[str, str]:
        decision = current_decision()
        return {} if decision is None else self.describe_limits(decision)

    def _id_header(self) -> tuple[bytes, bytes]:
        return (b"x-request-id", self.request_id.encode())

    async def _read_body(self) -> bytes:
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            raise MessageTooLong()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._receive_body()
        except TimeoutError:
            raise RequestTimeout() from None

    async def _receive_body(self) -> bytes:
        message = await self.receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await self.receive()
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise MessageTooLong()
        if message["type"] == "http.disconnect":
            raise RequestTimeout()
        return body


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), text.encode()) for name, text in headers.items()]


class Endpoint:
    """A raw ASGI endpoint: method → handler, with the policy that `core.policy` asks of every route."""

    def __init__(
        self,
        policy: str,
        shape_error: Callable[[GiloError, str], Any] | None = None,
        describe_limits: DescribeLimits = Decision.headers,
        **handlers: Callable[[Request], Awaitable[None]],
    ) -> None:
        self.policy = policy
        self.methods = tuple(handlers)
        self._handlers = handlers
        self._shape_error = shape_error
        self._describe_limits = describe_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(Request(scope, receive, send))

    async def answer(self, request: Request) -> None:
        """Answer the request, whatever happens."""
        request.describe_limits = self._describe_limits
        try:
            handler = self._handlers.get(request.method)
            if handler is None:
                raise MethodNotAllowed(self.methods)
            await handler(request)
        except Exception as error:  # noqa: BLE001 - the last line: to_gilo_error logs what nobody foresaw and answers 500
            await self.refuse(request, to_gilo_error(error))

    async def refuse(self, request: Request, error: GiloError) -> None:
        """Answer with the error, in the words of this endpoint's protocol."""
        if request.started:
            return  # too late for a status; the connection ends without its proper end, which the client notices
        if self._shape_error is None:
            await request.respond_error(error)
        else:
            await request.respond_json(error.status, self._shape_error(error, request.request_id), error.headers)
