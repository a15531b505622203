"""The stream of the Responses API: a run's events as typed events with consecutive numbers."""

from typing import Any

import orjson

from chat.runtime.events import DELTA, ERROR, KEEP_ALIVE, RUN_FINISHED, RUN_STARTED, Event
from chat.streams import LiveRun
from chat.transports.openai.response_objects import (
    Heading,
    describe_item,
    describe_live_end,
    describe_open,
    describe_part,
)

_ENDS = {"completed": "response.completed", "failed": "response.failed"}


class ResponseEvents:
    """Translates a live run's events, in their order, to the stream of one response."""

    def __init__(self, heading: Heading, run: LiveRun) -> None:
        self._heading = heading
        self._run = run
        self._number = 0
        self._has_item = False
        self._place = {"item_id": heading.item_id, "output_index": 0, "content_index": 0}
        self._delta_head = frame_delta(heading.item_id)

    def encode(self, group: list[Event]) -> bytes:
        """A group of events as server-sent events; none is a comment."""
        return b"".join(map(self._translate, group)) if group else KEEP_ALIVE

    def _translate(self, event: Event) -> bytes:
        if event.name == DELTA:
            return self._text(event.data["text"])
        if event.name == RUN_STARTED:
            opened = {"response": orjson.Fragment(orjson.dumps(describe_open(self._heading)))}
            return self._event("response.created", opened) + self._event("response.in_progress", opened)
        if event.name in {RUN_FINISHED, ERROR}:
            return self._end(event)
        return b""

    def _text(self, text: str) -> bytes:
        opening = b"" if self._has_item else self._open_item()
        number = self._take_number()
        return b'%b%b%b,"sequence_number":%d}\n\n' % (opening, self._delta_head, orjson.dumps(text), number)

    def _open_item(self) -> bytes:
        self._has_item = True
        item = {"output_index": 0, "item": describe_item(self._heading, "in_progress")}
        part = {**self._place, "part": describe_part("", [])}
        return self._event("response.output_item.added", item) + self._event("response.content_part.added", part)

    def _end(self, event: Event) -> bytes:
        response = describe_live_end(self._heading, event, self._run)
        closing = b""
        if self._has_item and event.name == RUN_FINISHED:
            item = response["output"][0]
            response["output"] = [written := orjson.Fragment(orjson.dumps(item))]  # once for both events that hold it
            closing = self._close_item(item["content"][0], written)
        return closing + self._event(_ENDS.get(response["status"], "response.incomplete"), {"response": response})

    def _close_item(self, part: dict[str, Any], item: orjson.Fragment) -> bytes:
        sources = [
            self._event(
                "response.output_text.annotation.added",
                {**self._place, "annotation_index": index, "annotation": annotation},
            )
            for index, annotation in enumerate(part["annotations"])
        ]
        done = [
            self._event("response.output_text.done", {**self._place, "text": part["text"], "logprobs": []}),
            self._event("response.content_part.done", {**self._place, "part": part}),
            self._event("response.output_item.done", {"output_index": 0, "item": item}),
        ]
        return b"".join([*sources, *done])

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        value = {"type": kind, **fields, "sequence_number": self._take_number()}
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(value))

    def _take_number(self) -> int:
        number = self._number
        self._number += 1
        return number


def frame_delta(item_id: str) -> bytes:
    """What stands before the JSON text of a piece of text; its number follows. Nearly all events are such."""
    place = {"type": "response.output_text.delta", "item_id": item_id, "output_index": 0, "content_index": 0}
    head = orjson.dumps({**place, "logprobs": []})[:-1]
    return b'event: response.output_text.delta\ndata: %b,"delta":' % head
