import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone

from billing.models import Grant, Overage
from chat import selectors, upkeep
from chat.models import Message, Run, ServerProcess
from chat.streams import LiveRun, live_runs
from chat.writer import Writer
from core.async_db import close_pool
from core.errors import Unavailable
from tests.chat.test_writer import beginning, ending
from tests.processes import ROOT, wait_until


@pytest.fixture
async def writer(transactional_db):
    writer = Writer()
    writer.start()
    yield writer
    await writer.stop()
    await close_pool()
    live_runs.clear()


def make_live(begun):
    run = LiveRun(begun["run"], begun["conversation"], begun["answer"], None, 0.0)
    run.is_generating = True
    live_runs[run.run_id] = run
    return run


async def test_flush_stores_text_trace_and_heartbeat(writer, agent):
    begun = beginning(agent, process=upkeep.process_id)
    await writer.begin(begun)
    run = make_live(begun)
    run.publish("citations", [{"index": 1}])
    run.answer.parts.append("half an answer")
    run.publish_text("half an answer")
    await upkeep.flush_runs()
    stored = await Run.objects.select_related("answer").aget()
    assert (stored.answer.content, stored.answer.status) == ("half an answer", "streaming")
    assert stored.trace == [[1, "citations", [{"index": 1}]]]
    assert await ServerProcess.objects.acount() == 1
    assert not run.is_changed


async def test_flush_stops_runs_that_are_cancelled_or_deleted_elsewhere(writer, agent):
    cancelled, deleted = beginning(agent, process=upkeep.process_id), beginning(agent, process=upkeep.process_id)
    await writer.begin(cancelled)
    await writer.begin(deleted)
    await Run.objects.filter(pk=cancelled["run"]).aupdate(cancel_requested=True)
    runs = [make_live(cancelled), make_live(deleted)]
    runs[1].publish_text("x")
    await Run.objects.filter(pk=deleted["run"]).adelete()
    await upkeep.flush_runs()
    assert [run.stopping.status for run in runs] == ["cancelled", "cancelled"]


@pytest.mark.parametrize(("content", "status"), [("half", "partial"), ("", "failed")])
async def test_sweep_ends_runs_of_dead_processes(writer, agent, content, status):
    begun = beginning(agent, at=datetime.now(UTC) - timedelta(seconds=60))
    await writer.begin(begun)
    await Message.objects.filter(pk=begun["answer"]).aupdate(content=content)
    assert await upkeep.sweep_runs() == [begun["run"]]
    run = await Run.objects.select_related("answer").aget()
    assert (run.status, run.answer.status, run.answer.content) == (status, status, content)
    assert run.error["code"] == "interrupted"
    assert await upkeep.sweep_runs() == []


@sync_to_async
def make_payers(agent):
    """A day's allowance within another, and a month beyond the plan: each with the three uses that the test takes."""
    listing = Grant.objects.create(most_uses=9, uses=3)
    address = Grant.objects.create(most_uses=9, uses=3, parent=listing)
    Overage.objects.create(workspace_id=agent.workspace_id, month=date(2026, 3, 1), spent=30, cap=100)
    return address.pk


@sync_to_async
def read_payers():
    return {*Grant.objects.values_list("uses", flat=True), Overage.objects.get().spent // 10}


@pytest.mark.parametrize("first", ["sweep", "end", "both"])
async def test_a_dead_run_without_a_word_gives_back_once_what_it_took(writer, agent, first):
    grant = await make_payers(agent)
    at = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
    runs = [beginning(agent, at=at, grant=grant, meter="conversations") for _ in range(3)]
    for begun in runs:
        await writer.begin(begun)
    await Message.objects.filter(pk=runs[0]["answer"]).aupdate(content="half")
    ends = [ending(begun, status="failed", content="") for begun in runs[1:]]
    if first == "sweep":
        assert len(await upkeep.sweep_runs()) == 3
    sweeps = [upkeep.sweep_runs()] if first == "both" else []
    await asyncio.gather(*(writer.finish(end) for end in ends), *sweeps)
    await asyncio.gather(*(writer.finish(end) for end in ends))  # as after a lost connection
    await upkeep.sweep_runs()
    assert await read_payers() == {1}, "only what has text is paid for"


async def test_sweep_leaves_runs_of_live_processes(writer, agent):
    process = uuid4()
    await ServerProcess.objects.acreate(id=process, heartbeat_at=datetime.now(UTC))
    begun = beginning(agent, process=process, at=datetime.now(UTC) - timedelta(seconds=60))
    await writer.begin(begun)
    assert await upkeep.sweep_runs() == []


def test_run_of_another_process_is_followed_and_cancelled_there(client_with_key, monkeypatch):
    """The rows alone: as if the run lived in a process that this one knows nothing of."""
    monkeypatch.setattr("chat.selectors.live_runs", {})
    monkeypatch.setattr("chat.services.live_runs", {})
    with client_with_key.streaming("WORDS:500 DELAY:20") as events:
        run_id = next(events).data["run_id"]
        wait_until(lambda: Message.objects.get(status="streaming").content, 5, "the first flush")
        assert client_with_key.cancel(run_id).status_code == 202
        rest = client_with_key.events(run_id)
    assert rest[-1].data["status"] == "cancelled"
    assert "".join(event.data.get("text", "") for event in rest) == rest[-1].data["content"]


def test_run_of_another_process_is_followed_through_a_database_restart(client_with_key, monkeypatch):
    """The rows cannot be read for a moment: the reader waits, instead of being cut off or told of a 500."""
    monkeypatch.setattr("chat.selectors.live_runs", {})
    load_run, failures = selectors.load_run, iter([Unavailable(), Unavailable()])

    async def load_after_failures(principal, run_id):
        if failure := next(failures, None):
            raise failure
        return await load_run(principal, run_id)

    monkeypatch.setattr("chat.selectors.load_run", load_after_failures)
    with client_with_key.streaming("WORDS:40 DELAY:20") as events:
        run_id = next(events).data["run_id"]
        assert client_with_key.events(run_id, after=1)[-1].name == "run.finished"


def test_key_that_was_used_says_when(client_with_key, agent):
    key = agent.api_keys.get()
    assert key.last_used_at is None
    assert client_with_key.call("GET", "/api/v1/agent").status_code == 200
    async_to_sync(upkeep.record_used_keys)()
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(minutes=1)


def test_use_of_keys_is_noted_as_often_as_documented():
    assert f"is noted every {upkeep.KEY_USE_SECONDS:.0f} seconds" in (ROOT / "docs" / "keys.md").read_text()
