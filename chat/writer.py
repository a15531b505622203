"""Group commit: the turns of all concurrent runs are written by one connection, many in one statement.

Whoever queues a row waits for it to be durable. The writer takes whatever is queued the moment it is free and never
lingers, so a lone turn pays one commit and a crowd shares it. One statement, prepared once, takes the starts and the
ends as JSON lists. A database restart is waited out: starts for 4 s (then the caller hears `Unavailable`), ends
for a minute; a full disk refuses starts at once (`StorageFull`). Every row may be written twice without harm, because a
broken connection does not say what it committed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import psycopg

from billing.budgets import OPEN_COUNTERS, is_over_budget, taking
from billing.errors import BudgetExceeded
from chat.errors import ConversationBusy, RequestRepeated
from chat.models import ONE_RUN_EACH_KEY, ONE_TURN_AT_A_TIME
from chat.write_statement import Contents, Counters, write_statement
from core.async_db import connection_parameters
from core.errors import GiloError, NotFound, StorageFull, Unavailable
from core.pg_line import PreparedLine

logger = logging.getLogger(__name__)
BEGIN_PATIENCE_SECONDS = 4.0
FINISH_PATIENCE_SECONDS = 60.0
_STATEMENT_SECONDS = 10.0
_CONNECT_SECONDS = 3
_RETRY_SECONDS = 0.1
_LARGEST_GROUP = 200
_KNOWN_COUNTERS = 100_000
Rows = Sequence[dict[str, Any]]


@dataclass(slots=True)
class _Row:
    is_begin: bool
    record: dict[str, Any]
    patience: float  # seconds to wait for a database that is away
    done: asyncio.Future[None]
    counting: Rows = ()
    reserving: Rows = ()
    news: Rows = ()
    queued_at: float = field(default_factory=time.monotonic)


class Writer:
    """The process's one writer. `statements` counts its round trips, for tests and benchmarks."""

    def __init__(self) -> None:
        self.statements = 0
        self._queue: list[_Row] = []
        self._work: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._line: PreparedLine | None = None
        self._open_counters: set[UUID] = set()  # that are known to be there

    def start(self) -> None:
        """Start the writer's task on the running loop."""
        self._queue = []
        self._line = None
        self._task = asyncio.create_task(self._work_forever(), name="chat-writer")

    async def stop(self) -> None:
        """Write what is queued, then end."""
        waiting = [row.done for row in self._queue]
        if waiting:
            await asyncio.wait(waiting, timeout=_STATEMENT_SECONDS)
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._disconnect()

    async def begin(self, record: dict[str, Any], reserving: Rows = (), news: Rows = ()) -> None:
        """Make a turn's rows durable: conversation, question, empty answer, run, what it reserves, what it tells.

        Raises Unavailable when the database stays away, NotFound when conversation or agent were deleted meanwhile,
        BudgetExceeded, ConversationBusy, RequestRepeated.
        """
        run = {"run": record["run"]}
        counting = [row | run for row in taking(reserving)]
        await self._put(_Row(True, record, BEGIN_PATIENCE_SECONDS, _future(), counting, reserving, news))

    async def finish(self, record: dict[str, Any], settling: Rows = (), news: Rows = ()) -> None:
        """Make a run's end durable. Raises Unavailable when the database stays away for a minute."""
        run = {"run": record["run"]}
        counting = [row | run for row in settling]
        await self._put(_Row(False, record, FINISH_PATIENCE_SECONDS, _future(), counting, (), news))

    def _put(self, row: _Row) -> asyncio.Future[None]:
        if self._task is None or self._task.done():
            raise Unavailable()
        self._queue.append(row)
        if self._work is not None and not self._work.done():
            self._work.set_result(None)
        return row.done

    async def _work_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._queue:
                self._work = loop.create_future()
                await self._work
            group, self._queue = self._queue[:_LARGEST_GROUP], self._queue[_LARGEST_GROUP:]
            try:
                await self._write(group)
            except Exception as error:  # the writer must live: the group's callers hear of it, the next group is tried
                logger.exception("a group of turns could not be written")
                _fail(group, error)

    async def _write(self, group: list[_Row]) -> None:
        while group:
            try:
                await self._execute(group)
            except psycopg.errors.DiskFull as error:
                _fail([row for row in group if row.is_begin], StorageFull())
                group = await self._wait_out([row for row in group if not row.is_begin], error)
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError, TimeoutError) as error:
                group = await self._wait_out(group, error)
            except psycopg.Error as error:
                await self._write_one_by_one(group, error)
                return
            else:
                for row in group:
                    if not row.done.done():
                        row.done.set_result(None)
                return

    async def _execute(self, group: list[_Row]) -> None:
        line = self._line or await self._connect()
        late = asyncio.get_running_loop().call_later(_STATEMENT_SECONDS, line.give_up)
        try:
            await self._open(line, [row for begin in group for row in begin.reserving])
            self.statements += 1
            await line.execute(*_compose(group))
        finally:
            late.cancel()

    async def _open(self, line: PreparedLine, reserving: Rows) -> None:
        """Make the counters that are not known to be there."""
        missing = [row for row in reserving if row["counter"] not in self._open_counters]
        if not missing:
            return
        self.statements += 1
        await line.execute(OPEN_COUNTERS, [orjson.dumps(missing)])
        if len(self._open_counters) > _KNOWN_COUNTERS:
            self._open_counters.clear()
        self._open_counters.update(row["counter"] for row in missing)

    async def _write_one_by_one(self, group: list[_Row], error: psycopg.Error) -> None:
        # One bad row failed the statement: each gets its own, so that only the bad one fails.
        if len(group) == 1:
            _fail(group, error)
            return
        for row in group:
            await self._write([row])

    async def _wait_out(self, group: list[_Row], error: Exception) -> list[_Row]:
        """The database is away: drop the connection, wait a little, give up the rows that waited long enough."""
        await self._disconnect()
        group, self._queue = group + self._queue, []
        now = time.monotonic()
        patient = [row for row in group if now - row.queued_at < row.patience]
        if len(patient) < len(group):
            logger.warning("the database is away: %s", error)
            _fail([row for row in group if now - row.queued_at >= row.patience], Unavailable())
        await asyncio.sleep(_RETRY_SECONDS)
        return patient

    async def _connect(self) -> PreparedLine:
        self._line = await PreparedLine.open({**connection_parameters(), "connect_timeout": _CONNECT_SECONDS})
        return self._line

    async def _disconnect(self) -> None:
        line, self._line = self._line, None
        self._open_counters.clear()  # who knows what has become of the database
        if line is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await line.close()


