"""What a response goes on from: `previous_response_id` names an answer, in a conversation that its key began.

From the newest answer the conversation goes on. From an earlier one, or with further messages between, a new
conversation begins with what was said until then: the one that exists stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from accounts.permissions import Principal
from chat.errors import ConversationBusy
from chat.selectors import HISTORY_MESSAGES, STREAMING, load_run
from chat.streams import LiveRun
from chat.transports.openai.errors import PreviousResponseNotFound
from core.async_db import fetch_all
from core.errors import NotFound
from llm.types import ChatMessage

_THREAD_QUERY = f"""
SELECT role, content, EXISTS (
    SELECT FROM chat_message later WHERE later.conversation_id = message.conversation_id AND later.id > %s
)
FROM chat_message message
WHERE conversation_id = %s AND id <= %s AND NOT superseded AND content <> ''
ORDER BY id DESC LIMIT {HISTORY_MESSAGES}
"""  # noqa: S608 - constants of ours
_KEEP_HISTORY = """
INSERT INTO chat_message (id, conversation_id, role, content, status, citations, superseded, created_at)
SELECT told.id, %s, told.role, told.content, 'complete', '[]', false, %s
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS told (id, role, content)
RETURNING id
"""
_PAUSE_MS = 1000


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation up to one of its answers; `is_newest`: nothing was said since."""

    conversation_id: UUID
    history: tuple[ChatMessage, ...]
    is_newest: bool


async def load_thread(principal: Principal, run_id: UUID) -> Thread:
    """What was said up to the run's answer. Raises PreviousResponseNotFound, ConversationBusy while it is written."""
    try:
        run = await load_run(principal, run_id)
    except NotFound:
        raise PreviousResponseNotFound(param="previous_response_id") from None
    if run.status == STREAMING:
        raise ConversationBusy()
    rows = await fetch_all(_THREAD_QUERY, [run.answer_id, run.conversation_id, run.answer_id])
    history = tuple(ChatMessage(role, content) for role, content, _ in reversed(rows))
    return Thread(run.conversation_id, history, is_newest=not any(has_later for _, _, has_later in rows))


async def keep_history(run: LiveRun, history: Sequence[ChatMessage]) -> None:
    """Store what a request told of before its question, so that a later request can go on from all of it.

    A message's place is its id. These stand before the question, whose id is as old as the answer's: a millisecond
    apart from each other, and a second before both.
    """
    kept = history[-HISTORY_MESSAGES:]
    first = run.answer_id.int - (_PAUSE_MS + len(kept) << 80)
    ids = [UUID(int=first + (place << 80)) for place in range(len(kept))]
    roles, texts = [message.role for message in kept], [message.content for message in kept]
    await fetch_all(_KEEP_HISTORY, [run.conversation_id, datetime.now(UTC), ids, roles, texts])
