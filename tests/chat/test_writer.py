import asyncio
import re
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from asgiref.sync import sync_to_async

from billing.budgets import Cap, as_reservation, reserve, settle
from billing.errors import BudgetExceeded
from billing.models import Budget, BudgetCounter
from chat import writer as module
from chat.models import Conversation, Message, Run
from chat.writer import Writer
from core.async_db import close_pool
from core.errors import GiloError, NotFound, Unavailable
from core.ids import uuid7
from core.pg_line import PreparedLine


@pytest.fixture
async def writer(transactional_db):
    writer = Writer()
    writer.start()
    yield writer
    await writer.stop()
    await close_pool()


def beginning(owner, **changes):
    question, answer = sorted((uuid7(), uuid7()))
    return {
        "conversation": uuid7(), "is_new": True, "workspace": owner.workspace_id, "agent": owner.pk, "channel": "api",
        "user": None, "api_key": None, "end_user": "", "title": "Hi", "at": datetime.now(UTC), "question": question,
        "asks": True, "content": "Hi", "answer": answer, "run": uuid7(), "version": None, "process": uuid4(),
        "supersedes": None, "idempotency_key": "", "request_digest": "", "reservation": None, "meter": "",
        "grant": None,
        **changes,
    }  # fmt: skip


def ending(begun, **changes):
    return {
        "run": begun["run"], "answer": begun["answer"], "status": "complete", "content": "Hello", "citations": [],
        "trace": [], "model": "m", "input_tokens": 1, "output_tokens": 2, "cost_usd": "0.000003", "ttft_ms": 5,
        "latency_ms": 9, "finish_reason": "stop", "error": None, "at": datetime.now(UTC), **changes,
    }  # fmt: skip


async def test_writer_turn_is_two_statements(writer, agent):
    begun = beginning(agent)
    await writer.begin(begun)
    assert [message.status async for message in Message.objects.all()] == ["complete", "streaming"]
    await writer.finish(ending(begun))
    assert writer.statements == 2
    run = await Run.objects.aget()
    assert (run.status, str(run.cost_usd), run.trace, run.error) == ("complete", "0.00000300", [], None)


async def test_writer_crowd_shares_its_statements(writer, agent):
    await asyncio.gather(*(writer.begin(beginning(agent)) for _ in range(50)))
    assert writer.statements <= 4
    assert await Message.objects.acount() == 100


async def test_writer_bad_row_fails_alone(writer, agent):
    good, missing = beginning(agent), beginning(agent, agent=uuid4())
    bad = beginning(agent, content="a\x00b")
    results = await asyncio.gather(*(writer.begin(row) for row in (good, missing, bad)), return_exceptions=True)
    assert results[0] is None
    assert isinstance(results[1], NotFound)
    assert isinstance(results[2], GiloError)
    assert await Run.objects.acount() == 1


async def test_writer_row_written_twice_counts_once(writer, agent):
    begun = beginning(agent)
    await writer.begin(begun)
    await writer.begin(begun)
    assert (await Conversation.objects.acount(), await Message.objects.acount()) == (1, 2)


def turn_with_budgets(agent, caps):
    begun = beginning(agent)
    rows = reserve(
        caps, api_key_id=None, end_user="", conversation_id=begun["conversation"], usd=Decimal("0.5"), tokens=50,
        now=begun["at"],
    )  # fmt: skip
    return begun | {"reservation": as_reservation(rows)}, rows


@pytest.mark.parametrize("count", [1, 2])
async def test_writer_budgets_count_a_turn_once_however_often_it_is_written(writer, agent, count):
    caps = await sync_to_async(make_caps)(agent, count)
    begun, rows = turn_with_budgets(agent, caps)
    for _ in range(2):
        await writer.begin(begun, rows)
    assert await counts() == [(Decimal("0.5"), 50, Decimal(0), 0)] * count
    settling = settle(begun["reservation"], usd=Decimal("0.2"), tokens=20)
    for _ in range(2):
        await writer.finish(ending(begun), settling)
    assert await counts() == [(Decimal(0), 0, Decimal("0.2"), 20)] * count


