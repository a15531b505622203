"""POST /api/v1/agents/{id}/a2a: the methods of A2A 1.0."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from accounts.permissions import Principal, authorize
from agents.keys import ChatAgent
from chat.execution import Turn
from chat.models import Channel
from chat.repeats import Answering, start_once
from chat.runtime.events import Event
from chat.selectors import STREAMING, StoredRun, follow_run, load_history, load_run, load_runs
from chat.services import cancel_run
from chat.streams import live_runs
from chat.transports.a2a.errors import (
    MethodMissing,
    NoExtendedCard,
    OperationUnsupported,
    PushUnsupported,
    TaskMissing,
    TaskOver,
    VersionUnsupported,
    describe_fault,
)
from chat.transports.a2a.messages import Sent, read_history_length, read_sent, read_text, read_wanted
from chat.transports.a2a.tasks import TaskStream, describe_stored, describe_working, statuses_of
from chat.transports.http import Endpoint, Request
from chat.transports.jsonrpc import VIEW, admit, describe_error, read_envelope
from chat.transports.sse import CHAT, READ
from core.errors import GiloError, NotFound, ValidationFailed

CANCEL_SECONDS = 3.0
_BY_STATUS = {401, 403, 429, 503}  # what HTTP itself has words for, whoever reads them between here and there


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method."""

    request: Request
    principal: Principal
    agent: ChatAgent
    id: Any
    params: dict[str, Any]
    received_at: float

    async def respond(self, result: Any) -> None:
        await self.request.respond_json(200, {"jsonrpc": "2.0", "id": self.id, "result": result})


async def answer_call(request: Request) -> None:
    """One JSON-RPC message. What is wrong with the call itself is answered as the protocol says, with status 200."""
    received_at = time.monotonic()
    identity, principal = await admit(request)
    envelope = await read_envelope(request)
    call_id = envelope.get("id")
    call_id = call_id if isinstance(call_id, str | int) and not isinstance(call_id, bool) else None
    try:
        params = envelope.get("params", {})
        if not isinstance(params, dict):
            raise ValidationFailed("`params` must be an object.", param="params")
        _require_version(request)
        method = _METHODS.get(str(envelope.get("method")))
        if method is None:
            raise MethodMissing()
        await method(Call(request, principal, identity.agent, call_id, params, received_at))
    except GiloError as error:
        if request.started or error.status in _BY_STATUS:
            raise
        fault = describe_fault(error, request.request_id, call_id)
        await request.respond_json(200, fault, error.headers)


async def send_message(call: Call) -> None:
    """SendMessage: the task when its answer is written, or at once when the client asks for that."""
    sent, run = await _start(call)
    if sent.returns_immediately:
        await call.respond({"task": describe_working(run.run_id, run.conversation_id)})
        return
    async for _ in run.follow():
        pass
    await call.respond({"task": await _describe(call, await load_run(call.principal, run.run_id), sent.history_length)})


async def stream_message(call: Call) -> None:
    """SendStreamingMessage: the task, then its updates, to the last."""
    _, run = await _start(call)
    await call.request.respond_stream(run.follow(), TaskStream(call.id, run.run_id, run.conversation_id).encode)


async def show_task(call: Call) -> None:
    """GetTask"""
    run = await _load(call)
    await call.respond(await _describe(call, run, read_history_length(call.params)))


async def list_tasks(call: Call) -> None:
    """ListTasks: the key's own, newest first, a page at a time."""
    authorize(call.principal, READ)
    wanted = read_wanted(call.params)
    runs, total = await load_runs(
        call.principal,
        call.agent.agent_id,
        conversation_id=_parse_context(wanted.context_id),
        statuses=statuses_of(wanted.state),
        after=_parse_page(wanted.after),
        limit=wanted.page_size + 1,
    )
    page = runs[: wanted.page_size]
    tasks = [describe_stored(run) for run in page]
    if not wanted.with_artifacts:
        tasks = [{name: value for name, value in task.items() if name != "artifacts"} for task in tasks]
    token = str(page[-1].id) if len(runs) > len(page) else ""
    await call.respond({"tasks": tasks, "nextPageToken": token, "pageSize": len(page), "totalSize": total})


