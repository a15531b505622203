import asyncio
import contextlib
import logging
import shutil
import signal
import subprocess
from datetime import UTC, datetime

import pytest
import redis
from django.utils import translation

from core import redis_counts
from core.errors import Unavailable
from core.ratelimit import DAY_SECONDS, MINUTE_SECONDS, UNLIMITED, RateLimited, RateLimiter, Window
from tests.processes import free_port, wait_until

MINUTE = Window("minute", MINUTE_SECONDS, 60)
DAY = Window("day", DAY_SECONDS, 1_000)
NOON = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC).timestamp()
HAS_REDIS = shutil.which("redis-server") is not None


class Clock:
    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now


class RedisServer:
    """A real Redis of one test."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.client = redis.Redis(port=self.port)
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self.is_up, 10, "redis-server")

    def is_up(self):
        with contextlib.suppress(redis.ConnectionError):
            return self.client.ping()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.client.close()
        self.stop()


@pytest.fixture
def redis_server(tmp_path):
    if not HAS_REDIS:
        pytest.skip("needs redis-server")
    server = RedisServer(str(tmp_path))
    yield server
    server.close()


@pytest.fixture
def english():
    """Errors speak the language that is active; a request of an earlier test may have left its own."""
    with translation.override("en"):
        yield


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["local", "redis"])
async def limiter(request, clock):
    """The same tests against both stores."""
    url = request.getfixturevalue("redis_server").url if request.param == "redis" else ""
    limiter = RateLimiter(url, clock=clock)
    yield limiter
    await limiter.close()


async def hit_times(limiter, count, windows=(MINUTE, DAY), subject="a"):
    return [await limiter.hit(subject, windows) for _ in range(count)]


async def test_limiter_counts_down_then_refuses_the_minute(limiter):
    decisions = await hit_times(limiter, 61)
    assert [decision.remaining for decision in decisions[:60]] == list(range(59, -1, -1))
    assert all(decision.allowed and decision.window == MINUTE for decision in decisions[:60])
    refused = decisions[60]
    assert not refused.allowed
    assert refused.headers() == {
        "X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30", "Retry-After": "30",
    }  # fmt: skip
    assert refused.reset_at == NOON + 30


async def test_limiter_peek_tells_and_counts_nothing(limiter, clock):
    await hit_times(limiter, 3)
    assert await limiter.peek("a", (MINUTE, DAY)) == [3, 3]
    clock.now += MINUTE_SECONDS
    assert await limiter.peek("a", (MINUTE, DAY)) == [0, 3]
    assert await limiter.peek("b", (MINUTE,)) == [0]
    assert (await limiter.hit("a", (MINUTE, DAY))).remaining == 59


async def test_limiter_peek_sees_what_other_processes_counted(redis_server, clock):
    one, other = (RateLimiter(redis_server.url, clock=clock) for _ in range(2))
    await hit_times(one, 3)
    assert await other.peek("a", (MINUTE, DAY)) == [3, 3]
    redis_server.stop()
    assert await one.peek("a", (MINUTE, DAY)) == [3, 3]
    await one.close()
    await other.close()


async def test_limiter_subjects_do_not_share(limiter):
    await hit_times(limiter, 60)
    assert (await limiter.hit("b", (MINUTE,))).remaining == 59


async def test_limiter_next_minute_starts_anew_and_the_day_goes_on(limiter, clock):
    day = Window("day", DAY_SECONDS, 100)
    await hit_times(limiter, 60, (MINUTE, day))
    clock.now = NOON + 29.9
    assert not (await limiter.hit("a", (MINUTE, day))).allowed
    clock.now = NOON + 30  # second 0 of the next minute
    decision = await limiter.hit("a", (MINUTE, day))
    assert (decision.allowed, decision.window, decision.remaining) == (True, day, 39)


async def test_limiter_refusal_counts_in_no_window(limiter, clock):
    day = Window("day", DAY_SECONDS, 62)
    decisions = await hit_times(limiter, 80, (MINUTE, day))
    assert sum(decision.allowed for decision in decisions) == 60
    clock.now += MINUTE_SECONDS
    later = await hit_times(limiter, 3, (MINUTE, day))
    assert [decision.allowed for decision in later] == [True, True, False]


async def test_limiter_headers_tell_the_tightest_window(limiter, clock):
    day = Window("day", DAY_SECONDS, 3)
    decisions = await hit_times(limiter, 4, (MINUTE, day))
    until_midnight = str(12 * 3600 - 30)
    assert [decision.headers()["X-RateLimit-Limit"] for decision in decisions] == ["3"] * 4
    assert [decision.headers()["X-RateLimit-Remaining"] for decision in decisions] == ["2", "1", "0", "0"]
    assert {decision.headers()["X-RateLimit-Reset"] for decision in decisions} == {until_midnight}
    assert decisions[3].headers()["Retry-After"] == until_midnight


async def test_limiter_of_two_full_windows_the_one_that_ends_last_is_told(limiter):
    windows = (Window("minute", MINUTE_SECONDS, 2), Window("day", DAY_SECONDS, 2))
    refused = (await hit_times(limiter, 3, windows))[2]
    assert (refused.allowed, refused.window) == (False, windows[1])


async def test_limiter_without_windows_limits_nothing(limiter):
    assert await limiter.hit("a", ()) is UNLIMITED
    assert UNLIMITED.headers() == {}


async def test_limiter_200_parallel_hits_admit_exactly_the_limit(limiter):
    decisions = await asyncio.gather(*(limiter.hit("a", (MINUTE, DAY)) for _ in range(200)))
    assert sum(decision.allowed for decision in decisions) == 60
    assert sorted(decision.remaining for decision in decisions if decision.allowed) == list(range(60))


async def test_limiter_two_processes_on_one_redis_admit_exactly_the_limit(redis_server, clock):
    limiters = [RateLimiter(redis_server.url, clock=clock) for _ in range(2)]
    hits = (limiters[number % 2].hit("a", (MINUTE, DAY)) for number in range(200))
    decisions = await asyncio.gather(*hits)
    assert sum(decision.allowed for decision in decisions) == 60
    for limiter in limiters:
        await limiter.close()


async def test_limiter_recount_is_asked_once_and_leaves_exactly_the_rest(limiter):
    asked = []

    async def recount(subject, since):
        asked.append((subject, since))
        await asyncio.sleep(0.01)
        return 990

    windows = (Window("minute", MINUTE_SECONDS, 500), DAY)
    decisions = await asyncio.gather(*(limiter.hit("a", windows, recount) for _ in range(50)))
    assert sum(decision.allowed for decision in decisions) == 10
    assert asked == [("a", datetime(2026, 3, 4, tzinfo=UTC))]


async def test_limiter_50_parallel_hits_at_one_less_than_the_days_limit_admit_one(limiter):
    async def recount(subject, since):
        return 999

    decisions = await asyncio.gather(*(limiter.hit("a", (MINUTE, DAY), recount) for _ in range(50)))
    assert sum(decision.allowed for decision in decisions) == 1
    assert {decision.window for decision in decisions} == {DAY}


async def test_limiter_recount_that_fails_is_asked_again(limiter):
    answers = iter([Unavailable(), 1_000])

    async def recount(subject, since):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(Unavailable):
        await limiter.hit("a", (MINUTE, DAY), recount)
    assert not (await limiter.hit("a", (MINUTE, DAY), recount)).allowed


async def test_limiter_next_day_recounts_with_its_own_beginning(limiter, clock):
    asked = []

    async def recount(subject, since):
        asked.append(since)
        return 0

    await limiter.hit("a", (DAY,), recount)
    clock.now += 12 * 3600
    await limiter.hit("a", (DAY,), recount)
    assert asked == [datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)]


async def test_limiter_clock_set_back_reopens_no_window(clock):
    limiter = RateLimiter(clock=clock)
    await hit_times(limiter, 60)
    clock.now = NOON + 31
    await hit_times(limiter, 60)
    clock.now = NOON + 29
    assert not (await limiter.hit("a", (MINUTE,))).allowed


async def test_limiter_forgets_old_windows(clock):
    limiter = RateLimiter(clock=clock)
    for subject in range(500):
        await limiter.hit(str(subject), (MINUTE,))
    clock.now += MINUTE_SECONDS
    await limiter.hit("a", (MINUTE,))
    assert sum(len(tally.counts) for tally in limiter._tallies.values()) == 1


async def test_limiter_goes_on_in_process_while_redis_is_away_and_forgets_nothing(redis_server, clock, caplog):
    caplog.set_level(logging.WARNING, "core.ratelimit")
    limiter = RateLimiter(redis_server.url, clock=clock)
    await hit_times(limiter, 20)
    redis_server.stop()
    away = await hit_times(limiter, 20)
    assert [decision.remaining for decision in away] == list(range(39, 19, -1))
    redis_server.start()  # empty: it kept nothing
    limiter._redis._retry_at = 0.0  # the second until the next look has passed
    back = await hit_times(limiter, 21)
    assert [decision.allowed for decision in back] == [True] * 20 + [False]
    assert int(redis_server.client.get(redis_server.client.keys("*:60:*")[0])) == 60
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "Redis is away, rate limits are counted in this process meanwhile", "Redis is back",
    ]  # fmt: skip
    await limiter.close()


async def test_limiter_redis_that_hangs_is_waited_for_once(redis_server, clock, monkeypatch):
    limiter = RateLimiter(redis_server.url, clock=clock)
    await limiter.hit("a", (MINUTE,))
    calls = []
    send = redis_counts._send

    async def counting(*arguments):
        calls.append(arguments)
        return await send(*arguments)

    monkeypatch.setattr(redis_counts, "_send", counting)
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        decisions = await hit_times(limiter, 10)
    finally:
        redis_server.process.send_signal(signal.SIGCONT)
    assert [decision.remaining for decision in decisions] == list(range(58, 48, -1))
    assert len(calls) == 1
    await limiter.close()


async def test_limiter_script_that_redis_forgot_is_sent_again(redis_server, clock):
    limiter = RateLimiter(redis_server.url, clock=clock)
    await hit_times(limiter, 2)
    redis_server.client.flushall()
    redis_server.client.script_flush()
    assert (await limiter.hit("a", (MINUTE, DAY))).remaining == 57
    await limiter.close()


async def test_limiter_keys_in_redis_expire(redis_server, clock):
    limiter = RateLimiter(redis_server.url, clock=clock)
    await limiter.hit("a", (MINUTE, DAY))
    lives = sorted(map(redis_server.client.ttl, redis_server.client.keys()))
    assert len(lives) == 2 and 0 < lives[0] <= 120 and lives[0] < lives[1] <= 2 * DAY_SECONDS
    await limiter.close()


async def test_refusal_says_which_window_how_much_and_when(clock, english):
    limiter = RateLimiter(clock=clock)
    minute = RateLimited((await hit_times(limiter, 61))[-1])
    assert (int(minute.status), minute.code, minute.retryable) == (429, "rate_limited", True)
    assert "60 requests a minute" in minute.message and "30 seconds" in minute.message
    assert minute.headers["Retry-After"] == "30" and minute.headers["X-RateLimit-Remaining"] == "0"
    day = RateLimited((await hit_times(limiter, 2, (Window("day", DAY_SECONDS, 1),), "b"))[-1])
    assert "1 requests a day" in day.message and "midnight UTC" in day.message
    with translation.override("fr"):
        assert "1 requêtes par jour" in RateLimited(day.decision).message
