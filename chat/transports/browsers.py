"""What browsers ask of the public API: one place for all routes under /api/v1.

A key may list the origins of the pages that use it: their browsers are told that they may (CORS), all other pages are
refused. A key without a list is a program's: browsers of other sites are told nothing. Visitors' tokens open only the
routes that say so; a preflight is answered without a key, because it brings none.
"""

from typing import Any

from agents.errors import KeyNotForPrograms
from agents.keys import look_up_token
from agents.visitor_tokens import VISITOR_PREFIX
from chat.transports.doors import check_origin
from chat.transports.http import Endpoint, Receive, Request, Scope, Send
from core.errors import GiloError

_SHOWN = (
    b"X-Request-Id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    b"x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests"
)
_VARY = (b"vary", b"Origin")
_PREFLIGHT_SECONDS = b"600"


class KeyRoute:
    """A raw ASGI endpoint behind a key, as browsers may call it."""

    def __init__(self, endpoint: Endpoint, *, opens_to_visitors: bool = False) -> None:
        self.policy = endpoint.policy
        self.methods = endpoint.methods
        self._endpoint = endpoint
        self.opens_to_visitors = opens_to_visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        origin = request.headers.get(b"origin")
        if origin and request.method == "OPTIONS" and b"access-control-request-method" in request.headers:
            await self._answer_preflight(origin, send)
            return
        try:
            if request.token.startswith(VISITOR_PREFIX) and not self.opens_to_visitors:
                raise KeyNotForPrograms()
            if origin and await self._is_listed(request):
                request.send = _telling(send, origin)
        except GiloError as error:
            await self._endpoint.refuse(request, error)
            return
        await self._endpoint.answer(request)

    async def _is_listed(self, request: Request) -> bool:
        """Whether the page's browser is told that it may read the answer. Raises OriginNotAllowed.

        Whether the key opens anything is the endpoint's matter.
        """
        identity = await look_up_token(request.token) if request.token else None
        if identity is None or not identity.allowed_origins:
            return False
        check_origin(identity, request.scope)
        return True

    async def _answer_preflight(self, origin: bytes, send: Send) -> None:
        headers = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", ", ".join(self.methods).encode()),
            (b"access-control-allow-headers", b"Authorization, *"),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
            (b"content-length", b"0"),
            _VARY,
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _telling(send: Send, origin: bytes) -> Send:
    """Send, with the headers that let the page read the answer."""
    added = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _SHOWN), _VARY]

    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return send_with_headers
