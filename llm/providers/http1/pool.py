"""The connections of one event loop, kept and watched."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

from core.http import check_hop, resolve_checked
from llm.providers.http1.connection import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    NameUnknown,
    NotTrusted,
    Origin,
    Target,
)

CONNECT_TIMEOUT = 5.0  # seconds for one connection to be made
IDLE_TIMEOUT = 60.0  # seconds between two reads, and until the first byte
KEEPALIVE = 60.0  # seconds that an unused connection is kept
_LONGEST_TICK = 1.0  # seconds between two looks of the watch


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
