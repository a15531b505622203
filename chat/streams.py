"""Live runs of this process and those who follow them.

A live run keeps its events once; each follower only holds its place among them. So a slow reader, ten readers or none
cost the same memory, and whoever comes late reads from the start. Runs that are over or live in another process are
followed through their rows (`chat.selectors.follow_stored`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol
from uuid import UUID

from accounts.permissions import Principal
from chat.errors import AccessEnded
from chat.runtime.events import DELTA, ERROR, RUN_STARTED, TERMINAL, Event, after_id
from chat.runtime.loop import Answer
from chat.runtime.outcome import Outcome, outcome_of_error
from core.errors import GiloError
from llm.types import ChatRequest, Prices

COMPANY_SECONDS = 0.02


class LiveRun:
    """A run while this process makes its answer."""

    def __init__(
        self, run_id: UUID, conversation_id: UUID, answer_id: UUID, principal: Principal, received_at: float
    ) -> None:
        self.run_id = run_id
        self.conversation_id = conversation_id
        self.answer_id = answer_id
        self.principal = principal
        self.received_at = received_at  # time.monotonic() when the request came
        self.request_id = ""
        self.model = ""
        self.prices: Prices | None = None  # of the model's endpoint
        self.answer = Answer()
        self.request: ChatRequest | None = None  # what the model was asked
        self.citations: list[dict[str, Any]] = []
        self.trace: list[list[Any]] = []
        self.events: list[Event] = []
        self.place = 0
        self.first_text_at: float | None = None
        self.is_over = False
        self.is_changed = False  # text that no flush has stored yet
        self.is_trace_changed = False
        self.task: asyncio.Task[None] | None = None
        self.stopping: Outcome | None = None
        self.failure: GiloError | None = None
        self.is_generating = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def so_far(self) -> tuple[str, int, int]:
        """The answer's text, and the tokens read and written, once they are counted."""
        usage = self.answer.usage
        return (self.answer.text, usage.input_tokens, usage.output_tokens) if usage else (self.answer.text, 0, 0)

    def publish(self, name: str, data: Any) -> None:
        """Tell the followers; `run.finished` and `error` are the last that they hear."""
        self.place += 1
        if name in TERMINAL:
            self.is_over = True
        elif name != RUN_STARTED:
            self.trace.append([self.place, name, data])
            self.is_changed = self.is_trace_changed = True
        self._append(Event(self.place, name, data))

    def publish_text(self, text: str) -> None:
        """More of the answer, in one event."""
        if self.first_text_at is None:
            self.first_text_at = time.monotonic()
        self.place += len(text)
        self.is_changed = True
        self._append(Event(self.place, DELTA, {"text": text}))

    def follow(self, after: int = 0) -> AsyncIterator[list[Event]]:
        """See `follow_live`."""
        return follow_live(self, after)

    def stop(self, outcome: Outcome) -> None:
        """End the run early with this outcome; nothing happens when it is ending anyway."""
        if self.stopping is None and not self.is_over:
            self.stopping = outcome
            if self.is_generating and self.task:
                self.task.cancel()

    def end_access(self) -> None:
        """The principal lost its access: the model call stops, the text is kept."""
        self.stop(outcome_of_error(AccessEnded(), self.answer.text))

    def wait_for_more(self) -> asyncio.Future[None]:
        """Done at the next event, or at the next call of `wake_followers`."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return waiting

    def wake_followers(self) -> None:
        """Let all who wait look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _append(self, event: Event) -> None:
        self.events.append(event)
        if self._waiting:
            self.wake_followers()


class Watched(Protocol):
    """What ends when its principal loses its access."""

    principal: Principal

    def end_access(self) -> None: ...


live_runs: dict[UUID, LiveRun] = {}
access_watchers: set[Watched] = set()  # open sockets and followers; live runs are watched anyway


class Follower:
    """Somebody who reads a run that perhaps another one started."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.access_ended = asyncio.get_running_loop().create_future()

    def end_access(self) -> None:
        """The principal lost its access: its stream ends, the run does not."""
        if not self.access_ended.done():
            self.access_ended.set_result(None)


async def follow_watched(principal: Principal, groups: AsyncIterator[list[Event]]) -> AsyncIterator[list[Event]]:
    """These groups of events, to an `error` as soon as the principal loses its access."""
    follower, place = Follower(principal), 0
    access_watchers.add(follower)
    step: asyncio.Future[list[Event] | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(_take(groups))
            await asyncio.wait({step, follower.access_ended}, return_when=asyncio.FIRST_COMPLETED)
            if follower.access_ended.done():
                yield [Event(place, ERROR, AccessEnded().body(""))]
                return
            group = step.result()
            if group is None:
                return
            place = group[-1].id if group else place
            yield group
    finally:
        access_watchers.discard(follower)
        if step is not None:
            step.cancel()


async def _take(groups: AsyncIterator[list[Event]]) -> list[Event] | None:
    return await anext(groups, None)


async def follow_live(run: LiveRun, after: int = 0) -> AsyncIterator[list[Event]]:
    """The run's events after the place `after`, in groups as they come, to the last. An empty group: still alive."""
    seen = 0
    if len(run.events) == 1 and not after:
        await _wait_for_company(run)
    while True:
        if len(run.events) == seen:
            await run.wait_for_more()
            if len(run.events) == seen:
                yield []
                continue
        fresh = run.events[seen:]
        seen += len(fresh)
        if after:
            fresh = [event for event in (after_id(item, after) for item in fresh) if event is not None]
        if fresh:
            yield fresh
        if run.is_over and seen == len(run.events):
            return


async def _wait_for_company(run: LiveRun) -> None:
    """A moment for the first text to come: sent together with `run.started` it costs one write less."""
    alarm = asyncio.get_running_loop().call_later(COMPANY_SECONDS, run.wake_followers)
    await run.wait_for_more()
    alarm.cancel()


async def keep_alive() -> None:
    """Wake all followers that wait: each tells its reader that the connection lives."""
    for run in list(live_runs.values()):
        run.wake_followers()
