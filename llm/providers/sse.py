"""From the bytes of an OpenAI-compatible stream to our events. Pure: no I/O, tested byte by byte.

This runs for every piece of every answer, so it does no more than needed: one orjson parse for all the lines in a row
that differ in their text alone, one `TextDelta` for all the text of one read. `Usage` and `Finished` come once, at the
end, whatever order and number the endpoint sends them in.
"""

from typing import Any

import orjson

from llm import reasons
from llm.errors import (
    ModelError,
    ModelRateLimited,
    ModelRejected,
    ModelStreamBroken,
    ModelUnavailable,
)
from llm.types import Finished, ModelEvent, TextDelta, ToolCallDelta, Usage

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_TOKENS = 10_000_000  # of one answer: more than any model reads or writes
LONGEST_REASON = 20  # characters: those that are known have 14
_CONTENT = b'"content":'
_MOST_TEMPLATES = 4  # servers that vary other fields from piece to piece get no template after so many


class StreamParser:
    """Feed it reads, get batches. `done` after `[DONE]`; `has_content` once text or a tool call came."""

    __slots__ = (
        "_between",
        "_break",
        "_finish_reason",
        "_head",
        "_rest",
        "_tail",
        "_templates",
        "_usage",
        "done",
        "has_content",
        "written",
    )

    def __init__(self) -> None:
        self._rest = b""
        self._usage: Usage | None = None
        self._finish_reason = ""
        self._head = b""  # what stands before the text in alike lines,
        self._tail = b""  # after it, with the end of the line,
        self._between = b""  # and from one text to the next, over an empty line
        self._break = b""
        self._templates = 0
        self.done = False
        self.has_content = False
        self.written = 0  # characters of text

    def feed(self, data: bytes) -> list[ModelEvent]:
        """The events of one read; raises ModelStreamBroken for what cannot be read, or the provider's own error."""
        data = self._rest + data
        texts: list[str] = []
        tool_calls: list[ModelEvent] = []
        start, is_mixed = 0, False
        while not self.done and (line_end := data.find(b"\n", start) + 1):
            if self._head and data.startswith(self._head, start):
                end = line_end if is_mixed else data.rfind(self._tail, start) + len(self._tail)
                text = self._read_alike(data[start:end])
                if text is None and not is_mixed:
                    # Others stand between: from now on line by line, for to try all the rest each time takes for ever.
                    is_mixed = True
                    continue
                if text is not None:
                    texts.append(text)
                    start = end
                    continue
            if data.startswith(b"data:", start):
                self._read_line(data[start : line_end - 1], texts, tool_calls)
                start = line_end
            else:  # comments, event names and blank lines, however many
                start = data.find(b"\ndata:", line_end - 1) + 1 or data.rfind(b"\n") + 1
        self._rest = b"" if self.done else data[start:]
        if len(self._rest) > MAX_LINE_BYTES:
            raise ModelStreamBroken(reasons.ENDLESS_LINE)
        if not (texts or tool_calls):
            return self._end() if self.done else []
        self.has_content = True
        text = "".join(texts)
        self.written += len(text)
        events: list[ModelEvent] = [TextDelta(text), *tool_calls] if texts else tool_calls
        return events + self._end() if self.done else events

    def close(self) -> list[ModelEvent]:
        """The last events when the stream ended without `[DONE]`; raises ModelStreamBroken when it was cut."""
        if self.done:
            return []
        events = self.feed(b"\n")
        if self.done:
            return events
        if not self._finish_reason:
            raise ModelStreamBroken()
        self.done = True
        return events + self._end()

    def _end(self) -> list[ModelEvent]:
        finished: ModelEvent = Finished(self._finish_reason or "stop")
        return [finished] if self._usage is None else [self._usage, finished]

    def _read_alike(self, lines: bytes) -> str | None:
        """The text of lines that differ from an earlier one in their text alone; None when any does otherwise.

        Servers send the same bytes around each piece of text. So what stands from one text to the next is known, and
        the texts are one list of JSON strings: a fraction of the parsing is enough.
        """
        first, last = len(self._head), len(self._break) - len(self._tail)
        quoted = [line[first:last] for line in lines[: -len(self._break)].split(self._break * 2)]
        if self._head + self._between.join(quoted) + self._tail != lines:
            return None
        joined = b'","'.join(quoted)
        try:
            texts = orjson.loads(b'["%b"]' % joined)
            is_sure = len(texts) == len(quoted) and b'\\","' not in joined
            return "".join(texts) if is_sure else None
        except (orjson.JSONDecodeError, TypeError):
            return None

    def _learn(self, line: bytes, content: str) -> None:
        """Remember the bytes around this line's text, if there is no doubt where it stands."""
        self._templates += 1
        quoted = orjson.dumps(content)
        start = line.find(_CONTENT) + len(_CONTENT)
        start += line[start : start + 1] == b" "
        if line.count(_CONTENT) == 1 and line.startswith(quoted, start):
            self._break = b"\r\n" if line.endswith(b"\r") else b"\n"
            self._head = line[: start + 1]
            self._tail = line[start + len(quoted) - 1 :].removesuffix(b"\r") + self._break
            self._between = self._tail + self._break + self._head

    def _read_line(self, line: bytes, texts: list[str], tool_calls: list[ModelEvent]) -> None:
        if line[5:].strip() == b"[DONE]":
            self.done = True
            return
        try:
            chunk = orjson.loads(line[5:])
            choices = chunk.get("choices")
            if choices:
                choice = choices[0]
                delta = choice.get("delta") or {}
                content = delta.get("content")
                if content:
                    texts.append(content if type(content) is str else _join_parts(content))
                elif delta:
                    _read_delta(delta, texts, tool_calls)
                if choice.get("finish_reason"):
                    self._finish_reason = _read_reason(choice["finish_reason"])
                elif type(content) is str and content and self._templates < _MOST_TEMPLATES:
                    self._learn(line, content)
            if chunk.get("usage"):
                self._usage = _read_usage(chunk["usage"])
                self._head = b""  # what this line holds besides its text must be read each time
            if chunk.get("error"):
                raise error_from_body(chunk, 0)
        except orjson.JSONDecodeError:
            raise ModelStreamBroken(reasons.UNREADABLE_PIECE) from None
        except (AttributeError, TypeError, LookupError, ValueError):
            raise ModelStreamBroken(reasons.FOREIGN_PIECE) from None


