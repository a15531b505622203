"""What is done for all live runs at once: store their text, watch their access, end the runs of dead processes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.utils import timezone

from accounts.doors import check_still_allowed
from agents.keys import take_used_keys
from agents.services import record_key_use
from billing.budgets import COUNT_MANY_CTES, COUNTING_SUMS
from billing.metering import record_usage
from chat.execution import process_id
from chat.repeats import forget_old_keys
from chat.runtime.events import KEEP_ALIVE_SECONDS
from chat.runtime.outcome import CANCELLED, Interrupted, Outcome
from chat.streams import LiveRun, Watched, access_watchers, keep_alive, live_runs
from chat.write_statement import PAY_BACK_CTES
from core.async_db import fetch_all, run_in_thread
from core.errors import Unavailable

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 1.0
ACCESS_SECONDS = 2.0
KEY_USE_SECONDS = 15.0
KEYS_SECONDS = 600.0

# One statement a second: the heartbeat, the text and trace of all changed runs, and which runs must stop, because
# somebody wants it or because their rows were deleted.
# `status = 'streaming'` keeps a late flush from overwriting the end of a run.
_FLUSH = """
WITH changed AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS run(run uuid, answer uuid, content text, trace jsonb)
), heartbeat AS (
    INSERT INTO chat_serverprocess (id, heartbeat_at) VALUES (%s, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
), texts AS (
    UPDATE chat_message SET content = changed.content FROM changed
    WHERE chat_message.id = changed.answer AND chat_message.status = 'streaming'
), traces AS (
    UPDATE chat_run SET trace = changed.trace FROM changed
    WHERE chat_run.id = changed.run AND chat_run.status = 'streaming' AND changed.trace IS NOT NULL
)
SELECT id FROM chat_run WHERE process = %s AND status = 'streaming' AND cancel_requested
UNION ALL
SELECT run FROM changed WHERE NOT EXISTS (SELECT FROM chat_run WHERE chat_run.id = changed.run)
"""
# How much the model read and wrote is not known; what was billed beyond the plan is, and stands if there is an answer.
_DEAD_USAGE = record_usage("""SELECT run.id, run.workspace_id, run.agent_id, run.api_key_id, run.channel, run.model,
        clock_timestamp(), 0, 0, 0, CASE dead.status WHEN 'failed' THEN '' ELSE run.meter END
    FROM dead JOIN chat_run run ON run.id = dead.id""")
_SWEEP = f"""
WITH dead AS MATERIALIZED (
    SELECT run.id, run.answer_id, run.reservation, run.grant_id, run.workspace_id, run.meter, run.started_at,
        answer.content,
        CASE WHEN answer.content = '' THEN 'failed' ELSE 'partial' END AS status
    FROM chat_run run JOIN chat_message answer ON answer.id = run.answer_id
    WHERE run.status = 'streaming' AND (
        run.started_at < clock_timestamp() - make_interval(secs => %s)
        OR run.process <> %s AND run.started_at < clock_timestamp() - make_interval(secs => %s) AND NOT EXISTS (
            SELECT FROM chat_serverprocess process
            WHERE process.id = run.process AND process.heartbeat_at > clock_timestamp() - make_interval(secs => %s)))
    FOR UPDATE OF run SKIP LOCKED
), answers AS (
    UPDATE chat_message SET status = dead.status FROM dead
    WHERE chat_message.id = dead.answer_id AND chat_message.status = 'streaming'
), forgotten AS (
    DELETE FROM chat_serverprocess WHERE heartbeat_at < clock_timestamp() - interval '1 hour'
), why AS MATERIALIZED (
    SELECT %s::jsonb AS error
), failed AS MATERIALIZED (
    SELECT grant_id, workspace_id, meter, started_at FROM dead WHERE status = 'failed'
), {PAY_BACK_CTES}, {_DEAD_USAGE}, news AS (
    INSERT INTO chat_outboxevent (id, workspace_id, agent_id, type, data, created_at)
    SELECT gen_random_uuid(), run.workspace_id, run.agent_id, kind.type,
        jsonb_build_object('agent_id', run.agent_id, 'conversation_id', run.conversation_id, 'run_id', run.id,
            'channel', run.channel, 'end_user', conversation.end_user, 'status', dead.status)
        || CASE kind.type WHEN 'run.failed' THEN jsonb_build_object('error', why.error)
            ELSE jsonb_build_object('message_id', dead.answer_id, 'role', 'assistant', 'content', dead.content) END,
        clock_timestamp()
    FROM why, dead JOIN chat_run run ON run.id = dead.id
    JOIN chat_conversation conversation ON conversation.id = run.conversation_id
    JOIN agents_agent agent ON agent.id = run.agent_id
    CROSS JOIN (VALUES ('message.created'), ('run.failed')) AS kind(type)
    WHERE kind.type = ANY(agent.wanted_events) AND (kind.type = 'run.failed' OR dead.content <> '')
), counting AS MATERIALIZED (
    -- what the model did before the process died is unknown: all that was reserved counts as spent
    SELECT {COUNTING_SUMS}
    FROM (
        SELECT (item->>0)::uuid AS counter, false AS takes,
            -(item->>1)::numeric AS reserved_usd, -(item->>2)::bigint AS reserved_tokens,
            (item->>1)::numeric AS spent_usd, (item->>2)::bigint AS spent_tokens
        FROM dead, jsonb_array_elements(dead.reservation) AS item
    ) held
    GROUP BY counter
), {COUNT_MANY_CTES}
UPDATE chat_run SET finish_reason = 'error', error = why.error, finished_at = clock_timestamp(), reservation = NULL,
    status = dead.status, idempotency_key = CASE dead.status WHEN 'failed' THEN '' ELSE idempotency_key END
FROM dead, why WHERE chat_run.id = dead.id RETURNING chat_run.id
"""  # noqa: S608 - constants of ours


async def flush_runs() -> None:
    """Store what changed, show that this process lives, stop what somebody wants stopped."""
    changed = [run for run in live_runs.values() if run.is_changed and run.is_generating]
    rows = [describe_progress(run) for run in changed]
    traced = [run for run in changed if run.is_trace_changed]
    for run in changed:
        run.is_changed = run.is_trace_changed = False
    try:
        cancelled = await fetch_all(_FLUSH, [orjson.dumps(rows).decode(), process_id, process_id])
    except Unavailable:
        for run in changed:
            run.is_changed, run.is_trace_changed = True, run in traced
        raise
    for (run_id,) in cancelled:
        if run_id in live_runs:
            live_runs[run_id].stop(Outcome(CANCELLED, "cancelled"))


def describe_progress(run: LiveRun) -> dict[str, Any]:
    trace = run.trace if run.is_trace_changed else None
    return {"run": run.run_id, "answer": run.answer_id, "content": run.answer.text, "trace": trace}


async def sweep_runs() -> list[UUID]:
    """End the runs of dead processes as partial, with their text as it was stored last; returns their ids."""
    silence = settings.CHAT_DEAD_AFTER_SECONDS
    error = orjson.dumps(Interrupted().body("")["error"]).decode()
    rows = await fetch_all(_SWEEP, [settings.CHAT_LONGEST_RUN_SECONDS, process_id, silence, silence, error])
    if rows:
        logger.warning("%d runs of stopped processes were ended as partial", len(rows))
    return [row[0] for row in rows]


async def check_access() -> None:
    """End the runs, and close the sockets, of who may no longer come in: see `accounts.doors.check_still_allowed`."""
    watched: list[Watched] = [*live_runs.values(), *access_watchers]
    if not watched:
        return
    allowed = await check_still_allowed([item.principal for item in watched])
    for item, may_stay in zip(watched, allowed, strict=True):
        if not may_stay:
            item.end_access()


async def record_used_keys() -> None:
    """Note when the keys that were looked up lately were used."""
    used = take_used_keys()
    if used:
        await run_in_thread(record_key_use, key_ids=used, at=timezone.now())


def _every(seconds: Callable[[], float], work: Callable[[], Awaitable[Any]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """A loop that does this work again and again; an absent database is waited out, a fault is logged."""

    async def loop() -> None:
        while True:
            try:
                await work()
            except Unavailable:
                logger.debug("%s: the database is away", work.__name__)
            except Exception:  # the loop must live; the fault is logged in full
                logger.exception("%s failed", work.__name__)
            await asyncio.sleep(seconds())

    loop.__name__ = f"chat-{work.__name__}"
    return loop


LOOPS = (
    _every(lambda: KEEP_ALIVE_SECONDS, keep_alive),
    _every(lambda: FLUSH_SECONDS, flush_runs),
    _every(lambda: settings.CHAT_SWEEP_SECONDS, sweep_runs),
    _every(lambda: ACCESS_SECONDS, check_access),
    _every(lambda: KEY_USE_SECONDS, record_used_keys),
    _every(lambda: KEYS_SECONDS, forget_old_keys),
)
