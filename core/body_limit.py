"""The guard in front of every HTTP door: how large a body may be, and how slowly it may come.

Django reads a body to its end before a view runs, so a limit in a view would come too late. This wrapper refuses by the
declared length at once, counts what really arrives, and gives up on a body that crawls.
"""

import asyncio
import contextlib
import errno
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import orjson

from core.errors import BadRequest, GiloError, RequestTimeout, StorageFull, TooLarge
from core.middleware import REQUEST_ID_HEADER, request_id_from

logger = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DEFAULT_LIMIT = 4 * 1024 * 1024
GRACE_SECONDS = 15.0
SLOWEST_BYTES_PER_SECOND = 4096  # on average, after the grace: 1 byte/s ends after 15 s, 50 MB may take hours
_DRAIN_BYTES = 512 * 1024
_DRAIN_SECONDS = 1.0
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BodyLimit:
    """ASGI around an application. `routes` are (path pattern, limit in bytes); the first that matches counts."""

    def __init__(self, application: Any, *, routes: Sequence[tuple[re.Pattern[str], int]] = ()) -> None:
        self._application = application
        self._routes = routes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        limit = self._limit_for(scope["path"])
        answer = _Answer(scope, receive, send)
        try:
            if _declared_length(scope) > limit:
                raise too_large(limit)
            body = _LimitedBody(receive, limit)
            await self._application(scope, body.receive, answer.send)
        except GiloError as error:
            await answer.refuse(error)
            return
        except OSError as error:
            if error.errno not in DISK_FULL or answer.started:
                raise
            logger.error("the disk is full: a request body could not be kept")
            await answer.refuse(StorageFull())
            return
        if body.refusal:
            await answer.refuse(body.refusal)

    def _limit_for(self, path: str) -> int:
        return next((limit for pattern, limit in self._routes if pattern.fullmatch(path)), DEFAULT_LIMIT)


class _LimitedBody:
    """The body as the application receives it. Past a limit it hears that the client is gone, and we answer."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit = receive, limit
        self._begun = asyncio.get_running_loop().time()
        self._bytes = 0
        self._complete = False
        self.refusal: GiloError | None = None

    async def receive(self) -> Message:
        if self.refusal:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()  # waiting for the client to leave may take as long as the answer
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(RequestTimeout())
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._bytes > self._limit:
                return self._refuse(too_large(self._limit))
        return message

    def _deadline(self) -> float:
        return self._begun + GRACE_SECONDS + self._bytes / SLOWEST_BYTES_PER_SECOND

    def _refuse(self, error: GiloError) -> Message:
        self.refusal = error
        return {"type": "http.disconnect"}


class _Answer:
    """Passes the application's answer on, or gives ours when it has not begun one."""

    def __init__(self, scope: Any, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.started = False

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)

    async def refuse(self, error: GiloError) -> None:
        """Send the error and close the connection: what is left of the body is not read."""
        if self.started:
            return
        headers = dict(self._scope["headers"])
        request_id = request_id_from(headers.get(REQUEST_ID_HEADER.lower().encode(), b"").decode("latin-1"))
        content = orjson.dumps(error.body(request_id))
        fields = {
            "content-type": "application/json",
            "content-length": str(len(content)),
            "connection": "close",
            REQUEST_ID_HEADER: request_id,
            **error.headers,
        }
        encoded = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": int(error.status), "headers": encoded})
        await self._send({"type": "http.response.body", "body": content, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        # Closing at once, with unread bytes waiting, resets the connection before the client has read our answer.
        left = _DRAIN_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while left > 0:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))


def too_large(limit: int) -> TooLarge:
    """The 413 that names the limit."""
    size = f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit} bytes"
    return TooLarge(f"The request is larger than {size}.")


def _declared_length(scope: Any) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise BadRequest("The Content-Length is not a number.")
            return int(value)
    return 0
