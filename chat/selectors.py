"""Reads about conversations and runs.

The first argument says whose: the workspace, or the principal, which also narrows it to its own. The asynchronous reads
are the hot path's: one statement each.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from accounts.permissions import Principal
from chat.models import Channel, Conversation, Message, Run
from chat.runtime.events import ERROR, KEEP_ALIVE_SECONDS, RUN_FINISHED, Event, after_id, rebuild
from chat.streams import follow_live, follow_watched, live_runs
from core.async_db import fetch_all
from core.errors import NotFound, Unavailable
from llm.types import ChatMessage

HISTORY_MESSAGES = 40
POLL_SECONDS = 0.5
STREAMING = "streaming"

# An API key sees its own conversations (and its family's), a visitor its own of them, a member its own: whose it is, is
# part of every condition.
_OWNED = """conversation.workspace_id = %s AND (%s::uuid IS NULL OR conversation.agent_id = %s)
    AND (conversation.api_key_id = ANY(%s::uuid[]) AND (%s::text = '' OR conversation.end_user = %s)
        OR (%s::uuid[] IS NULL AND conversation.user_id = %s))"""
_HISTORY_QUERY = f"""
SELECT message.id, message.role, message.content, message.status
FROM chat_conversation conversation LEFT JOIN LATERAL (
    SELECT id, role, content, status FROM chat_message
    WHERE conversation_id = conversation.id AND NOT superseded ORDER BY id DESC LIMIT {HISTORY_MESSAGES}
) message ON true
WHERE conversation.id = %s AND {_OWNED}
ORDER BY message.id
"""  # noqa: S608 - constants of ours
_RUN_ROWS = """
SELECT run.id, run.conversation_id, run.answer_id, run.status, run.process, run.trace, run.error, run.finish_reason,
    run.input_tokens, run.output_tokens, run.cost_usd, run.ttft_ms, run.latency_ms, run.started_at, run.finished_at,
    answer.content, answer.citations
FROM chat_run run
JOIN chat_conversation conversation ON conversation.id = run.conversation_id
JOIN chat_message answer ON answer.id = run.answer_id
"""
_RUN_QUERY = f"{_RUN_ROWS} WHERE run.id = %s AND {_OWNED}"
_RUNS_WHERE = f"""WHERE run.agent_id = %s AND {_OWNED}
    AND (%s::uuid IS NULL OR run.conversation_id = %s) AND (%s::text[] IS NULL OR run.status = ANY(%s))"""
_RUNS_QUERY = f"{_RUN_ROWS} {_RUNS_WHERE} AND (%s::uuid IS NULL OR run.id < %s) ORDER BY run.id DESC LIMIT %s"
_RUNS_COUNT = f"""SELECT count(*) FROM chat_run run
JOIN chat_conversation conversation ON conversation.id = run.conversation_id {_RUNS_WHERE}"""  # noqa: S608 - constants

_DOCUMENTS_QUERY = "SELECT EXISTS (SELECT FROM knowledge_document WHERE agent_id = %s AND status = 'ready')"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a conversation's history."""

    id: UUID
    role: str
    content: str
    status: str


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as its rows tell it."""

    id: UUID
    conversation_id: UUID
    answer_id: UUID
    status: str
    process: UUID
    trace: list[list[Any]]
    error: dict[str, Any] | None
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: Any
    ttft_ms: int | None
    latency_ms: int | None
    started_at: datetime
    finished_at: datetime | None
    content: str
    citations: list[dict[str, Any]]


def _whose(principal: Principal, agent_id: UUID | None) -> list[Any]:
    keys = own_keys(principal)
    visitor = principal.end_user
    return [principal.workspace_id, agent_id, agent_id, keys, visitor, visitor, keys, principal.user_id]


async def load_history(principal: Principal, agent_id: UUID, conversation_id: UUID) -> list[StoredMessage]:
    """The newest messages of the principal's own conversation, oldest first; NotFound when it is not theirs."""
    rows = await fetch_all(_HISTORY_QUERY, [conversation_id, *_whose(principal, agent_id)])
    if not rows:
        raise NotFound()
    return [StoredMessage(*row) for row in rows if row[0] is not None]


def as_prompt(history: list[StoredMessage]) -> list[ChatMessage]:
    """The history as the model reads it: without answers that hold nothing."""
    return [ChatMessage(message.role, message.content) for message in history if message.content]


async def load_run(principal: Principal, run_id: UUID) -> StoredRun:
    """The principal's own run; NotFound when it is not theirs."""
    rows = await fetch_all(_RUN_QUERY, [run_id, *_whose(principal, principal.agent_id)])
    if not rows:
        raise NotFound()
    return StoredRun(*rows[0])


async def load_runs(
    principal: Principal,
    agent_id: UUID,
    *,
    conversation_id: UUID | None = None,
    statuses: list[str] | None = None,
    after: UUID | None = None,
    limit: int,
) -> tuple[list[StoredRun], int]:
    """The principal's own runs of this agent, newest first, those after the run `after`; and how many there are."""
    chosen = [agent_id, *_whose(principal, agent_id), conversation_id, conversation_id, statuses, statuses]
    rows = await fetch_all(_RUNS_QUERY, [*chosen, after, after, limit])
    count = await fetch_all(_RUNS_COUNT, chosen)
    return [StoredRun(*row) for row in rows], int(count[0][0])


async def has_documents(agent_id: UUID) -> bool:
    """Whether a search in the agent's documents could find anything (no question is embedded for nothing)."""
    rows = await fetch_all(_DOCUMENTS_QUERY, [agent_id])
    return bool(rows[0][0])


