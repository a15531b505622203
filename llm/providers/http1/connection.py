"""One connection and the answer on it; where connections lead, and how they fail."""

import asyncio
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import urlsplit

import httptools

MAX_HEAD_BYTES = 64 * 1024
_MOST_BUFFERED = 256 * 1024  # bytes read ahead of the consumer, then the server has to wait


class ConnectFailed(OSError):
    """No connection could be made."""


class NameUnknown(ConnectFailed):
    """The host's name does not resolve."""


class NotTrusted(ConnectFailed):
    """The server's TLS certificate is not valid."""


class ConnectionLost(OSError):
    """The connection ended, or turned out not to speak HTTP, before the answer's end."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections of one kind lead. `guarded`: a user chose the address, so the egress guard checks it."""

    host: str
    port: int
    is_tls: bool
    guarded: bool


@dataclass(frozen=True, slots=True)
class Target:
    """One URL with its fixed headers, ready to be sent before the length and the body."""

    origin: Origin
    head: bytes


def make_target(url: str, headers: dict[str, str], *, guarded: bool) -> Target:
    """Raises ValueError for a URL or a header that could not be sent as it is."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not an http address: {url}")
    port = parts.port or (443 if is_tls else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{name}: {text}" for name, text in headers.items())]
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("a header may only hold printable ASCII characters")
    head = "\r\n".join([*lines, "Content-Length: "]).encode()
    return Target(Origin(parts.hostname, port, is_tls, guarded), head)


class Keeper(Protocol):
    """What a connection tells of itself: the pool."""

    loop: asyncio.AbstractEventLoop

    def take_back(self, connection: "Connection") -> None: ...
    def forget(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One connection, one answer at a time. Errors are raised by the reads: TimeoutError, ConnectionLost."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_ends_with_connection",
        "_error",
        "_head_bytes",
        "_is_paused",
        "_keeper",
        "_keeps_alive",
        "_loop",
        "_parser",
        "_transport",
        "_waiter",
        "deadline",
        "headers",
        "heard_at",
        "is_closed",
        "is_complete",
        "on_body",
        "origin",
        "status",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, origin: Origin) -> None:
        self._keeper = keeper
        self._loop = keeper.loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.origin = origin
        self.is_closed = False
        self._start_answer()

    def _start_answer(self) -> None:
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append  # what the parser calls for each piece
        self._parser = httptools.HttpResponseParser(self)
        self._buffered = 0
        self._head_bytes = 0
        self._is_paused = False
        self._ends_with_connection = True
        self._keeps_alive = False
        self._error: Exception | None = None
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_complete = False
        self.heard_at = self._loop.time()
        self.deadline: float | None = None  # loop time by which the answer must have got somewhere

    # --- what the user of an answer calls -----------------------------------------------------------------------------
    async def read_head(self) -> int:
        """The answer's status, once its headers are there."""
        while not self.status:
            await self._wait()
        return self.status

    async def read(self) -> bytes:
        """The bytes that came since the last read, b"" at the answer's end."""
        while not self._chunks:
            if self.is_complete:
                return b""
            await self._wait()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        if self._is_paused and self._transport:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    @property
    def has_more(self) -> bool:
        """Whether a read would have to wait, or would give bytes."""
        return not self.is_complete or bool(self._chunks)

    def header(self, name: bytes) -> str:
        """A header of the answer, "" when it is absent; the name in lower case."""
        return self.headers.get(name, b"").decode("latin-1")

    def release(self) -> None:
        """Keep the connection when its answer was read to the end, else close it: the server stops its work."""
        self._keeper.take_back(self)

    def abort(self) -> None:
        """Close at once."""
        self.is_closed = True
        if self._transport:
            self._transport.abort()

    # --- what the pool calls ------------------------------------------------------------------------------------------
    def send(self, data: bytes) -> None:
        """Begin an exchange. What is wrong with the connection shows at the first read."""
        self._start_answer()
        if self._transport is None or self.is_closed:
            self._error = ConnectionLost("the connection was closed")
            return
        self._transport.write(data)

    def fail(self, error: Exception) -> None:
        """End the answer with this error."""
        if self._error is None and not self.is_complete:
            self._error = error
            self._wake()

    @property
    def may_be_kept(self) -> bool:
        return self.is_complete and not self.is_closed and not self._chunks and self._keeps_alive

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self.is_complete:  # nobody asked: what follows cannot be trusted
            self.abort()
            return
        if not self.status:
            self._head_bytes += len(data)
        self._buffered += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.abort()
            self.fail(ConnectionLost(f"not an HTTP answer: {error}"))
            return
        if self._head_bytes > MAX_HEAD_BYTES and not self.status:
            self.abort()
            self.fail(ConnectionLost("the answer's headers are too long"))
        elif self._buffered > _MOST_BUFFERED and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._keeper.forget(self)
        if exc is None and self.status and self._ends_with_connection:
            self.is_complete = True
            self._wake()
        else:
            self.fail(ConnectionLost(str(exc or "the server closed the connection")))

    # --- httptools ----------------------------------------------------------------------------------------------------
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # "100 Continue" and its like come before the answer
            self.headers = {}
            return
        self.status = status
        self._ends_with_connection = not {b"content-length", b"transfer-encoding"} & self.headers.keys()

    def on_message_complete(self) -> None:
        self.is_complete = self.status != 0
        self._keeps_alive = self._parser.should_keep_alive()

    # --- waiting ------------------------------------------------------------------------------------------------------
    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
