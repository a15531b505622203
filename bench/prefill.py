"""Conversations as they would be after some months, so that plans and indexes are those of a real database."""

from django.db import connection

from agents.models import Agent
from chat.models import Conversation

_FILL = """
WITH numbers AS (SELECT n, gen_random_uuid() AS conversation, gen_random_uuid() AS question,
        gen_random_uuid() AS answer, gen_random_uuid() AS run, now() - n * interval '1 minute' AS at
    FROM generate_series(1, %(count)s) AS n),
conversations AS (
    INSERT INTO chat_conversation
        (id, workspace_id, agent_id, channel, end_user, title, created_at, last_message_at)
    SELECT conversation, %(workspace)s, %(agent)s, 'api', '', 'Prefilled', at, at FROM numbers),
messages AS (
    INSERT INTO chat_message (id, conversation_id, role, content, status, citations, superseded, created_at)
    SELECT question, conversation, 'user', 'How do tides work?', 'complete', '[]'::jsonb, false, at FROM numbers
    UNION ALL
    SELECT answer, conversation, 'assistant', repeat('The moon pulls the sea. ', 20), 'complete', '[]'::jsonb, false, at
    FROM numbers)
INSERT INTO chat_run (id, workspace_id, agent_id, conversation_id, question_id, answer_id, status, process,
    cancel_requested, trace, model, input_tokens, output_tokens, cost_usd, finish_reason, started_at, finished_at)
SELECT run, %(workspace)s, %(agent)s, conversation, question, answer, 'complete', gen_random_uuid(),
    false, '[]'::jsonb, 'fake-model', 20, 100, 0, 'stop', at, at FROM numbers
"""


def prefill(agent: Agent, count: int) -> int:
    """Bring the database to at least `count` conversations, then VACUUM ANALYZE; gives their number."""
    missing = count - Conversation.objects.count()
    with connection.cursor() as cursor:
        if missing > 0:
            cursor.execute(_FILL, {"count": missing, "workspace": agent.workspace_id, "agent": agent.pk})
        cursor.execute("VACUUM ANALYZE")
    total = Conversation.objects.count()
    connection.close()
    return total
