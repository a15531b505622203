"""The OpenAI-compatible protocol: the agent is the model. Stateless, as there: each request brings its own history.

`model` is the agent's id or slug; a key opens only its own agent, any other name is `model_not_found`. System and
developer messages are added after the agent's own instructions, which stay. `temperature` is taken as it is;
`max_tokens` can lower the agent's limit, not raise it. What has no meaning for an agent (tools, n > 1, ...) is refused
rather than ignored; harmless hints (seed, user, metadata, top_p ...) are accepted without effect.
"""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from agents.keys import ChatAgent, KeyIdentity
from chat.execution import Turn, start_run
from chat.models import Channel
from chat.runtime.events import DELTA, ERROR, KEEP_ALIVE, RUN_FINISHED, Event
from chat.runtime.intake import read_message
from chat.streams import LiveRun, follow_live
from chat.transports.doors import authorize_key
from chat.transports.http import Endpoint, Request
from chat.transports.sse import CHAT, key_token, wait_for_end
from core.errors import GiloError, NotFound, ValidationFailed
from llm.types import ChatMessage

MAX_MESSAGES = 1000
_IGNORED = frozenset(
    {
        *("seed", "user", "metadata", "store", "top_p", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("service_tier", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"),
        *("reasoning_effort", "verbosity"),
    }
)
_READ = frozenset(
    {"model", "messages", "stream", "stream_options", "temperature", "max_tokens", "max_completion_tokens"}
)
# what may be sent when it asks for nothing special
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "stop": (None, []),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
}
_ROLES = frozenset({"system", "developer", "user", "assistant"})


class ModelNotFound(NotFound):
    code = "model_not_found"
    message = "This key opens no model of that name. The model is the agent's id or slug; see GET /api/v1/models."


@dataclass(frozen=True, slots=True)
class Completion:
    """One checked request for a chat completion."""

    model: str
    history: tuple[ChatMessage, ...]
    instructions: str
    question: str
    stream: bool
    include_usage: bool
    temperature: float | None
    max_tokens: int | None


async def create_completion(request: Request) -> None:
    """POST /api/v1/chat/completions"""
    received_at = time.monotonic()
    identity, principal = await authorize_key(key_token(request), CHAT)
    completion = read_completion(await request.read_json())
    _require_model(identity.agent, completion.model)
    run = await start_run(
        Turn(
            principal=principal,
            agent=identity.agent,
            channel=Channel.OPENAI,
            message=completion.question,
            history=completion.history,
            extra_instructions=completion.instructions,
            temperature=completion.temperature,
            max_tokens=completion.max_tokens,
            request_id=request.request_id,
            received_at=received_at,
        )
    )
    if completion.stream:
        await request.respond_stream(follow_live(run), Chunks(run, completion).encode)
    else:
        end = await wait_for_end(run)
        await request.respond_json(200, describe_completion(run, completion.model, end))


async def list_models(request: Request) -> None:
    """GET /api/v1/models: the key's agent."""
    identity, _ = await authorize_key(key_token(request), CHAT)
    await request.respond_json(200, {"object": "list", "data": [describe_model(identity, identity.agent.slug)]})


async def retrieve_model(request: Request) -> None:
    """GET /api/v1/models/{model}"""
    identity, _ = await authorize_key(key_token(request), CHAT)
    name = request.scope["url_route"]["kwargs"]["model"]
    _require_model(identity.agent, name)
    await request.respond_json(200, describe_model(identity, name))


def read_completion(body: Any) -> Completion:
    """The request's fields; raises ValidationFailed, MessageTooLong."""
    if not isinstance(body, dict):
        raise ValidationFailed("The body must be a JSON object.")
    _refuse_unsupported(body)
    messages = _read_messages(body.get("messages"))
    if messages[-1].role != "user":
        raise ValidationFailed("The last message must be the user's.", param="messages")
    told = [message.content for message in messages if message.role in {"system", "developer"}]
    options = body.get("stream_options") or {}
    return Completion(
        model=_typed(body, "model", str, None) or "",
        history=tuple(message for message in messages[:-1] if message.role in {"user", "assistant"}),
        instructions="\n\n".join(told),
        question=messages[-1].content,
        stream=bool(_typed(body, "stream", bool, False)),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        temperature=_number(body, "temperature", 0.0, 2.0),
        max_tokens=_max_tokens(body),
    )


class Chunks:
    """Translates a run's events to the `chat.completion.chunk` objects of one completion, to `[DONE]`."""

    def __init__(self, run: LiveRun, completion: Completion) -> None:
        self._completion = completion
        self._base = {**_describe_base(run, completion.model), "object": "chat.completion.chunk"}
        if completion.include_usage:
            self._base["usage"] = None
        self._has_role = False

    def encode(self, group: list[Event]) -> bytes:
        """A group of events as server-sent chunks; none is a comment."""
        return b"".join(map(self._translate, group)) if group else KEEP_ALIVE

    def _translate(self, event: Event) -> bytes:
        if event.name == DELTA:
            delta = {"content": event.text} if self._has_role else {"role": "assistant", "content": event.text}
            self._has_role = True
            return self._chunk(delta, None)
        if event.name == RUN_FINISHED:
            return self._chunk({}, _finish_reason(event.data)) + self._usage(event.data) + b"data: [DONE]\n\n"
        if event.name == ERROR:
            return b"event: error\ndata: %b\n\n" % orjson.dumps(event.data)
        return b""

    def _chunk(self, delta: dict[str, str], finish_reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b"data: %b\n\n" % orjson.dumps({**self._base, "choices": [choice]})

    def _usage(self, end: dict[str, Any]) -> bytes:
        if not self._completion.include_usage:
            return b""
        return b"data: %b\n\n" % orjson.dumps({**self._base, "choices": [], "usage": _describe_usage(end)})


def describe_completion(run: LiveRun, model: str, last: Event) -> dict[str, Any]:
    """The chat.completion object of an answer that is not streamed."""
    message = {"role": "assistant", "content": last.data["content"], "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(last.data)}
    base = _describe_base(run, model)
    return {**base, "object": "chat.completion", "choices": [choice], "usage": _describe_usage(last.data)}


def describe_model(identity: KeyIdentity, name: str) -> dict[str, Any]:
    """The agent as a model."""
    created = identity.agent.agent_id.int >> 80  # a version 7 id begins with the milliseconds of its making
    return {"id": name, "object": "model", "created": created // 1000, "owned_by": "gilo"}


def describe_error(error: GiloError, request_id: str) -> dict[str, Any]:
    """Our error shape is the one that OpenAI clients read."""
    return error.body(request_id)


def _describe_base(run: LiveRun, model: str) -> dict[str, Any]:
    created = (run.run_id.int >> 80) // 1000
    return {"id": f"chatcmpl-{run.run_id.hex}", "created": created, "model": model, "system_fingerprint": None}


def _describe_usage(end: dict[str, Any]) -> dict[str, int]:
    read, written = end["usage"]["input_tokens"], end["usage"]["output_tokens"]
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _finish_reason(end: dict[str, Any]) -> str:
    reason = end["finish_reason"]
    return reason if reason in {"stop", "length", "content_filter"} else "stop"


def _require_model(agent: ChatAgent, name: str) -> None:
    if name not in {agent.slug, str(agent.agent_id)}:
        raise ModelNotFound(param="model")


def _refuse_unsupported(body: dict[str, Any]) -> None:
    for name, value in body.items():
        if name in _READ or name in _IGNORED:
            continue
        if name not in _NEUTRAL:
            raise ValidationFailed(f"`{name}` is not known here.", param=name)
        if value not in _NEUTRAL[name]:
            raise ValidationFailed(f"`{name}` cannot be set: the agent decides it.", param=name)


def _read_messages(value: Any) -> list[ChatMessage]:
    if not isinstance(value, list) or not value or len(value) > MAX_MESSAGES:
        raise ValidationFailed(f"`messages` must be a list of 1 to {MAX_MESSAGES} messages.", param="messages")
    return [_read_message(message, f"messages.{index}") for index, message in enumerate(value)]


def _read_message(value: Any, param: str) -> ChatMessage:
    if not isinstance(value, dict) or value.get("role") not in _ROLES:
        raise ValidationFailed("A message needs a `role`: system, developer, user or assistant.", param=param)
    content = _join_parts(value.get("content"), param)
    if value["role"] == "user":
        return ChatMessage("user", read_message(content))
    return ChatMessage(value["role"], content)


def _join_parts(content: Any, param: str) -> str:
    if isinstance(content, str):
        return content
    texts = [_text_of(part) for part in content] if isinstance(content, list) else [None]
    if None in texts:
        raise ValidationFailed("`content` must be text, or parts of type text.", param=f"{param}.content")
    return "".join(text for text in texts if text)


def _text_of(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    return text if isinstance(text, str) else None


def _typed(body: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise ValidationFailed(f"`{name}` has the wrong type.", param=name)
    return value


def _number(body: dict[str, Any], name: str, least: float, most: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValidationFailed(f"`{name}` must be a number from {least:g} to {most:g}.", param=name)
    return float(value)


def _max_tokens(body: dict[str, Any]) -> int | None:
    name = "max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens"
    value = _number(body, name, 1, 1_000_000)
    return None if value is None else int(value)


completions_endpoint = Endpoint(CHAT, describe_error, POST=create_completion)
models_endpoint = Endpoint(CHAT, describe_error, GET=list_models)
model_endpoint = Endpoint(CHAT, describe_error, GET=retrieve_model)
