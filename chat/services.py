"""Writes that are not a run's own: cancel, feedback, delete."""

import time
from uuid import UUID

from accounts.permissions import Principal, authorize
from chat.errors import ConversationBusy
from chat.models import Conversation, Message, Run
from chat.runtime.outcome import CANCELLED, Outcome
from chat.selectors import STREAMING, StoredRun, get_conversation, load_run, readable_by
from chat.streams import live_runs
from core.async_db import fetch_all

_STOP_SECONDS = 5.0
_LOOK_SECONDS = 0.1
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

    Raises NotFound for what is not an answer that the principal may read, PermissionDenied to members who may not
    change what came from outside.
    """
    messages = Message.objects.for_workspace(principal.workspace_id).filter(role="assistant")
    conversations = Conversation.objects.for_workspace(principal.workspace_id).filter(readable_by(principal))
    message = messages.filter(conversation__in=conversations).select_related("conversation").get_or_404(pk=message_id)
    _require_change(principal, message.conversation)
    message.feedback = value or None
    message.feedback_comment = comment if message.feedback else ""
    message.save(update_fields=["feedback", "feedback_comment"])
    return message


def delete_conversation(*, principal: Principal, conversation_id: UUID) -> None:
    """Delete a conversation with its messages and runs. An answer that is being written there is stopped first: its
    end counts what it cost.

    Raises NotFound, PermissionDenied as above, ConversationBusy when the answer does not end in time.
    """
    conversation = get_conversation(principal, conversation_id)
    _require_change(principal, conversation)
    _stop_answer(conversation)
    conversation.delete()


def _require_change(principal: Principal, conversation: Conversation) -> None:
    """Members change their own playground's conversations; what came from outside only those who may delete it."""
    if principal.api_key_id is None and conversation.user_id is None:
        authorize(principal, "history.delete")


def _stop_answer(conversation: Conversation) -> None:
    """Ask for its end, wherever it is made, and wait for it (`chat.upkeep` looks every second)."""
    streaming = Run.objects.filter(conversation=conversation, status=STREAMING)
    if not streaming.update(cancel_requested=True):
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while streaming.exists():
        if time.monotonic() > deadline:
            raise ConversationBusy()
        time.sleep(_LOOK_SECONDS)
