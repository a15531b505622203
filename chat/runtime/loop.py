"""The loop of a run: from what the model sends to what the followers read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from chat.runtime.outcome import COMPLETE, AnswerEmpty, Outcome
from llm.types import Finished, ModelEvent, TextDelta, Usage


@dataclass(slots=True)
class Answer:
    """What has come of an answer so far."""

    parts: list[str] = field(default_factory=list)
    usage: Usage | None = None
    finish_reason: str = ""

    @property
    def text(self) -> str:
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0] if self.parts else ""

    def absorb(self, events: list[ModelEvent]) -> str:
        """Take in what one read of the model's stream brought; returns its text in one piece."""
        pieces = []
        for event in events:
            if type(event) is TextDelta:
                pieces.append(event.text)
            elif type(event) is Usage:
                self.usage = event
            elif type(event) is Finished:
                self.finish_reason = event.reason
        text = "".join(pieces)
        if text:
            if "\x00" in text or not text.isascii():
                text = _storable(text)
            self.parts.append(text)
        return text


async def stream_answer(
    model_events: AsyncIterator[list[ModelEvent]],
    answer: Answer,
    publish: Callable[[str], Any],
    rest: Callable[[], Awaitable[None] | None] = lambda: None,
) -> Outcome:
    """Read the model to its end, publishing the text of each read at once.

    `rest` is called after each read and says whether, and how long, the model may write on unread: what comes
    meanwhile is published in one piece.
    Leaves what came in `answer`, whatever ends it. Raises the model's errors, and AnswerEmpty for an empty answer.
    """
    async with aclosing(model_events) as batches:  # type: ignore[type-var]
        async for batch in batches:
            text = answer.absorb(batch)
            if text:
                publish(text)
            if not answer.finish_reason and (resting := rest()) is not None:
                await resting
    if not answer.parts:
        raise AnswerEmpty()
    return Outcome(COMPLETE, answer.finish_reason or "stop")


def _storable(text: str) -> str:
    # A model may send what PostgreSQL or UTF-8 cannot hold; the reader sees the replacement character instead.
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
