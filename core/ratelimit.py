"""Rate limits: how many requests a subject (a workspace, a key, a visitor) may make in a minute and in a day.

Windows are fixed and aligned to the wall clock (UTC): a minute begins at second 0, a day at midnight. A request counts
in all its windows or, when one of them is full, in none. Counts live in this process; with Redis they live there, for
all processes, changed by one script in one step. This process remembers the counts that Redis told it: when Redis is
away they go on here, and when it comes back, or comes back empty, they are its floor. So nothing is forgotten.

A limiter belongs to the event loop's thread; other threads come in through `async_to_sync`.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils.translation import gettext, gettext_noop

from core.errors import TooManyRequests
from core.redis_counts import Count, RedisCounts

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400
_MOST_SUBJECTS = 200_000  # per window; the first seen is forgotten beyond

# asked for what a subject did since the day began, when this process sees it for the first time
Recount = Callable[[str, datetime], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` requests in each `seconds` of the wall clock. Windows of the same length share their counts."""

    name: str  # "minute" | "day"
    seconds: int
    limit: int


class Decision(NamedTuple):
    """Whether one request may pass, and how its tightest window stands: the refused one, else the one with least left.

    `window` is None when nothing limits the subject. `reset_at` is in epoch seconds, `reset_after` in whole seconds.
    """

    allowed: bool
    window: Window | None
    remaining: int
    reset_at: float
    reset_after: int

    def headers(self) -> dict[str, str]:
        """Three headers about the same window: limit, requests left, seconds until it ends (and when to come back)."""
        if self.window is None:
            return {}
        reset = str(self.reset_after)
        headers = {
            "X-RateLimit-Limit": str(self.window.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": reset,
        }
        return headers if self.allowed else {**headers, "Retry-After": reset}


UNLIMITED = Decision(allowed=True, window=None, remaining=0, reset_at=0.0, reset_after=0)


class RateLimited(TooManyRequests):
    """A window is full. The message says which one and when it ends; the headers say it to programs."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(_explain(decision), retry_after=decision.reset_after)
        self.decision = decision

    @property
    def headers(self) -> dict[str, str]:
        return self.decision.headers()


_MINUTE_FULL = gettext_noop("The limit of %(limit)s requests a minute is reached. Try again in %(seconds)s seconds.")
_DAY_FULL = gettext_noop(
    "The limit of %(limit)s requests a day is reached. The next day begins at midnight UTC, in %(seconds)s seconds."
)


def _explain(decision: Decision) -> str:
    if decision.window is None:
        return str(TooManyRequests.message)
    facts = {"limit": decision.window.limit, "seconds": decision.reset_after}
    if decision.window.seconds == DAY_SECONDS:
        return gettext(_DAY_FULL) % facts
    return gettext(_MINUTE_FULL) % facts


class _Tally:
    """The counts of one window, by subject. A new window starts with a new tally, so old counts are never kept."""

    __slots__ = ("counts", "ends_at", "number", "seconds")

    def __init__(self, number: int, seconds: int) -> None:
        self.number, self.seconds = number, seconds
        self.ends_at = float((number + 1) * seconds)
        self.counts: dict[str, int] = {}

    def note(self, subject: str, count: int) -> None:
        if subject not in self.counts and len(self.counts) >= _MOST_SUBJECTS:
            del self.counts[next(iter(self.counts))]
        self.counts[subject] = count


class RateLimiter:
    """Counts requests, in this process or, with `redis_url`, in Redis. `clock` gives epoch seconds."""

    def __init__(self, redis_url: str = "", *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tallies: dict[int, _Tally] = {}
        self._recounts: dict[tuple[str, int], asyncio.Future[int]] = {}
        self._redis = RedisCounts(redis_url) if redis_url else None

    async def hit(self, subject: str, windows: tuple[Window, ...], recount: Recount | None = None) -> Decision:
        """Count one request in all the windows, shortest first, or in none when one is full.

        `recount(subject, since)` tells the day's count of a subject that this process sees first; what it raises is
        raised here. Without Redis nothing is awaited otherwise.
        """
        if recount is not None and windows and windows[-1].seconds == DAY_SECONDS:
            tally = self._tally(DAY_SECONDS, self._clock())
            if subject not in tally.counts:
                await self._recount_once(tally, subject, recount)
        if self._redis is None or not windows or not self._redis.is_worth_a_try():
            return self.hit_local(subject, windows)
        return await self._hit_redis(self._redis, subject, windows)

    def hit_local(self, subject: str, windows: tuple[Window, ...]) -> Decision:
        """The same with this process's counts alone."""
        if not windows:
            return UNLIMITED
        now = self._clock()
        tallies = [self._tally(window.seconds, now) for window in windows]
        counts = [tally.counts.get(subject, 0) for tally in tallies]
        decision = _decide(windows, counts, tallies, now)
        if decision.allowed:
            for tally in tallies:
                tally.note(subject, tally.counts.get(subject, 0) + 1)
        return decision

    async def peek(self, subject: str, windows: tuple[Window, ...]) -> list[int]:
        """What is counted now in each window, for people to see; counts nothing."""
        now = self._clock()
        tallies = [self._tally(window.seconds, now) for window in windows]
        counts = [tally.counts.get(subject, 0) for tally in tallies]
        if self._redis is None or not windows or not self._redis.is_worth_a_try():
            return counts
        shared = await self._redis.read(_shared(subject, tallies))
        return [max(pair) for pair in zip(counts, shared or counts, strict=True)]

    async def close(self) -> None:
        """Close this loop's connections."""
        if self._redis is not None:
            await self._redis.close()

    def _tally(self, seconds: int, now: float) -> _Tally:
        number = int(now // seconds)
        tally = self._tallies.get(seconds)
        if tally is None or number > tally.number:  # a clock that is set back a little reopens no window
            tally = self._tallies[seconds] = _Tally(number, seconds)
        return tally

    async def _hit_redis(self, redis: RedisCounts, subject: str, windows: tuple[Window, ...]) -> Decision:
        now = self._clock()
        tallies = [self._tally(window.seconds, now) for window in windows]
        known = [tally.counts.get(subject, 0) for tally in tallies]
        limits = [window.limit for window in windows]
        counts = await redis.hit(_shared(subject, tallies), limits, known)
        if counts is None:
            return self.hit_local(subject, windows)
        decision = _decide(windows, counts, tallies, now)
        for tally, count in zip(tallies, counts, strict=True):
            tally.note(subject, max(tally.counts.get(subject, 0), count + decision.allowed))
        return decision

    async def _recount_once(self, tally: _Tally, subject: str, recount: Recount) -> None:
        # Requests that arrive while a look-up is under way share it, and count only after it.
        key = (subject, tally.number)
        lookup = self._recounts.get(key)
        if lookup is None:
            since = datetime.fromtimestamp(tally.ends_at - DAY_SECONDS, UTC)
            lookup = self._recounts[key] = asyncio.ensure_future(recount(subject, since))
            lookup.add_done_callback(lambda _: self._recounts.pop(key, None))
        count = await asyncio.shield(lookup)
        tally.note(subject, max(tally.counts.get(subject, 0), count))


def _shared(subject: str, tallies: Sequence[_Tally]) -> list[Count]:
    # The braces keep one subject's counts on one node of a cluster, as the script needs.
    return [Count(f"gilo:rate:{{{subject}}}:{tally.seconds}:{tally.number}", 2 * tally.seconds) for tally in tallies]


def _decide(windows: Sequence[Window], counts: Sequence[int], tallies: Sequence[_Tally], now: float) -> Decision:
    """What becomes of one more request after these counts. Of two full windows, the one that ends last is told."""
    chosen, least = 0, max(windows[0].limit - counts[0], 0)
    for index in range(1, len(windows)):
        left = max(windows[index].limit - counts[index], 0)
        if left < least or (left == least and tallies[index].ends_at > tallies[chosen].ends_at):
            chosen, least = index, left
    ends_at = tallies[chosen].ends_at
    return Decision(
        allowed=least > 0,
        window=windows[chosen],
        remaining=max(least - 1, 0),
        reset_at=ends_at,
        reset_after=max(math.ceil(ends_at - now), 1),
    )
