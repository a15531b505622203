"""What a run tells its followers, and how each event is written on the wire.

Ids let a follower resume anywhere, from memory or from the stored text alone: an event that is not text counts one,
a `delta` counts the characters of its text, and the id is the total after the event. So an id names a place in the
answer whatever the pieces were, and a reader that saw half of a piece can be given the other half.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

RUN_STARTED = "run.started"
CITATIONS = "citations"
DELTA = "delta"
RUN_FINISHED = "run.finished"
ERROR = "error"
KEEP_ALIVE_SECONDS = 10.0
KEEP_ALIVE = b": keep-alive\n\n"
TERMINAL = frozenset({RUN_FINISHED, ERROR})


class Event(NamedTuple):
    """One event of a run. `id` is the place after it (see the module's text); `data` is what orjson writes."""

    id: int
    name: str
    data: Any

    @property
    def text(self) -> str:
        """The text of a `delta`, nothing for the others."""
        return self.data["text"] if self.name == DELTA else ""

    @property
    def is_last(self) -> bool:
        """Whether no other event follows."""
        return self.name in TERMINAL


def encode_sse(event: Event) -> bytes:
    """The event as a server-sent event."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, event.name.encode(), orjson.dumps(event.data))


def encode_group(events: list[Event]) -> bytes:
    """Events that leave together, as server-sent events; none is a comment that keeps the connection open."""
    if len(events) == 1:
        return encode_sse(events[0])
    return b"".join(map(encode_sse, events)) if events else KEEP_ALIVE


def encode_frame(event: Event) -> str:
    """The event as a WebSocket text frame."""
    return orjson.dumps({"event": event.name, "id": event.id, "data": event.data}).decode()


def after_id(event: Event, after: int) -> Event | None:
    """What a reader that has seen everything up to `after` still needs of this event.

    The last event is always needed: after a crash the text that was stored may be shorter than what was read.
    """
    if event.is_last:
        return event
    if event.id <= after:
        return None
    seen = after - (event.id - len(event.text))
    return Event(event.id, DELTA, {"text": event.text[seen:]}) if event.name == DELTA and seen > 0 else event


def rebuild(started: Any, trace: Iterable[list[Any]], content: str, last: tuple[str, Any] | None) -> Iterator[Event]:
    """The events of a run from what is stored of it: its first event's data, its trace, its text, its last event."""
    yield Event(1, RUN_STARTED, started)
    place = 1
    written = 0
    for event_id, name, data in trace:
        gap = event_id - 1 - place
        if gap > 0:
            text = content[written : written + gap]
            written += len(text)
            place += len(text)
            if text:
                yield Event(place, DELTA, {"text": text})
        place = max(place + 1, event_id)
        yield Event(place, name, data)
    rest = content[written:]
    if rest:
        place += len(rest)
        yield Event(place, DELTA, {"text": rest})
    if last is not None:
        yield Event(place + 1, *last)
