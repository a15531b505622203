"""What of the chat lives as long as the web process."""

import asyncio
import contextlib
import gc
import logging

from django.conf import settings

from chat import upkeep
from chat.execution import accept_runs, refuse_runs, writer
from chat.runtime.outcome import Interrupted, outcome_of_error
from chat.streams import live_runs
from chat.transports.admission import limiter
from core.async_db import close_pool, open_pool
from llm.providers import http1

logger = logging.getLogger(__name__)
STOP_SECONDS = 2.0  # for runs that are cut to be stored as partial and told
# for live runs to end by themselves, before the server cuts their connections
SHUTDOWN_SECONDS = max(1.0, settings.DRAIN_SECONDS - 2 * STOP_SECONDS)

_tasks: list[asyncio.Task[None]] = []
_ending: list[asyncio.Task[None]] = []


async def start() -> None:
    """Start writer, flusher, sweeper and access checks on the running loop."""
    accept_runs()
    _ending.clear()
    await open_pool()
    writer.start()
    _tasks[:] = [asyncio.create_task(loop(), name=loop.__name__) for loop in upkeep.LOOPS]
    tune_garbage_collector()


async def stop() -> None:
    """End what lives, in order: runs, loops, writer, connections."""
    await (_ending[0] if _ending else end_runs())
    for task in _tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await writer.stop()
    await http1.close_pool()
    await limiter.close()
    await close_pool()


async def end_runs() -> None:
    """Refuse new runs, give the live ones a few seconds, end the rest as partial: their text is kept."""
    refuse_runs()
    await _wait_for_runs(SHUTDOWN_SECONDS)
    for run in list(live_runs.values()):
        run.stop(outcome_of_error(Interrupted(), run.answer.text))
    await _wait_for_runs(STOP_SECONDS)


def tune_garbage_collector() -> None:
    """What was imported stays: never scan it again, and collect the rest less often than the default (measured)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def begin_ending() -> None:
    """The process stops: end the runs from now on. `stop` comes later, when all connections are gone or cut."""
    if not _ending:
        _ending.append(asyncio.get_running_loop().create_task(end_runs()))


async def _wait_for_runs(seconds: float) -> None:
    tasks = [run.task for run in live_runs.values() if run.task]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