async def cancel_task(call: Call) -> None:
    """CancelTask: the task as it is when it has stopped, or after a few seconds."""
    authorize(call.principal, CHAT)
    run = await _load(call)
    if run.status != STREAMING:
        raise TaskOver()
    await cancel_run(call.principal, run.id)
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            async for _ in follow_run(call.principal, run, after=0):
                pass
    except TimeoutError:
        pass  # the process that makes the answer will hear of it; the task says how it stands now
    await call.respond(await _describe(call, await load_run(call.principal, run.id), None))


async def join_task(call: Call) -> None:
    """SubscribeToTask: the task as it is, then its updates from there on. A task that is over has none."""
    run = await _load(call)
    if run.status != STREAMING:
        raise OperationUnsupported()
    live = live_runs.get(run.id)
    text = run.content if live is None else live.answer.text
    place = 1 + len(run.trace) + len(run.content) if live is None else live.place
    snapshot = describe_working(run.id, run.conversation_id, text)
    stream = TaskStream(call.id, run.id, run.conversation_id, snapshot)
    await call.request.respond_stream(_at_once(follow_run(call.principal, run, place)), stream.encode)


async def refuse_push(call: Call) -> None:
    """The methods about push notifications."""
    raise PushUnsupported()


async def refuse_extended_card(call: Call) -> None:
    """GetExtendedAgentCard"""
    raise NoExtendedCard()


async def _start(call: Call) -> tuple[Sent, Answering]:
    authorize(call.principal, CHAT)
    sent = read_sent(call.params)
    if sent.task_id:
        await _refuse_more(call, sent.task_id)
    turn = Turn(
        principal=call.principal,
        agent=call.agent,
        channel=Channel.A2A,
        message=sent.text,
        conversation_id=_parse_context(sent.context_id),
        request_id=call.request.request_id,
        received_at=call.received_at,
    )
    name = call.request.header(b"idempotency-key")
    try:
        return sent, await start_once(turn, name, orjson.dumps([sent.text, sent.context_id]))
    except NotFound:
        raise _context_unknown() from None


async def _refuse_more(call: Call, task_id: str) -> None:
    """A task takes no second message: it ends with its answer."""
    await _load_run(call, task_id)
    raise OperationUnsupported()


def _parse_context(context_id: str) -> UUID | None:
    try:
        return UUID(context_id) if context_id else None
    except ValueError:
        raise _context_unknown() from None


def _parse_page(token: str) -> UUID | None:
    try:
        return UUID(token) if token else None
    except ValueError:
        raise ValidationFailed("This page token is not valid. Start again without one.", param="pageToken") from None


def _context_unknown() -> ValidationFailed:
    words = "There is no such context. Leave `contextId` out to begin one; the task names it."
    return ValidationFailed(words, code="context_not_found", param="message.contextId")


async def _load(call: Call) -> StoredRun:
    authorize(call.principal, READ)
    return await _load_run(call, read_text(call.params, "id"))


async def _load_run(call: Call, task_id: str) -> StoredRun:
    try:
        return await load_run(call.principal, UUID(task_id))
    except (NotFound, ValueError):
        raise TaskMissing() from None


async def _describe(call: Call, run: StoredRun, history_length: int | None) -> dict[str, Any]:
    if not history_length:
        return describe_stored(run)
    history = await load_history(call.principal, call.agent.agent_id, run.conversation_id)
    return describe_stored(run, history[-history_length:])


async def _at_once(groups: AsyncIterator[list[Event]]) -> AsyncIterator[list[Event]]:
    """An empty group first, so that the snapshot leaves without waiting for news."""
    yield []
    async for group in groups:
        yield group


def _require_version(request: Request) -> None:
    # No header means 0.3, says the protocol.
    if request.header(b"a2a-version").partition(".")[0] != "1":
        raise VersionUnsupported()


_METHODS: dict[str, Callable[[Call], Awaitable[None]]] = {
    "SendMessage": send_message,
    "SendStreamingMessage": stream_message,
    "GetTask": show_task,
    "ListTasks": list_tasks,
    "CancelTask": cancel_task,
    "SubscribeToTask": join_task,
    "CreateTaskPushNotificationConfig": refuse_push,
    "GetTaskPushNotificationConfig": refuse_push,
    "ListTaskPushNotificationConfigs": refuse_push,
    "DeleteTaskPushNotificationConfig": refuse_push,
    "GetExtendedAgentCard": refuse_extended_card,
}
rpc_endpoint = Endpoint(VIEW, describe_error, POST=answer_call)
