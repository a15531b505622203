"""One connection that runs prepared statements one after another, for the hot path's writer.

psycopg's cursor asks the event loop to watch the socket anew for every statement, which costs more system calls than
the statement itself. Here the socket is watched once, for as long as the connection lives; libpq does the rest.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

_GOOD = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}


class PreparedLine:
    """Statements have `$1` parameters in text and give no rows back; each is prepared the first time it is run.

    Every fault raises a `psycopg.Error`; after an OperationalError, a timeout or a cancellation close the line.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._names: dict[str, bytes] = {}
        self._waiting: asyncio.Future[None] | None = None
        self._broken: psycopg.Error | None = None
        self._socket = self._pgconn.socket
        self._pgconn.nonblocking = 1
        self._loop.add_reader(self._socket, self._read)

    @classmethod
    async def open(cls, parameters: dict[str, Any]) -> Self:
        """A new line; `parameters` are psycopg's. Raises psycopg.OperationalError."""
        return cls(await psycopg.AsyncConnection.connect(**parameters, autocommit=True))

    async def execute(self, statement: str, parameters: Sequence[bytes]) -> None:
        """Run it in a transaction of its own, committed when this returns."""
        name = self._names.get(statement)
        if name is None:
            name = b"line_%d" % len(self._names)
            self._pgconn.send_prepare(name, statement.encode())
            await self._finish()
            self._names[statement] = name
        self._pgconn.send_query_prepared(name, parameters)
        await self._finish()

    def give_up(self) -> None:
        """Fail what is under way with a TimeoutError."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(TimeoutError())

    async def close(self) -> None:
        """End the connection; what is under way is rolled back."""
        self._stop_watching()
        await self._connection.close()

    async def _finish(self) -> None:
        """Wait for the result of what was sent."""
        while self._pgconn.flush():
            await self._wait_writable()
        failed: PGresult | None = None
        while True:
            while self._pgconn.is_busy():
                await self._wait()
            result = self._pgconn.get_result()
            if result is None:
                break
            if result.status not in _GOOD:
                failed = result
        if failed is not None:
            raise errors.error_from_result(failed)

    async def _wait(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    async def _wait_writable(self) -> None:
        # only a large group fills the socket's buffer
        self._loop.add_writer(self._socket, self._wake)
        try:
            await self._wait()
        finally:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            self._broken = error
            self._stop_watching()
            self._wake()
            return
        if not self._pgconn.is_busy():
            self._wake()

    def _wake(self) -> None:
        if self._waiting is None or self._waiting.done():
            return
        if self._broken is None:
            self._waiting.set_result(None)
        else:
            self._waiting.set_exception(self._broken)

    def _stop_watching(self) -> None:
        if self._socket >= 0:
            self._loop.remove_reader(self._socket)
            self._socket = -1
