"""Writes that are not a run's own: cancel, feedback, delete."""

from uuid import UUID

from accounts.permissions import Principal
from chat.models import Conversation, Message
from chat.runtime.outcome import CANCELLED, Outcome
from chat.selectors import STREAMING, StoredRun, get_conversation, load_run, readable_by
from chat.streams import live_runs
from core.async_db import fetch_all

_REQUEST_CANCEL = """
UPDATE chat_run SET cancel_requested = true WHERE id = %s AND status = 'streaming' RETURNING id
"""


async def cancel_run(principal: Principal, run_id: UUID) -> StoredRun:
    """Stop the principal's own run: at once when it lives here, within a second elsewhere. Its text is kept.

    Raises NotFound. A run that is over stays as it is.
    """
    run = await load_run(principal, run_id)
    live = live_runs.get(run_id)
    if live is not None:
        live.stop(Outcome(CANCELLED, "cancelled"))
    elif run.status == STREAMING:
        await fetch_all(_REQUEST_CANCEL, [run_id])
    return run


def give_feedback(*, principal: Principal, message_id: UUID, value: int | None, comment: str = "") -> Message:
    """Thumbs up (1), down (-1) or none on an answer, in place of what was said before.

    Raises NotFound for what is not an answer that the principal may read.
    """
    messages = Message.objects.for_workspace(principal.workspace_id).filter(role="assistant")
    conversations = Conversation.objects.for_workspace(principal.workspace_id).filter(readable_by(principal))
    message = messages.filter(conversation__in=conversations).get_or_404(pk=message_id)
    message.feedback = value or None
    message.feedback_comment = comment if message.feedback else ""
    message.save(update_fields=["feedback", "feedback_comment"])
    return message


def delete_conversation(*, principal: Principal, conversation_id: UUID) -> None:
    """Delete a conversation with its messages and runs; what still streams there stops within a second."""
    get_conversation(principal, conversation_id).delete()