def _compose(group: list[_Row]) -> tuple[str, list[bytes]]:
    """The statement of a group, and its parameters."""
    starts = [row.record for row in group if row.is_begin]
    ends = [row.record for row in group if not row.is_begin]
    counting = [item for row in group for item in row.counting]
    news = [item for row in group for item in row.news]
    changed = {item["counter"] for item in counting}
    kinds = {start["is_new"] for start in starts}
    contents = Contents(
        starts_conversations=True in kinds,
        continues_conversations=False in kinds,
        supersedes=any(start["supersedes"] for start in starts),
        ends=bool(ends),
        fails=any(end["status"] == "failed" for end in ends),
        counters=Counters.MANY if len(changed) > 1 else Counters.ONE if changed else Counters.NONE,
        news=bool(news),
    )
    return write_statement(contents), [orjson.dumps(rows) for rows in (starts, ends, counting, news) if rows]


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def _fail(rows: list[_Row], error: Exception) -> None:
    shaped = _shape(error)
    for row in rows:
        if not row.done.done():
            row.done.set_exception(shaped)


_REFUSALS: dict[str | None, type[GiloError]] = {
    ONE_TURN_AT_A_TIME: ConversationBusy,
    ONE_RUN_EACH_KEY: RequestRepeated,
}


def _shape(error: Exception) -> GiloError:
    if isinstance(error, GiloError):
        return error
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return NotFound()
    if is_over_budget(error):
        return BudgetExceeded()
    if isinstance(error, psycopg.errors.UniqueViolation) and error.diag.constraint_name in _REFUSALS:
        return _REFUSALS[error.diag.constraint_name]()
    logger.error("a turn could not be written", exc_info=error)
    return GiloError()
