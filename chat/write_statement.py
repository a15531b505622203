"""The one statement of the group commit: starts and ends of turns, and what rides with them.

Parts that no turn of a group needs are left out: PostgreSQL opens every index of every table that a statement names,
which costs as much as a row does. Each part may be written twice without harm (see chat.writer): rows are inserted once
by their ids, a reservation counts only with a run that is new, a settlement only with a run that still holds its
reservation.
"""

from enum import Enum
from functools import cache
from typing import NamedTuple

from billing.budgets import COUNT_MANY_CTES, COUNT_ONE_CTE, COUNTING_COLUMNS, COUNTING_SUMS
from billing.grants import return_uses
from billing.metering import record_usage, return_overages

_BEGUN = """
begun AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS turn(
        conversation uuid, is_new boolean, workspace uuid, agent uuid, channel text, "user" uuid, api_key uuid,
        end_user text, title text, at timestamptz, question uuid, asks boolean, content text, answer uuid,
        run uuid, version uuid, process uuid, supersedes uuid[], idempotency_key text, request_digest text,
        reservation jsonb, meter text, "grant" uuid, platform_pays boolean)
), questions AS (
    INSERT INTO chat_message (id, conversation_id, role, content, status, citations, superseded, created_at)
    SELECT question, conversation, 'user', content, 'complete', '[]'::jsonb, false, at FROM begun WHERE asks
    UNION ALL
    SELECT answer, conversation, 'assistant', '', 'streaming', '[]'::jsonb, false, at FROM begun
    ON CONFLICT (id) DO NOTHING
), new_runs AS (
    INSERT INTO chat_run (id, workspace_id, agent_id, version_id, conversation_id, question_id, answer_id, api_key_id,
        channel, idempotency_key, request_digest, reservation, meter, grant_id, is_platform_paid,
        status, process, cancel_requested, trace, model, input_tokens, output_tokens, cost_usd, finish_reason,
        started_at)
    SELECT run, workspace, agent, version, conversation, question, answer, api_key,
        channel, idempotency_key, request_digest, reservation, meter, "grant", COALESCE(platform_pays, false),
        'streaming', process, false, '[]', '', 0, 0, 0, '', at FROM begun
    ON CONFLICT (id) DO NOTHING
)"""
_NEW_CONVERSATIONS = """
new_conversations AS (
    INSERT INTO chat_conversation
        (id, workspace_id, agent_id, channel, user_id, api_key_id, end_user, title, created_at, last_message_at)
    SELECT conversation, workspace, agent, channel, "user", api_key, end_user, title, at, at FROM begun WHERE is_new
    ON CONFLICT (id) DO NOTHING
)"""
_OLD_CONVERSATIONS = """
old_conversations AS (
    UPDATE chat_conversation SET last_message_at = begun.at FROM begun
    WHERE NOT begun.is_new AND chat_conversation.id = begun.conversation
)"""
_SUPERSEDED = """
superseded AS (
    UPDATE chat_message SET superseded = true FROM begun
    WHERE begun.supersedes IS NOT NULL AND chat_message.id = ANY(begun.supersedes)
        AND chat_message.conversation_id = begun.conversation
)"""
_ENDED = """
ended AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS run(
        run uuid, answer uuid, status text, content text, citations jsonb, trace jsonb, model text,
        input_tokens integer, output_tokens integer, cost_usd numeric, ttft_ms integer, latency_ms integer,
        finish_reason text, error jsonb, at timestamptz)
), answers AS (
    UPDATE chat_message SET content = ended.content, status = ended.status, citations = ended.citations FROM ended
    WHERE chat_message.id = ended.answer
)"""
# A failed run gives its idempotency key back: whoever tries again with it gets a new answer.
_ENDED_RUNS = """
ended_runs AS (
    UPDATE chat_run SET status = ended.status, trace = ended.trace, model = ended.model,
        input_tokens = ended.input_tokens, output_tokens = ended.output_tokens, cost_usd = ended.cost_usd,
        ttft_ms = ended.ttft_ms, latency_ms = ended.latency_ms, finish_reason = ended.finish_reason,
        error = ended.error, finished_at = ended.at, reservation = NULL,
        idempotency_key = CASE WHEN ended.status = 'failed' THEN '' ELSE chat_run.idempotency_key END
    FROM ended WHERE chat_run.id = ended.run{condition}
    RETURNING chat_run.id, workspace_id, agent_id, api_key_id, channel, chat_run.model, finished_at,
        chat_run.input_tokens, chat_run.output_tokens, chat_run.cost_usd, chat_run.status, meter
)"""
# What was not answered is not billed.
_USAGE = record_usage("""SELECT id, workspace_id, agent_id, api_key_id, channel, model, finished_at,
        input_tokens, output_tokens, cost_usd, CASE WHEN status = 'failed' THEN '' ELSE meter END FROM ended_runs""")
