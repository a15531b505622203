"""The `response` object of the Responses API, from a run's events or from its rows."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chat.runtime.events import ERROR, Event
from chat.selectors import STREAMING, StoredRun, describe_run, describe_usage
from chat.transports.openai.citations import annotate_response
from chat.transports.openai.errors import ResponseNotFound
from core.ids import milliseconds_of

_PREFIX = "resp_"
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_RATE_LIMITS = frozenset({"model_rate_limited", "rate_limited"})


# What a response says that has no answer yet and whose request said nothing about it.
_UNSAID: dict[str, Any] = {
    "status": "in_progress",
    "background": False,
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "output": [],
    "parallel_tool_calls": False,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "none",
    "tools": [],
    "top_p": None,
    "truncation": "auto",
    "usage": None,
    "user": None,
}
_NOTHING: Mapping[str, Any] = {}


class Heading:
    """What a response says of itself before it has an answer; `echo` repeats fields of the request."""

    __slots__ = ("created_at", "item_id", "said")

    def __init__(self, run_id: UUID, answer_id: UUID, model: str, echo: Mapping[str, Any] = _NOTHING) -> None:
        self.created_at = milliseconds_of(run_id) // 1000
        self.item_id = f"msg_{answer_id.hex}"
        own = {"id": write_response_id(run_id), "object": "response", "created_at": self.created_at, "model": model}
        self.said = {**own, **_UNSAID, **echo}  # the response as it begins


def write_response_id(run_id: UUID) -> str:
    return f"{_PREFIX}{run_id.hex}"


def read_response_id(value: str) -> UUID:
    """The run's id; raises ResponseNotFound when it is no id of ours."""
    digits = value.removeprefix(_PREFIX)
    if not value.startswith(_PREFIX) or len(digits) != 32 or not digits.isalnum():
        raise ResponseNotFound()
    try:
        return UUID(digits)
    except ValueError:
        raise ResponseNotFound() from None


def describe_open(heading: Heading, text: str = "") -> dict[str, Any]:
    """A response whose answer is being written, with what there is of it."""
    if not text:
        return heading.said
    return {**heading.said, "output": [describe_item(heading, "in_progress", describe_part(text, []))]}


def describe_finished(heading: Heading, end: dict[str, Any]) -> dict[str, Any]:
    """A response whose run ended in words, cut short or not; `end` is the data of `run.finished`."""
    status, reason = _status_of(end)
    part = describe_part(end["content"], annotate_response(end["content"], end["citations"]))
    item = describe_item(heading, "completed" if status == "completed" else "incomplete", part)
    return {
        **heading.said,
        "status": status,
        "output": [item] if end["content"] else [],
        "usage": describe_tokens(end["usage"]),
        "incomplete_details": {"reason": reason} if reason else None,
        "completed_at": heading.created_at + round((end["latency_ms"] or 0) / 1000),
    }


def describe_failed(heading: Heading, error: dict[str, Any], text: str, usage: dict[str, Any]) -> dict[str, Any]:
    """A response whose run broke off; `error` is our error object. What was written before is kept."""
    code = "rate_limit_exceeded" if error["code"] in _RATE_LIMITS else "server_error"
    told = {"code": code, "message": error["message"], "type": error["code"], "param": None}
    output = [describe_item(heading, "incomplete", describe_part(text, []))] if text else []
    failed = {"status": "failed", "error": told, "output": output, "usage": describe_tokens(usage)}
    return {**heading.said, **failed}


def describe_stored(heading: Heading, run: StoredRun) -> dict[str, Any]:
    """A response as its rows tell it."""
    if run.status == STREAMING:
        return describe_open(heading, run.content)
    return describe_end(heading, describe_run(run)[-1], (run.content, run.input_tokens, run.output_tokens))


def describe_end(heading: Heading, event: Event, so_far: tuple[str, int, int]) -> dict[str, Any]:
    """A response by the last event of its run; `so_far` as `Answering` has it."""
    if event.name == ERROR:
        text, input_tokens, output_tokens = so_far
        usage = describe_usage(input_tokens, output_tokens, 0)
        return describe_failed(heading, event.data["error"], text, usage)
    return describe_finished(heading, event.data)


def describe_item(heading: Heading, status: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """The answer as the response's one item of output."""
    return {
        "id": heading.item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": list(parts),
    }


def describe_part(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer's text as the one part of its item."""
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def describe_tokens(usage: dict[str, Any]) -> dict[str, Any]:
    """Tokens as the Responses API counts them; we do not know what the model's provider cached."""
    return {
        "input_tokens": usage["input_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
    }


def _status_of(end: dict[str, Any]) -> tuple[str, str | None]:
    """(the response's status, why it is incomplete)"""
    if end["status"] == "cancelled":
        return "cancelled", None
    reason = _INCOMPLETE.get(end["finish_reason"])
    return ("incomplete", reason) if reason else ("completed", None)
