import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from asgiref.sync import sync_to_async

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
        "supersedes": None, "idempotency_key": "", "request_digest": "", "reservation": None, **changes,
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
    assert sum("WITH begun" in query for query in new_conversation) == 2
    assert sum("LATERAL" in query for query in next_turn) == 1
    assert len(next_turn) <= 3


def counting(execute, counted):
    async def execute_and_count(self, query, *arguments, **options):
        if "chat_serverprocess" not in str(query):  # the upkeep of the process is not the turn's
            counted.append(str(query))
        return await execute(self, query, *arguments, **options)

    return execute_and_count