def follow_run(principal: Principal, run: StoredRun, after: int = 0) -> AsyncIterator[list[Event]]:
    """The run's events after the place `after`, wherever it lives, for as long as the principal may read them."""
    live = live_runs.get(run.id)
    groups = follow_stored(principal, run, after) if live is None else follow_live(live, after)
    return follow_watched(principal, groups)


async def follow_stored(principal: Principal, run: StoredRun, after: int = 0) -> AsyncIterator[list[Event]]:
    """The events of a run that is over or lives in another process, read from its rows until it is over."""
    seen = after
    quiet = 0.0
    while True:
        fresh = [
            event for event in (after_id(item, seen) for item in describe_run(run, principal)) if event is not None
        ]
        if fresh:
            yield fresh
            seen = max(seen, fresh[-1].id)
            quiet = 0.0
        elif quiet >= KEEP_ALIVE_SECONDS:
            yield []
            quiet = 0.0
        if run.status != STREAMING:
            return
        await asyncio.sleep(POLL_SECONDS)
        quiet += POLL_SECONDS
        with contextlib.suppress(Unavailable):  # a database that restarts is waited out
            run = await load_run(principal, run.id)


def describe_run(run: StoredRun, principal: Principal | None = None) -> list[Event]:
    """The run's events so far, as its rows tell them; what it cost is not a visitor's matter."""
    started = describe_start(run.id, run.conversation_id, run.answer_id)
    cost = None if principal and principal.end_user else run.cost_usd
    last = None if run.status == STREAMING else _last_event(run, cost)
    return list(rebuild(started, run.trace, run.content, last))


def describe_start(run_id: UUID, conversation_id: UUID, answer_id: UUID) -> dict[str, UUID]:
    """The data of `run.started`."""
    return {"run_id": run_id, "conversation_id": conversation_id, "message_id": answer_id}


def _last_event(run: StoredRun, cost: Any) -> tuple[str, Any]:
    if run.error is not None:
        return ERROR, {"error": run.error}
    return RUN_FINISHED, {
        "status": run.status,
        "outcome": "answer",
        "content": run.content,
        "citations": run.citations,
        "usage": describe_usage(run.input_tokens, run.output_tokens, cost),
        "latency_ms": run.latency_ms,
        "ttft_ms": run.ttft_ms,
        "finish_reason": run.finish_reason,
    }


def describe_usage(input_tokens: int, output_tokens: int, cost_usd: Any) -> dict[str, Any]:
    """Tokens and price as every door says them; no price with None."""
    tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return tokens if cost_usd is None else {**tokens, "cost_usd": float(cost_usd)}


def list_conversations(principal: Principal, agent_id: UUID, channel: str = "") -> QuerySet[Conversation]:
    """The agent's conversations that the principal may read, last active first; `channel` narrows them."""
    conversations = Conversation.objects.for_workspace(principal.workspace_id).filter(agent_id=agent_id)
    conversations = conversations.filter(readable_by(principal))
    return conversations.filter(channel=channel) if channel else conversations


def list_own_conversations(principal: Principal) -> QuerySet[Conversation]:
    """The member's own in the playgrounds of all agents, with their agents, last active first."""
    own = Q(user_id=principal.user_id, channel=Channel.PLAYGROUND)
    return Conversation.objects.for_workspace(principal.workspace_id).filter(own).select_related("agent")


def get_conversation(principal: Principal, conversation_id: UUID) -> Conversation:
    """One conversation; NotFound when it is foreign, missing, or another member's playground."""
    conversations = Conversation.objects.for_workspace(principal.workspace_id).filter(readable_by(principal))
    return conversations.get_or_404(pk=conversation_id)


def readable_by(principal: Principal) -> Q:
    """Members read what came from outside and their own playground, a key its own conversations, a visitor its own.

    A playground is as private as a drawer.
    """
    if principal.api_key_id is None:
        return Q(user_id=None) | Q(user_id=principal.user_id)
    of_key = Q(api_key_id__in=own_keys(principal), agent_id=principal.agent_id)
    return of_key & Q(end_user=principal.end_user) if principal.end_user else of_key


def own_keys(principal: Principal) -> list[UUID] | None:
    """The keys whose conversations are a key's own; None for a member."""
    return None if principal.api_key_id is None else [principal.api_key_id, *principal.key_family]


def list_runs(principal: Principal, agent_id: UUID, channel: str = "", status: str = "") -> QuerySet[Run]:
    """The agent's runs that the principal may see, newest first, with their conversation and key; narrowed at will."""
    conversations = Conversation.objects.for_workspace(principal.workspace_id).filter(readable_by(principal))
    runs = Run.objects.for_workspace(principal.workspace_id).filter(agent_id=agent_id, conversation__in=conversations)
    if channel:
        runs = runs.filter(Q(channel=channel) | Q(channel="", conversation__channel=channel))
    if status:
        runs = runs.filter(status=status)
    return runs.select_related("conversation", "api_key")


def list_messages(conversation: Conversation) -> QuerySet[Message]:
    """The conversation's messages, oldest first, each answer with its run."""
    runs = Run.objects.for_workspace(conversation.workspace_id).filter(conversation_id=conversation.pk)
    messages = Message.objects.for_workspace(conversation.workspace_id).filter(conversation=conversation)
    return messages.filter(superseded=False).prefetch_related(Prefetch("runs", queryset=runs))
