"""`/responses`: as `/chat/completions`, and `previous_response_id` goes on with what was said before."""

from typing import Any, NamedTuple
from uuid import UUID

from accounts.permissions import Principal
from chat.repeats import Answering, StoredAnswer
from chat.selectors import load_run
from chat.services import cancel_run
from chat.streams import LiveRun, follow_live, live_runs
from chat.transports.doors import authorize_key
from chat.transports.http import Request
from chat.transports.openai.errors import PreviousResponseNotFound, ResponseNotFound, open_door
from chat.transports.openai.models import require_model
from chat.transports.openai.requests import (
    HINTS,
    MAX_MESSAGES,
    NEUTRAL,
    Asked,
    make_message,
    read_end_user,
    read_flag,
    read_max_tokens,
    read_number,
    read_object,
    read_role,
    read_typed,
    settle_instructions,
    settle_temperature,
    split_messages,
)
from chat.transports.openai.response_events import ResponseEvents
from chat.transports.openai.response_objects import (
    Heading,
    describe_finished,
    describe_open,
    describe_stored,
    read_response_id,
)
from chat.transports.openai.threads import keep_history, load_thread
from chat.transports.openai.turns import Caller, identify_caller, start_turn
from chat.transports.sse import CHAT, READ, wait_for_end
from core.errors import BadRequest, NotFound, ValidationFailed
from llm.types import ChatMessage