# What a failed run took before it began. Only its first end gives it back: the row is locked while it is looked at, so
# that an end that is written twice, or comes when the run was swept already, finds it over. `_ENDED_RUNS` waits for it.
PAY_BACK_CTES = ",".join(
    (
        return_uses("SELECT grant_id FROM failed WHERE grant_id IS NOT NULL"),
        return_overages("SELECT workspace_id, meter, started_at FROM failed WHERE meter <> ''"),
    )
)
_PAYING_BACK = f"""
failed AS MATERIALIZED (
    SELECT run.grant_id, run.workspace_id, run.meter, run.started_at FROM ended JOIN chat_run run ON run.id = ended.run
    WHERE ended.status = 'failed' AND run.status = 'streaming' FOR UPDATE OF run
), {PAY_BACK_CTES}"""  # noqa: S608 - constants of ours
_AFTER_FAILURES = " AND (SELECT count(*) FROM failed) >= 0"
_COUNTING = f"""
counting AS MATERIALIZED (
    SELECT {COUNTING_SUMS}
    FROM json_to_recordset(%s::json) AS row(run uuid, {COUNTING_COLUMNS}) LEFT JOIN chat_run ON chat_run.id = row.run
    WHERE CASE WHEN takes THEN chat_run.id IS NULL ELSE chat_run.reservation IS NOT NULL END
    GROUP BY counter
)"""  # noqa: S608 - constants of ours
_NEWS = """
news AS (
    INSERT INTO chat_outboxevent (id, workspace_id, agent_id, type, data, created_at)
    SELECT id, workspace, agent, type, data, at FROM json_to_recordset(%s::json) AS event(
        id uuid, workspace uuid, agent uuid, type text, data jsonb, at timestamptz)
    ON CONFLICT (id) DO NOTHING
)"""


class Counters(Enum):
    """How many of the budgets' counters a group changes."""

    NONE = ()
    ONE = (_COUNTING, COUNT_ONE_CTE)
    MANY = (_COUNTING, COUNT_MANY_CTES)


class Contents(NamedTuple):
    """What there is in a group of turns, and so what its statement has to do."""

    starts_conversations: bool  # turns that begin in a new conversation
    continues_conversations: bool  # turns that begin in one that is there
    supersedes: bool  # turns that replace messages
    ends: bool
    fails: bool  # some of the ends are failures
    counters: Counters
    news: bool


@cache
def write_statement(contents: Contents) -> str:
    """The SQL. Parameters, each a JSON list, and each only where there are some: starts, ends, changes, events."""
    parts: list[str] = []
    if contents.starts_conversations or contents.continues_conversations:
        parts.append(_BEGUN)
    if contents.starts_conversations:
        parts.append(_NEW_CONVERSATIONS)
    if contents.continues_conversations:
        parts.append(_OLD_CONVERSATIONS)
    if contents.supersedes:
        parts.append(_SUPERSEDED)
    if contents.ends:
        paying_back, condition = ([_PAYING_BACK], _AFTER_FAILURES) if contents.fails else ([], "")
        parts += [_ENDED, *paying_back, _ENDED_RUNS.format(condition=condition), _USAGE]
    parts += contents.counters.value
    if contents.news:
        parts.append(_NEWS)
    sql = f"WITH {','.join(parts)}\nSELECT"
    for place in range(1, sql.count("%s") + 1):
        sql = sql.replace("%s", f"${place}", 1)
    return sql
