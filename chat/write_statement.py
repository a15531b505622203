"""The one statement of the group commit: starts and ends of turns, and what rides with them.

Budgets, news and failures are left out where no turn of the group has any: a statement that does not name their tables
costs nothing for them. Each part may be written twice without harm (see chat.writer): rows are inserted once by their
ids, a reservation counts only with a run that is new, a settlement only with a run that still holds its reservation.
"""

from enum import Enum
from functools import cache

from billing.budgets import COUNT_MANY_CTES, COUNT_ONE_CTE, COUNTING_COLUMNS, COUNTING_SUMS
from billing.grants import return_uses
from billing.metering import record_usage, return_overages

_TURNS = """begun AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS turn(
        conversation uuid, is_new boolean, workspace uuid, agent uuid, channel text, "user" uuid, api_key uuid,
        end_user text, title text, at timestamptz, question uuid, asks boolean, content text, answer uuid,
        run uuid, version uuid, process uuid, supersedes uuid[], idempotency_key text, request_digest text,
        reservation jsonb, meter text, "grant" uuid, platform_pays boolean)
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
        channel, idempotency_key, request_digest, reservation, meter, grant_id, is_platform_paid,
        status, process, cancel_requested, trace, model, input_tokens, output_tokens, cost_usd, finish_reason,
        started_at)
    SELECT run, workspace, agent, version, conversation, question, answer, api_key,
        channel, idempotency_key, request_digest, reservation, meter, "grant", COALESCE(platform_pays, false),
        'streaming', process, false, '[]', '', 0, 0, 0, '', at FROM begun
    ON CONFLICT (id) DO NOTHING
), answers AS (
    UPDATE chat_message SET content = ended.content, status = ended.status, citations = ended.citations FROM ended
    WHERE chat_message.id = ended.answer
)"""
# What was not answered is not billed.
_USAGE = record_usage("""SELECT chat_run.id, chat_run.workspace_id, chat_run.agent_id, chat_run.api_key_id,
        chat_run.channel, ended.model, ended.at, ended.input_tokens, ended.output_tokens, ended.cost_usd,
        CASE WHEN ended.status = 'failed' THEN '' ELSE chat_run.meter END
    FROM ended JOIN chat_run ON chat_run.id = ended.run""")
# What a failed run took before it began. Only its first end gives it back: the row is locked while it is looked at, so
# that an end that is written twice, or comes when the run was swept already, finds it over. `_ENDS` waits for the look.
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
# A failed run gives its idempotency key back: whoever tries again with it gets a new answer.
_ENDS = """
UPDATE chat_run SET status = ended.status, trace = ended.trace, model = ended.model,
    input_tokens = ended.input_tokens, output_tokens = ended.output_tokens, cost_usd = ended.cost_usd,
    ttft_ms = ended.ttft_ms, latency_ms = ended.latency_ms, finish_reason = ended.finish_reason,
    error = ended.error, finished_at = ended.at, reservation = NULL,
    idempotency_key = CASE WHEN ended.status = 'failed' THEN '' ELSE chat_run.idempotency_key END
FROM ended WHERE chat_run.id = ended.run
"""
_AFTER_FAILURES = " AND (SELECT count(*) FROM failed) >= 0"


class Counters(Enum):
    """How many of the budgets' counters a group changes."""

    NONE = ()
    ONE = (_COUNTING, COUNT_ONE_CTE)
    MANY = (_COUNTING, COUNT_MANY_CTES)


@cache
def write_statement(*, counters: Counters, with_news: bool, with_failures: bool = False) -> str:
    """The SQL. Parameters, each a JSON list: starts, ends, [changes of counters], [events]."""
    paying_back = [_PAYING_BACK] if with_failures else []
    sql = ",".join((_TURNS, _USAGE, *counters.value, *([_NEWS] if with_news else []), *paying_back))
    sql = f"WITH {sql}{_ENDS}{_AFTER_FAILURES if with_failures else ''}"
    for place in range(1, sql.count("%s") + 1):
        sql = sql.replace("%s", f"${place}", 1)
    return sql
