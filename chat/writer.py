"""Group commit: the turns of all concurrent runs are written by one connection, many in one statement.

Whoever queues a row waits for it to be durable. The writer takes whatever is queued the moment it is free and never
lingers, so a lone turn pays one commit and a crowd shares it. One statement, prepared once, takes the starts and the
ends as two JSON lists. A database restart is waited out: starts for 5 s (then the caller hears `Unavailable`), ends
for a minute. Every row may be written twice without harm, because a broken connection does not say what it committed.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg

from core.async_db import connection_parameters
from core.errors import GiloError, NotFound, Unavailable

logger = logging.getLogger(__name__)
BEGIN_PATIENCE_SECONDS = 4.0
FINISH_PATIENCE_SECONDS = 60.0
_STATEMENT_SECONDS = 10.0
_CONNECT_SECONDS = 3
_RETRY_SECONDS = 0.1
_LARGEST_GROUP = 200

WRITE = """
WITH begun AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS turn(
        conversation uuid, is_new boolean, workspace uuid, agent uuid, channel text, "user" uuid, api_key uuid,
        end_user text, title text, at timestamptz, question uuid, asks boolean, content text, answer uuid,
        run uuid, version uuid, process uuid, supersedes uuid[])
), ended AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS run(
        run uuid, answer uuid, status text, content text, citations jsonb, trace jsonb, model text,
        input_tokens integer, output_tokens integer, cost_usd numeric, ttft_ms integer, latency_ms integer,
        finish_reason text, error jsonb, at timestamptz)
), new_conversations AS (
    INSERT INTO chat_conversation
        (id, workspace_id, agent_id, channel, user_id, api_key_id, end_user, title, created_at, last_message_at)
    SELECT conversation, workspace, agent, channel, "user", api_key, end_user, title, at, at FROM begun WHERE is_new
    ON CONFLICT (id) DO NOTHING
), old_conversations AS (
    UPDATE chat_conversation SET last_message_at = begun.at FROM begun
    WHERE NOT begun.is_new AND chat_conversation.id = begun.conversation
), hidden AS (
    UPDATE chat_message SET superseded = true FROM begun
    WHERE begun.supersedes IS NOT NULL AND chat_message.id = ANY(begun.supersedes)
        AND chat_message.conversation_id = begun.conversation
), questions AS (
    INSERT INTO chat_message (id, conversation_id, role, content, status, citations, superseded, created_at)
    SELECT question, conversation, 'user', content, 'complete', '[]'::jsonb, false, at FROM begun WHERE asks
    UNION ALL
    SELECT answer, conversation, 'assistant', '', 'streaming', '[]'::jsonb, false, at FROM begun
    ON CONFLICT (id) DO NOTHING
), new_runs AS (
    INSERT INTO chat_run (id, workspace_id, agent_id, version_id, conversation_id, question_id, answer_id, api_key_id,
        status, process, cancel_requested, trace, model, input_tokens, output_tokens, cost_usd, finish_reason,
        started_at)
    SELECT run, workspace, agent, version, conversation, question, answer, api_key,
        'streaming', process, false, '[]', '', 0, 0, 0, '', at FROM begun
    ON CONFLICT (id) DO NOTHING
), answers AS (
    UPDATE chat_message SET content = ended.content, status = ended.status, citations = ended.citations FROM ended
    WHERE chat_message.id = ended.answer
)
UPDATE chat_run SET status = ended.status, trace = ended.trace, model = ended.model,
    input_tokens = ended.input_tokens, output_tokens = ended.output_tokens, cost_usd = ended.cost_usd,
    ttft_ms = ended.ttft_ms, latency_ms = ended.latency_ms, finish_reason = ended.finish_reason,
    error = ended.error, finished_at = ended.at
FROM ended WHERE chat_run.id = ended.run
"""


@dataclass(slots=True)
class _Row:
    is_begin: bool
    record: dict[str, Any]
    patience: float  # seconds to wait for a database that is away
    done: asyncio.Future[None]
    queued_at: float = field(default_factory=time.monotonic)


class Writer:
    """The process's one writer. `statements` counts its round trips, for tests and benchmarks."""

    def __init__(self) -> None:
        self.statements = 0
        self._queue: list[_Row] = []
        self._work: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None

    def start(self) -> None:
        """Start the writer's task on the running loop."""
        self._queue = []
        self._connection = None
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

    async def begin(self, record: dict[str, Any]) -> None:
        """Make a turn's rows durable: conversation, question, empty answer, run.

        Raises Unavailable when the database stays away, NotFound when conversation or agent were deleted meanwhile.
        """
        await self._put(True, record, BEGIN_PATIENCE_SECONDS)

    async def finish(self, record: dict[str, Any]) -> None:
        """Make a run's end durable. Raises Unavailable when the database stays away for a minute."""
        await self._put(False, record, FINISH_PATIENCE_SECONDS)

    def _put(self, is_begin: bool, record: dict[str, Any], patience: float) -> asyncio.Future[None]:
        if self._task is None or self._task.done():
            raise Unavailable()
        row = _Row(is_begin, record, patience, asyncio.get_running_loop().create_future())
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
        connection = self._connection or await self._connect()
        begun = orjson.dumps([row.record for row in group if row.is_begin]).decode()
        ended = orjson.dumps([row.record for row in group if not row.is_begin]).decode()
        self.statements += 1
        async with asyncio.timeout(_STATEMENT_SECONDS):
            await connection.execute(WRITE, (begun, ended), prepare=True)

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

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        parameters = {**connection_parameters(), "connect_timeout": _CONNECT_SECONDS}
        self._connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


def _fail(rows: list[_Row], error: Exception) -> None:
    shaped = _shape(error)
    for row in rows:
        if not row.done.done():
            row.done.set_exception(shaped)


def _shape(error: Exception) -> GiloError:
    if isinstance(error, GiloError):
        return error
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return NotFound()
    logger.error("a turn could not be written", exc_info=error)
    return GiloError()
