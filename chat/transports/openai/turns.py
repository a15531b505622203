"""From a checked request to a run: the one place where both APIs meet the agent."""

import time
from typing import NamedTuple
from uuid import UUID

from accounts.permissions import Principal
from agents.keys import ChatAgent
from chat.execution import Turn
from chat.models import Channel
from chat.repeats import Answering, start_once
from chat.transports.doors import authorize_key
from chat.transports.http import Request
from chat.transports.openai.requests import Asked, settle_instructions, settle_temperature
from chat.transports.sse import CHAT


class Caller(NamedTuple):
    """Who asks which agent, and since when (time.monotonic())."""

    principal: Principal
    agent: ChatAgent
    received_at: float


async def identify_caller(request: Request) -> Caller:
    """The key's principal and agent; raises NotAuthenticated or PermissionDenied."""
    received_at = time.monotonic()
    identity, principal = await authorize_key(request.token, CHAT)
    return Caller(principal, identity.agent, received_at)


async def start_turn(
    request: Request, caller: Caller, asked: Asked, param: str, conversation_id: UUID | None = None
) -> Answering:
    """The run that answers; `param` is the field that holds the messages. Raises what `start_once` raises."""
    config = caller.agent.config
    return await start_once(
        Turn(
            principal=caller.principal,
            agent=caller.agent,
            channel=Channel.OPENAI,
            message=asked.question,
            conversation_id=conversation_id,
            end_user=asked.end_user,
            request_id=request.request_id,
            received_at=caller.received_at,
            history=asked.history,
            extra_instructions=settle_instructions(config, asked.told, param),
            temperature=settle_temperature(config, asked.temperature),
            max_tokens=asked.max_tokens,
        ),
        request.header(b"idempotency-key"),
        request.body,
    )