_KNOWN = HINTS | {
    *("model", "input", "instructions", "previous_response_id", "stream", "stream_options", "background"),
    *("temperature", "max_output_tokens", "text"),
    *("include", "reasoning", "truncation", "max_tool_calls", "context_management"),
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {**NEUTRAL, "conversation": (None,), "prompt": (None,), "image": (None,)}
_TEXT_PARTS = ("input_text", "output_text", "text")


class ResponseRequest(NamedTuple):
    """One checked request for a response; `instructions` is the field's own text, which is also among what is told."""

    model: str
    asked: Asked
    instructions: str | None
    previous: UUID | None
    stream: bool
    background: bool
    echo: dict[str, Any]


async def create_response(request: Request) -> None:
    """POST /api/v1/responses"""
    caller = await identify_caller(request)
    wanted = read_response_request(await request.read_json())
    require_model(caller.agent, wanted.model)
    run = await _start(request, caller, wanted)
    heading = Heading(run.run_id, run.answer_id, wanted.model, _describe_request(wanted, caller))
    if wanted.stream:
        await request.respond_stream(run.follow(), ResponseEvents(heading, run).encode)
    elif wanted.background:
        stored = run.run if isinstance(run, StoredAnswer) else None
        await request.respond_json(200, describe_stored(heading, stored) if stored else describe_open(heading))
    else:
        end = await wait_for_end(run)
        await request.respond_json(200, describe_finished(heading, end.data))


async def retrieve_response(request: Request) -> None:
    """GET /api/v1/responses/{id}"""
    identity, principal = await authorize_key(request.token, READ)
    run_id = _path_id(request)
    if b"stream=true" in request.scope["query_string"].lower().split(b"&"):
        raise BadRequest("A response is streamed once. Follow its run: GET /api/v1/runs/{id}/events.", param="stream")
    await _respond_stored(request, principal, run_id, identity.agent.slug)


async def cancel_response(request: Request) -> None:
    """POST /api/v1/responses/{id}/cancel: what was written is kept."""
    identity, principal = await authorize_key(request.token, CHAT, is_counted=False)
    run_id = _path_id(request)
    live = live_runs.get(run_id)
    try:
        await cancel_run(principal, run_id)
    except NotFound:
        raise ResponseNotFound() from None
    if live is not None:
        async for _ in follow_live(live):
            pass  # its end is stored before it is told
    await _respond_stored(request, principal, run_id, identity.agent.slug)


def read_response_request(body: Any) -> ResponseRequest:
    """The request's fields; raises ValidationFailed, MessageTooLong, PreviousResponseNotFound."""
    body = read_object(body, _KNOWN, _NEUTRAL)
    _require_plain_text(read_typed(body, "text", dict, {}))
    read_typed(body, "stream_options", dict, {})
    instructions = read_typed(body, "instructions", str, None)
    question, history, told = split_messages(_read_input(body.get("input")), "input")
    asked = Asked(
        question=question,
        history=history,
        told=told if instructions is None else (instructions, *told),
        temperature=read_number(body, "temperature", 0.0, 2.0),
        max_tokens=read_max_tokens(body, "max_output_tokens"),
        end_user=read_end_user(body),
    )
    return ResponseRequest(
        model=read_typed(body, "model", str, ""),
        asked=asked,
        instructions=instructions,
        previous=_read_previous(read_typed(body, "previous_response_id", str, None)),
        stream=read_flag(body, "stream"),
        background=read_flag(body, "background"),
        echo={
            "metadata": read_typed(body, "metadata", dict, {}),
            "previous_response_id": body.get("previous_response_id"),
            "user": body.get("user"),
            "safety_identifier": body.get("safety_identifier"),
        },
    )


async def _start(request: Request, caller: Caller, wanted: ResponseRequest) -> Answering:
    asked, conversation_id = wanted.asked, None
    if wanted.previous is not None:
        thread = await load_thread(caller.principal, wanted.previous)
        if thread.is_newest and not asked.history:
            conversation_id = thread.conversation_id
        else:
            asked = asked._replace(history=(*thread.history, *asked.history))
    run = await start_turn(request, caller, asked, "input", conversation_id)
    if asked.history and isinstance(run, LiveRun):
        await keep_history(run, asked.history)
    return run


async def _respond_stored(request: Request, principal: Principal, run_id: UUID, model: str) -> None:
    """The response by its rows alone: without what only its request said."""
    try:
        run = await load_run(principal, run_id)
    except NotFound:
        raise ResponseNotFound() from None
    await request.respond_json(200, describe_stored(Heading(run.id, run.answer_id, model), run))


def _path_id(request: Request) -> UUID:
    return read_response_id(request.scope["url_route"]["kwargs"]["response_id"])


def _describe_request(wanted: ResponseRequest, caller: Caller) -> dict[str, Any]:
    """What of the request the response repeats: what took effect, by the agent's settings."""
    config = caller.agent.config
    temperature = settle_temperature(config, wanted.asked.temperature)
    takes_instructions = bool(settle_instructions(config, wanted.asked.told, "input"))
    return {
        **wanted.echo,
        "background": wanted.background,
        "instructions": wanted.instructions if takes_instructions else None,
        "max_output_tokens": wanted.asked.max_tokens,
        "temperature": config.temperature if temperature is None else temperature,
    }


def _read_previous(value: str | None) -> UUID | None:
    if value is None:
        return None
    try:
        return read_response_id(value)
    except NotFound:
        raise PreviousResponseNotFound(param="previous_response_id") from None


def _require_plain_text(text: dict[str, Any]) -> None:
    if text.get("format") not in (None, {"type": "text"}):
        raise ValidationFailed("`text.format` can only be text: the agent decides it.", param="text.format")


def _read_input(value: Any) -> list[ChatMessage]:
    if isinstance(value, str):
        return [make_message("user", value, _TEXT_PARTS, "input")]
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise ValidationFailed(f"`input` must be text, or a list of 1 to {MAX_MESSAGES} messages.", param="input")
    return [_read_item(item, f"input.{index}") for index, item in enumerate(value)]


def _read_item(value: Any, param: str) -> ChatMessage:
    if isinstance(value, dict) and value.get("type", "message") != "message":
        raise ValidationFailed("Only messages can be read here: an agent runs its own tools.", param=f"{param}.type")
    return make_message(read_role(value, param), value.get("content"), _TEXT_PARTS, param)


responses_endpoint = open_door(CHAT, POST=create_response)
response_endpoint = open_door(READ, GET=retrieve_response)
response_cancel_endpoint = open_door(CHAT, POST=cancel_response)
