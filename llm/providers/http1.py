"""Kept HTTP/1.1 connections for answers that are streamed: one POST, then the bytes as they come.

Ours, on httptools' parser, because a general client's request and response objects, its timers and its streams cost
more CPU than all the rest of a chat turn (docs/decisions/0008). It does no more than this product needs: POST a body,
read the answer. No redirects, no cookies, no compression, no proxies.

Connections belong to a pool of the running event loop and close with it. One watch per pool, not a timer per read,
finds the answers that are late.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httptools

from core.http import check_hop, resolve_checked

CONNECT_TIMEOUT = 5.0  # seconds for one connection to be made
IDLE_TIMEOUT = 60.0  # seconds between two reads, and until the first byte
KEEPALIVE = 60.0  # seconds that an unused connection is kept
MAX_HEAD_BYTES = 64 * 1024
_MOST_BUFFERED = 256 * 1024  # bytes read ahead of the consumer, then the server has to wait
_LONGEST_TICK = 1.0  # seconds between two looks of the watch


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


class Connection(asyncio.Protocol):
    """One connection, one answer at a time. Errors are raised by the reads: TimeoutError, ConnectionLost."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_ends_with_connection",
        "_error",
        "_head_bytes",
        "_is_paused", "_keeps_alive",
        "_loop",
        "_parser",
        "_pool",
        "_transport",
        "_waiter",
        "deadline",
        "headers",
        "heard_at",
        "is_closed",
        "is_complete",
        "is_reused",
        "origin",
        "status",
    )  # fmt: skip

    def __init__(self, pool: "Pool", origin: Origin) -> None:
        self._pool = pool
        self._loop = pool.loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.origin = origin
        self.is_closed = False
        self.is_reused = False
        self._start_answer()

    def _start_answer(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
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
        self._chunks = []
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
        self._pool.take_back(self)

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
        self._pool.forget(self)
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

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)

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


class Pool:
    """The connections of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._busy: set[Connection] = set()
        self._idle: dict[Origin, list[Connection]] = {}
        self._watch: asyncio.TimerHandle | None = None

    async def post(self, target: Target, body: bytes, patience: float) -> Connection:
        """Send the body; returns the connection that the answer comes on, its head read. The caller releases it.

        The answer is late (TimeoutError) after `patience` seconds, unless its `deadline` is changed meanwhile. A kept
        connection that the server closed before any byte of an answer is replaced by a new one.
        Raises NameUnknown, NotTrusted, ConnectFailed, EgressBlocked, ConnectionLost, TimeoutError.
        """
        data = b"%b%d\r\n\r\n%b" % (target.head, len(body), body)
        connection = self._take_kept(target.origin)
        if connection is not None:
            try:
                return await self._exchange(connection, data, patience)
            except ConnectionLost:
                if connection.status or connection.headers:
                    raise
        return await self._exchange(await self._connect(target.origin), data, patience)

    async def _exchange(self, connection: Connection, data: bytes, patience: float) -> Connection:
        self._busy.add(connection)
        self._keep_watch()
        connection.send(data)
        connection.deadline = connection.heard_at + patience
        try:
            await connection.read_head()
        except BaseException:  # cancelled, too: nobody else knows of this connection
            connection.release()
            raise
        return connection

    def take_back(self, connection: Connection) -> None:
        """Keep a connection whose answer is over, close any other."""
        if connection not in self._busy:
            return
        self._busy.discard(connection)
        if connection.may_be_kept:
            connection.heard_at = self.loop.time()
            self._idle.setdefault(connection.origin, []).append(connection)
        else:
            connection.abort()

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def close(self) -> None:
        """Close everything, with the answers in flight."""
        if self._watch:
            self._watch.cancel()
        for connection in [*self._busy, *(kept for idle in self._idle.values() for kept in idle)]:
            connection.abort()
            connection.fail(ConnectionLost("the process is stopping"))
        self._busy.clear()
        self._idle.clear()

    def _take_kept(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.is_closed:
                connection.is_reused = True
                return connection
        return None

    async def _connect(self, origin: Origin) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                addresses = await self._addresses_of(origin)
                return await self._connect_to_one(origin, addresses)
        except TimeoutError:
            raise ConnectFailed("the server does not answer") from None

    async def _addresses_of(self, origin: Origin) -> list[str]:
        try:
            if origin.guarded:
                check_hop(f"{'https' if origin.is_tls else 'http'}://{_in_url(origin.host)}:{origin.port}/")
                return await resolve_checked(origin.host, origin.port)
            found = await self.loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameUnknown(str(error)) from error
        return [str(item[4][0]) for item in found]

    async def _connect_to_one(self, origin: Origin, addresses: list[str]) -> Connection:
        context = _tls_context() if origin.is_tls else None
        error: Exception = ConnectFailed("no address")
        for address in addresses:
            try:
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self, origin), address, origin.port,
                    ssl=context, server_hostname=origin.host if context else None,
                )  # fmt: skip
            except ssl.SSLError as failure:
                error = NotTrusted(str(failure))
            except OSError as failure:
                error = ConnectFailed(str(failure))
            else:
                return connection
        raise error

    def _keep_watch(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(min(_LONGEST_TICK, IDLE_TIMEOUT / 4), self._look)

    def _look(self) -> None:
        """End the answers that are late and the connections that nobody wants; look again while there are any."""
        now = self.loop.time()
        self._watch = None
        for connection in list(self._busy):
            if now - connection.heard_at > IDLE_TIMEOUT or (connection.deadline and now > connection.deadline):
                connection.fail(TimeoutError())
        for idle in list(self._idle.values()):
            for connection in [kept for kept in idle if now - kept.heard_at > KEEPALIVE]:
                connection.abort()
        if self._busy or any(self._idle.values()):
            self._keep_watch()


@dataclass(slots=True)
class _LoopPool:
    pool: Pool
    closer: AsyncGenerator[None, None]


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopPool] = WeakKeyDictionary()


async def get_pool() -> Pool:
    """The running loop's pool. Processes have one loop; tests and Celery threads have several."""
    loop = asyncio.get_running_loop()
    found = _by_loop.get(loop)
    if found is None:
        pool = Pool(loop)
        found = _by_loop[loop] = _LoopPool(pool, _close_with_loop(pool))
        await anext(found.closer)
    return found.pool


async def close_pool() -> None:
    """Close the running loop's connections, and with them all answers in flight. The next request opens new ones."""
    found = _by_loop.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.closer.aclose()


async def _close_with_loop(pool: Pool) -> AsyncGenerator[None, None]:
    # A loop closes its suspended generators when it ends (shutdown_asyncgens): no shutdown hook can be forgotten.
    try:
        yield
    finally:
        pool.close()
        await asyncio.sleep(0)  # the loop's next round closes the sockets


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
