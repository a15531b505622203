"""The native protocol: JSON in, server-sent events or one JSON object out; for programs (keys) and members."""

import time
from typing import Any
from uuid import UUID

from accounts.permissions import Principal
from agents.keys import ChatAgent
from chat.execution import Turn
from chat.models import Channel
from chat.repeats import Answering, start_once
from chat.runtime.events import ERROR, RUN_FINISHED, Event
from chat.runtime.intake import read_chat_input
from chat.selectors import follow_run, load_run
from chat.services import cancel_run
from chat.transports.doors import authorize_key, authorize_member, enter_playground
from chat.transports.http import Endpoint, Request
from core.errors import BadRequest, GiloError

CHAT = "agent.chat"
READ = "conversation.view"


async def chat_with_key(request: Request) -> None:
    """POST /api/v1/agents/{id}/chat"""
    received_at = time.monotonic()
    identity, principal = await authorize_key(request.token, CHAT, request.path_id("agent_id"))
    await _answer_chat(request, principal, identity.agent, identity.channel or Channel.API, received_at)


async def chat_as_member(request: Request) -> None:
    """POST /api/agents/{id}/chat: the playground, on the agent's draft."""
    received_at = time.monotonic()
    principal = await authorize_member(request.scope, CHAT)
    agent = await enter_playground(principal, request.path_id("agent_id"))
    await _answer_chat(request, principal, agent, Channel.PLAYGROUND, received_at)


async def events_with_key(request: Request) -> None:
    """GET /api/v1/runs/{id}/events"""
    _, principal = await authorize_key(request.token, READ)
    await _answer_events(request, principal)


async def events_as_member(request: Request) -> None:
    """GET /api/runs/{id}/events"""
    await _answer_events(request, await authorize_member(request.scope, READ))


async def cancel_with_key(request: Request) -> None:
    """POST /api/v1/runs/{id}/cancel"""
    _, principal = await authorize_key(request.token, CHAT, is_counted=False)
    await _answer_cancel(request, principal)


async def cancel_as_member(request: Request) -> None:
    """POST /api/runs/{id}/cancel"""
    await _answer_cancel(request, await authorize_member(request.scope, CHAT))


async def _answer_chat(
    request: Request, principal: Principal, agent: ChatAgent, channel: str, received_at: float
) -> None:
    chat = read_chat_input(await request.read_json())
    run = await start_once(
        Turn(
            principal=principal,
            agent=agent,
            channel=channel,
            message=chat.message,
            conversation_id=chat.conversation_id,
            regenerate=chat.regenerate,
            variables=chat.variables,
            end_user=chat.end_user,
            request_id=request.request_id,
            received_at=received_at,
        ),
        request.header(b"idempotency-key") if principal.api_key_id else "",
        request.body,
    )
    if chat.stream:
        await request.respond_stream(run.follow())
    else:
        await request.respond_json(200, describe_answer(run, await wait_for_end(run)))


async def wait_for_end(run: Answering) -> Event:
    """The last event of a run; raises what ended it when nothing could be answered."""
    last = None
    async for group in run.follow():
        last = group[-1] if group else last
    if last is None or last.name == ERROR:
        raise run.failure or GiloError()
    return last


def describe_answer(run: Answering, last: Event) -> dict[str, Any]:
    """The one JSON object of `stream=false`."""
    end = last.data if last.name == RUN_FINISHED else {}
    return {
        "id": str(run.answer_id),
        "conversation_id": str(run.conversation_id),
        "run_id": str(run.run_id),
        "status": end["status"],
        "content": end["content"],
        "citations": end["citations"],
        "tool_calls": [],
        "usage": end["usage"],
        "latency_ms": end["latency_ms"],
        "ttft_ms": end["ttft_ms"],
        "finish_reason": end["finish_reason"],
    }


async def _answer_events(request: Request, principal: Principal) -> None:
    run_id, after = request.path_id("run_id"), read_place(request)
    stored = await load_run(principal, run_id)
    await request.respond_stream(follow_run(principal, stored, after))


async def _answer_cancel(request: Request, principal: Principal) -> None:
    run_id: UUID = request.path_id("run_id")
    await cancel_run(principal, run_id)
    await request.respond_json(202, {"id": str(run_id)})


def read_place(request: Request) -> int:
    """The event id after which the reader wants to go on: `Last-Event-ID`, or `?after=` where headers cannot be set."""
    value = request.header(b"last-event-id") or _query_value(request.scope["query_string"], b"after")
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise BadRequest("`Last-Event-ID` must be the id of an event.", param="after")
    return int(value)


def _query_value(query: bytes, name: bytes) -> str:
    for pair in query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == name:
            return value.decode("latin-1")
    return ""


chat_key_endpoint = Endpoint(CHAT, POST=chat_with_key)
chat_member_endpoint = Endpoint(CHAT, POST=chat_as_member)
events_key_endpoint = Endpoint(READ, GET=events_with_key)
events_member_endpoint = Endpoint(READ, GET=events_as_member)
cancel_key_endpoint = Endpoint(CHAT, POST=cancel_with_key)
cancel_member_endpoint = Endpoint(CHAT, POST=cancel_as_member)
