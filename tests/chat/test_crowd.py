import asyncio
import time

import pytest

from chat import crowd as module
from chat.crowd import LONGEST_REST, SHORTEST_REST, Crowd


@pytest.fixture
def crowd(monkeypatch):
    monkeypatch.setattr(module, "live_runs", dict.fromkeys(range(module.CROWD)))
    return Crowd()


def test_few_runs_do_not_rest(monkeypatch):
    monkeypatch.setattr(module, "live_runs", dict.fromkeys(range(module.CROWD - 1)))
    assert Crowd().rest() is None


async def test_crowd_rests_longer_when_the_loop_is_late(crowd, monkeypatch):
    asked = []

    async def nap(seconds):
        asked.append(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", nap)
    await crowd.rest()
    assert asked == [SHORTEST_REST]
    crowd.lag = 0.05
    await crowd.rest()
    assert asked[-1] == pytest.approx(SHORTEST_REST + 0.25)
    crowd.lag = 60.0
    await crowd.rest()
    assert asked[-1] == LONGEST_REST


async def test_crowd_learns_how_late_the_loop_is_and_forgets_it_when_it_is_over(crowd, monkeypatch):
    monkeypatch.setattr(module, "SHORTEST_REST", 0.001)
    resting = asyncio.ensure_future(crowd.rest())
    await asyncio.sleep(0)
    time.sleep(0.1)
    await resting
    assert crowd.lag > 0
    module.live_runs.clear()
    assert crowd.rest() is None
    assert crowd.lag == 0