async def test_writer_makes_a_counter_once_and_asks_anew_after_a_lost_connection(writer, agent):
    caps = await sync_to_async(make_caps)(agent, 1)
    await writer.begin(*turn_with_budgets(agent, caps))
    assert writer.statements == 2
    await writer.begin(*turn_with_budgets(agent, caps))
    assert writer.statements == 3
    await BudgetCounter.objects.all().adelete()  # as a backup that was put back would
    await sync_to_async(end_connection)(writer._line._connection.info.backend_pid)
    await writer.begin(*turn_with_budgets(agent, caps))
    assert await counts() == [(Decimal("0.5"), 50, Decimal(0), 0)]


async def test_writer_turn_over_its_budget_fails_alone(writer, agent):
    caps = await sync_to_async(make_caps)(agent, 1)
    turns = [turn_with_budgets(agent, caps) for _ in range(3)]
    free = beginning(agent)
    results = await asyncio.gather(writer.begin(free), *(writer.begin(*turn) for turn in turns), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), type(None), BudgetExceeded]
    assert await Run.objects.acount() == 3


def make_caps(agent, count):
    made = [
        Budget.objects.create(
            workspace=agent.workspace, agent_id=agent.pk, scope="agent", period="day", limit_usd=Decimal(1)
        )
        for _ in range(count)
    ]
    return [Cap(budget.pk, budget.scope, None, budget.period) for budget in made]


async def counts():
    rows = BudgetCounter.objects.values_list("reserved_usd", "reserved_tokens", "spent_usd", "spent_tokens")
    return [row async for row in rows]


async def test_writer_lost_connection_is_made_anew(writer, agent):
    await writer.begin(beginning(agent))
    await sync_to_async(end_connection)(writer._line._connection.info.backend_pid)
    await writer.begin(beginning(agent))
    assert await Run.objects.acount() == 2


def end_connection(pid):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


async def test_writer_without_a_database_gives_up_in_words(writer, agent, monkeypatch):
    monkeypatch.setattr(module, "connection_parameters", lambda: {"host": "/nowhere"})
    monkeypatch.setattr(module, "BEGIN_PATIENCE_SECONDS", 0.3)
    with pytest.raises(Unavailable) as refusal:
        await writer.begin(beginning(agent))
    assert refusal.value.headers["Retry-After"]


async def test_writer_that_is_stopped_refuses(agent):
    with pytest.raises(Unavailable):
        await Writer().begin(beginning(agent))


def test_chat_turn_takes_at_most_four_round_trips(client_with_key, monkeypatch):
    first = client_with_key.ask()
    counted = []
    for kind in (psycopg.AsyncConnection, PreparedLine):
        monkeypatch.setattr(kind, "execute", counting(kind.execute, counted))
    client_with_key.ask()
    new_conversation = [query for query in counted if "agents_apikey" not in query and "llm_modelendpoint" not in query]
    counted.clear()
    client_with_key.ask(conversation_id=first["conversation_id"])
    next_turn = [query for query in counted if "agents_apikey" not in query and "llm_modelendpoint" not in query]
    assert [next(part for part in ("begun", "ended") if part in query) for query in new_conversation] == [
        "begun",
        "ended",
    ]
    assert sum("LATERAL" in query for query in next_turn) == 1
    assert len(next_turn) <= 3


async def test_statement_names_only_the_tables_that_its_group_changes(writer, agent, monkeypatch):
    statements = []
    monkeypatch.setattr(PreparedLine, "execute", counting(PreparedLine.execute, statements))
    begun = beginning(agent)
    await writer.begin(begun)
    await writer.finish(ending(begun))
    await writer.begin(beginning(agent, conversation=begun["conversation"], is_new=False))
    changed = [set(re.findall(r"(?:INSERT INTO|UPDATE) (\w+)", statement)) for statement in statements]
    assert changed == [
        {"chat_conversation", "chat_message", "chat_run"},
        {"chat_message", "chat_run", "billing_usagerecord"},
        {"chat_conversation", "chat_message", "chat_run"},
    ]
    assert ["INSERT INTO chat_conversation" in statement for statement in statements] == [True, False, False]


def counting(execute, counted):
    async def execute_and_count(self, query, *arguments, **options):
        if "chat_serverprocess" not in str(query):  # the upkeep of the process is not the turn's
            counted.append(str(query))
        return await execute(self, query, *arguments, **options)

    return execute_and_count
