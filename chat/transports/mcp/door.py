"""POST /api/v1/agents/{id}/mcp: who knocks, with what; then the SDK answers.

Stateless: each request is whole, so any web process can answer it and nothing outlives it. There is no stream of the
server's own (GET) and no session to end (DELETE): both are 405, as the protocol allows.
"""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Protocol, cast

from accounts.permissions import Principal
from agents.keys import ChatAgent
from chat.transports.admission import current_decision
from chat.transports.http import Endpoint, Receive, Request, Scope, Send
from chat.transports.jsonrpc import VIEW, admit, describe_error, read_envelope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks which agent, in one request."""

    agent: ChatAgent
    principal: Principal
    request_id: str
    received_at: float
    idempotency_key: str


class Service(Protocol):
    """The module that imports the SDK."""

    def answer(
        self, caller: Caller, message: dict[str, Any], scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]: ...


async def load_service() -> Service:
    """The part that needs the SDK, imported at its first use and off the event loop: it takes a second and 40 MB.

    Concurrent calls wait for one import.
    """
    module = await asyncio.to_thread(import_module, "chat.transports.mcp.service")
    return cast(Service, module)


async def answer_message(request: Request) -> None:
    """POST /api/v1/agents/{id}/mcp"""
    received_at = time.monotonic()
    identity, principal = await admit(request)
    message = await read_envelope(request)
    service = await load_service()
    caller = Caller(identity.agent, principal, request.request_id, received_at, request.header(b"idempotency-key"))
    await service.answer(caller, message, request.scope, request.receive, partial(_send_marked, request))


async def _send_marked(request: Request, event: Any) -> None:
    """Pass the SDK's answer on, with what every response of ours carries."""
    if event["type"] == "http.response.start":
        request.started = True
        ours = {
            b"cache-control": b"no-store",
            b"x-accel-buffering": b"no",
            b"x-content-type-options": b"nosniff",
            b"x-request-id": request.request_id.encode(),
            **_limits(),
        }
        theirs = {name.lower() for name, _ in event["headers"]}
        added = [(name, value) for name, value in ours.items() if name not in theirs]
        event = {**event, "headers": [*event["headers"], *added]}
    await request.send(event)


def _limits() -> dict[bytes, bytes]:
    decision = current_decision()
    told = {} if decision is None else decision.headers()
    return {name.lower().encode(): value.encode() for name, value in told.items()}


mcp_endpoint = Endpoint(VIEW, describe_error, POST=answer_message)
