import asyncio

import pytest

from chat.runtime.events import RUN_FINISHED, RUN_STARTED
from chat.runtime.outcome import CANCELLED, Outcome
from chat.streams import LiveRun, follow_live
from core.ids import uuid7


@pytest.fixture
def run():
    run = LiveRun(uuid7(), uuid7(), uuid7(), None, 0.0)
    run.publish(RUN_STARTED, {})
    return run


async def read(run, after=0):
    return [event async for group in follow_live(run, after) for event in group]


async def test_follow_live_late_early_and_slow_readers_read_the_same(run):
    early = asyncio.create_task(read(run))
    await asyncio.sleep(0)
    for text in ("a", "bc", "d"):
        run.publish_text(text)
        await asyncio.sleep(0)
    middle = asyncio.create_task(read(run, 3))
    run.publish(RUN_FINISHED, {})
    late = await read(run)
    assert [event.id for event in late] == [1, 2, 4, 5, 6]
    assert await early == late
    assert [(event.id, event.text) for event in await middle] == [(4, "c"), (5, "d"), (6, "")]


async def test_follow_live_readers_share_one_copy_of_the_events(run):
    run.publish_text("x" * 1000)
    readers = [follow_live(run, after=1) for _ in range(100)]
    groups = [await anext(reader) for reader in readers]
    assert len({id(group[0]) for group in groups}) == 1
    for reader in readers:
        await reader.aclose()


async def test_follow_live_idle_run_gives_an_empty_group(run):
    reader = follow_live(run, after=1)
    waiting = asyncio.create_task(anext(reader))
    await asyncio.sleep(0.01)
    run.wake_followers()
    assert await waiting == []
    await reader.aclose()


async def test_follow_live_start_does_not_wait_long_for_the_first_text(run):
    reader = follow_live(run)
    assert [event.name for event in await asyncio.wait_for(anext(reader), 5)] == [RUN_STARTED]
    await reader.aclose()


async def test_stop_before_the_answer_begins_and_after_it_ended(run):
    run.stop(Outcome(CANCELLED, "cancelled"))
    assert run.stopping.status == CANCELLED
    run.publish(RUN_FINISHED, {})
    run.stop(Outcome("failed", "error"))
    assert run.stopping.status == CANCELLED
