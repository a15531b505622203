"""The stream of the Responses API: a run's events as typed events with consecutive numbers.

Each answer is nine events more than its text, and most of what they say is said several times: each part is written as
JSON once and put together as bytes.
"""

from typing import Any

import orjson

from chat.repeats import Answering
from chat.runtime.events import DELTA, ERROR, KEEP_ALIVE, RUN_FINISHED, RUN_STARTED, Event
from chat.transports.openai.response_objects import (
    Heading,
    describe_end,
    describe_item,
    describe_open,
    describe_part,
)

_ENDS = {"completed": b"response.completed", "failed": b"response.failed"}
_EMPTY_PART = orjson.dumps(describe_part("", []))


class ResponseEvents:
    """Translates a run's events, in their order, to the stream of one response: of a live run or of a stored one."""

    def __init__(self, heading: Heading, run: Answering) -> None:
        self._heading = heading
        self._run = run
        self._number = 0
        self._has_item = False
        self._place = b'"item_id":"%b","output_index":0,"content_index":0' % heading.item_id.encode()

    def encode(self, group: list[Event]) -> bytes:
        """A group of events as server-sent events; none is a comment."""
        return b"".join(map(self._translate, group)) if group else KEEP_ALIVE

    def _translate(self, event: Event) -> bytes:
        if event.name == DELTA:
            return self._text(event.data["text"])
        if event.name == RUN_STARTED:
            opened = b'"response":' + orjson.dumps(describe_open(self._heading))
            return self._event(b"response.created", opened) + self._event(b"response.in_progress", opened)
        if event.name in {RUN_FINISHED, ERROR}:
            return self._end(event)
        return b""

    def _text(self, text: str) -> bytes:
        opening = b"" if self._has_item else self._open_item()
        told = b'%b,"logprobs":[],"delta":%b' % (self._place, orjson.dumps(text))
        return opening + self._event(b"response.output_text.delta", told)

    def _open_item(self) -> bytes:
        self._has_item = True
        item = b'"output_index":0,"item":' + orjson.dumps(describe_item(self._heading, "in_progress"))
        part = b'%b,"part":%b' % (self._place, _EMPTY_PART)
        return self._event(b"response.output_item.added", item) + self._event(b"response.content_part.added", part)

    def _end(self, event: Event) -> bytes:
        response = describe_end(self._heading, event, self._run.so_far)
        closing = b""
        if self._has_item and event.name == RUN_FINISHED:
            item = response["output"][0]
            part = item["content"][0]
            written_part = orjson.dumps(part)
            item["content"] = [orjson.Fragment(written_part)]
            written_item = orjson.dumps(item)
            response["output"] = [orjson.Fragment(written_item)]
            closing = self._close_item(part, written_part, written_item)
        kind = _ENDS.get(response["status"], b"response.incomplete")
        return closing + self._event(kind, b'"response":' + orjson.dumps(response))

    def _close_item(self, part: dict[str, Any], written_part: bytes, written_item: bytes) -> bytes:
        sources = [
            self._event(
                b"response.output_text.annotation.added",
                b'%b,"annotation_index":%d,"annotation":%b' % (self._place, index, orjson.dumps(annotation)),
            )
            for index, annotation in enumerate(part["annotations"])
        ]
        text = b'%b,"text":%b,"logprobs":[]' % (self._place, orjson.dumps(part["text"]))
        done = [
            self._event(b"response.output_text.done", text),
            self._event(b"response.content_part.done", b'%b,"part":%b' % (self._place, written_part)),
            self._event(b"response.output_item.done", b'"output_index":0,"item":' + written_item),
        ]
        return b"".join([*sources, *done])

    def _event(self, kind: bytes, fields: bytes) -> bytes:
        """One event; `fields` are the members of its object beside its type and number."""
        number = self._number
        self._number += 1
        return b'event: %b\ndata: {"type":"%b",%b,"sequence_number":%d}\n\n' % (kind, kind, fields, number)
