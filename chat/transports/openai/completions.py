"""`/chat/completions`: stateless, as there. Each request brings its own history and is a conversation of its own."""

from typing import Any, NamedTuple
from uuid import UUID

import orjson

from chat.runtime.events import DELTA, ERROR, KEEP_ALIVE, RUN_FINISHED, Event
from chat.transports.http import Request
from chat.transports.openai.citations import annotate_completion
from chat.transports.openai.errors import open_door
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
    split_messages,
)
from chat.transports.openai.turns import identify_caller, start_turn
from chat.transports.sse import CHAT, wait_for_end
from core.errors import ValidationFailed
from core.ids import milliseconds_of
from llm.types import ChatMessage

_KNOWN = HINTS | {
    *("model", "messages", "stream", "stream_options", "temperature", "max_tokens", "max_completion_tokens"),
    *("presence_penalty", "frequency_penalty", "logit_bias", "reasoning_effort", "verbosity", "prediction"),
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    **NEUTRAL,
    "n": (None, 1),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "stop": (None, []),
    "logprobs": (None, False),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "web_search_options": (None,),
}
_DONE = b"data: [DONE]\n\n"


class Completion(NamedTuple):
    """One checked request for a chat completion."""

    model: str
    asked: Asked
    stream: bool
    include_usage: bool


async def create_completion(request: Request) -> None:
    """POST /api/v1/chat/completions"""
    caller = await identify_caller(request)
    completion = read_completion(await request.read_json())
    require_model(caller.agent, completion.model)
    run = await start_turn(request, caller, completion.asked, "messages")
    if completion.stream:
        chunks = Chunks(run.run_id, completion.model, include_usage=completion.include_usage)
        await request.respond_stream(run.follow(), chunks.encode)
    else:
        end = await wait_for_end(run)
        await request.respond_json(200, describe_completion(run.run_id, completion.model, end.data))


def read_completion(body: Any) -> Completion:
    """The request's fields; raises ValidationFailed, MessageTooLong."""
    body = read_object(body, _KNOWN, _NEUTRAL)
    question, history, told = split_messages(_read_messages(body.get("messages")), "messages")
    options = read_typed(body, "stream_options", dict, {})
    return Completion(
        model=read_typed(body, "model", str, ""),
        asked=Asked(
            question=question,
            history=history,
            told=told,
            temperature=read_number(body, "temperature", 0.0, 2.0),
            max_tokens=read_max_tokens(body, "max_tokens", "max_completion_tokens"),
            end_user=read_end_user(body),
        ),
        stream=read_flag(body, "stream"),
        include_usage=options.get("include_usage") is True,
    )


class Chunks:
    """Translates a run's events to the `chat.completion.chunk` objects of one completion, to `[DONE]`."""

    def __init__(self, run_id: UUID, model: str, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._base = {**_describe_base(run_id, model), "object": "chat.completion.chunk"}
        if include_usage:
            self._base["usage"] = None
        self._text_head, self._text_tail = frame_text(self._base)
        self._has_role = False

    def encode(self, group: list[Event]) -> bytes:
        """A group of events as server-sent chunks; none is a comment."""
        return b"".join(map(self._translate, group)) if group else KEEP_ALIVE

    def _translate(self, event: Event) -> bytes:
        if event.name == DELTA:
            if self._has_role:
                return self._text_head + orjson.dumps(event.data["text"]) + self._text_tail
            self._has_role = True
            return self._chunk({"role": "assistant", "content": event.data["text"]})
        if event.name == RUN_FINISHED:
            return self._end(event.data)
        if event.name == ERROR:
            return b"event: error\ndata: %b\n\n" % orjson.dumps(event.data)
        return b""

    def _end(self, end: dict[str, Any]) -> bytes:
        annotations = annotate_completion(end["content"], end["citations"])
        sources = self._chunk({"annotations": annotations}) if annotations else b""
        return sources + self._chunk({}, _finish_reason(end)) + self._usage(end) + _DONE

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b"data: %b\n\n" % orjson.dumps({**self._base, "choices": [choice]})

    def _usage(self, end: dict[str, Any]) -> bytes:
        if not self._include_usage:
            return b""
        return b"data: %b\n\n" % orjson.dumps({**self._base, "choices": [], "usage": _describe_usage(end)})


def frame_text(base: dict[str, Any]) -> tuple[bytes, bytes]:
    """What stands before and after the JSON text of a chunk that carries only text: all chunks but a few are such."""
    head = b"data: %b" % orjson.dumps(base)[:-1] + b',"choices":[{"index":0,"delta":{"content":'
    return head, b'},"logprobs":null,"finish_reason":null}]}\n\n'


def describe_completion(run_id: UUID, model: str, end: dict[str, Any]) -> dict[str, Any]:
    """The chat.completion object of an answer that is not streamed."""
    annotations = annotate_completion(end["content"], end["citations"])
    message = {"role": "assistant", "content": end["content"], "refusal": None, "annotations": annotations}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(end)}
    base = _describe_base(run_id, model)
    return {**base, "object": "chat.completion", "choices": [choice], "usage": _describe_usage(end)}


def _describe_base(run_id: UUID, model: str) -> dict[str, Any]:
    created = milliseconds_of(run_id) // 1000
    return {"id": f"chatcmpl-{run_id.hex}", "created": created, "model": model, "system_fingerprint": None}


def _describe_usage(end: dict[str, Any]) -> dict[str, int]:
    read, written = end["usage"]["input_tokens"], end["usage"]["output_tokens"]
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _finish_reason(end: dict[str, Any]) -> str:
    reason = end["finish_reason"]
    return reason if reason in {"stop", "length", "content_filter"} else "stop"


def _read_messages(value: Any) -> list[ChatMessage]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise ValidationFailed(f"`messages` must be a list of 1 to {MAX_MESSAGES} messages.", param="messages")
    return [_read_message(message, f"messages.{index}") for index, message in enumerate(value)]


def _read_message(value: Any, param: str) -> ChatMessage:
    role = read_role(value, param)
    if value.get("tool_calls") or value.get("function_call"):
        raise ValidationFailed("Calls of tools cannot be sent: the agent makes its own.", param=param)
    return make_message(role, value.get("content"), ("text",), param)


completions_endpoint = open_door(CHAT, POST=create_completion)