def read_whole_answer(body: bytes) -> list[ModelEvent]:
    """The events of an answer that came as one JSON object although a stream was asked for."""
    try:
        answer = orjson.loads(body)
        if answer.get("error"):
            raise error_from_body(answer, 0)
        choice = answer["choices"][0]
        texts: list[str] = []
        tool_calls: list[ModelEvent] = []
        content = choice["message"].get("content")
        if content:
            texts.append(content if type(content) is str else _join_parts(content))
        _read_delta(choice["message"], texts, tool_calls)
        usage: list[ModelEvent] = [_read_usage(answer["usage"])] if answer.get("usage") else []
        text: list[ModelEvent] = [TextDelta("".join(texts))] if texts else []
        return [*text, *tool_calls, *usage, Finished(_read_reason(choice.get("finish_reason") or "stop"))]
    except (orjson.JSONDecodeError, AttributeError, TypeError, LookupError, ValueError):
        raise ModelRejected(reasons.NOT_COMPATIBLE) from None


def error_from_body(body: Any, status: int) -> ModelError:
    """The error that an endpoint reports inside a stream or as its answer, with its own words."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        words, code = str(error.get("message") or ""), error.get("code") or error.get("type") or status
    else:
        words, code = str(error or ""), status
    words = reasons.tidy_words(words)
    if str(code) in {"429", "rate_limit_exceeded", "rate_limit_error"}:
        return ModelRateLimited(reasons.say(reasons.RATE_LIMITED, words))
    if str(code) in {"400", "401", "403", "404", "invalid_request_error", "authentication_error"}:
        return ModelRejected(reasons.say(reasons.REFUSED_IN_STREAM, words))
    return ModelUnavailable(reasons.say(reasons.ERROR_IN_STREAM, words))


def _read_delta(delta: dict[str, Any], texts: list[str], tool_calls: list[ModelEvent]) -> None:
    if delta.get("refusal"):
        texts.append(str(delta["refusal"]))
    for position, call in enumerate(delta.get("tool_calls") or ()):
        function = call.get("function") or {}
        tool_calls.append(
            ToolCallDelta(
                index=int(call.get("index", position)),
                call_id=str(call.get("id") or ""),
                name=str(function.get("name") or ""),
                arguments=str(function.get("arguments") or ""),
            )
        )


def _join_parts(content: list[Any]) -> str:
    # some providers send a list of parts, thoughts among them: only the text is the answer
    return "".join(str(part.get("text") or "") for part in content if part.get("type") == "text")


def _read_reason(value: Any) -> str:
    # It is stored in a column of 20 characters, and nonsense must not keep the answer itself from being stored.
    reason = str(value)
    return reason if len(reason) <= LONGEST_REASON and reason.isprintable() else "stop"


def _read_usage(usage: dict[str, Any]) -> Usage:
    return Usage(_read_count(usage.get("prompt_tokens")), _read_count(usage.get("completion_tokens")))


def _read_count(value: Any) -> int:
    # What an endpoint counts is stored and priced: nonsense must not keep the answer itself from being stored.
    return min(max(int(value or 0), 0), MAX_TOKENS)
