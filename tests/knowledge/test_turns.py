"""Long documents: they keep their lease while they are read, and let other workspaces' go between two batches."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from knowledge import indexing, processing
from knowledge.models import AgentTerm, Chunk, ChunkVector, Document
from knowledge.processing import process_next
from tests import factories
from tests.knowledge.test_faults import LONG, outcome

pytestmark = pytest.mark.django_db


@pytest.fixture
def short_turns(monkeypatch):
    monkeypatch.setattr(processing, "TURN_SECONDS", 0.0)


@pytest.fixture
def neighbour():
    """An agent of another workspace."""
    workspace, user = factories.make_workspace()
    return factories.make_agent(workspace), user


def test_long_document_lets_another_workspace_go_first(learn, upload, neighbour, client, short_turns):
    undisturbed = outcome(learn("alone.txt", LONG.encode()))
    upload("long.txt", LONG.encode())
    agent, user = neighbour
    client.force_login(user)
    client.defaults["HTTP_X_WORKSPACE_ID"] = str(agent.workspace_id)
    upload("first.txt", b"A first turn.", to=agent)

    def statuses():
        return dict(Document.objects.filter(name__in=["long.txt", "short.txt"]).values_list("name", "status"))

    assert process_next()
    upload("short.txt", b"A few words.", to=agent)
    assert statuses() == {"long.txt": "queued", "short.txt": "queued"}
    assert process_next()
    assert statuses() == {"long.txt": "embedding", "short.txt": "queued"}
    assert process_next()
    assert statuses() == {"long.txt": "embedding", "short.txt": "ready"}
    assert process_next()
    assert statuses() == {"long.txt": "ready", "short.txt": "ready"}
    assert outcome(Document.objects.get(name="long.txt")) == undisturbed


def test_long_document_that_nobody_waits_for_is_not_put_off(upload, short_turns):
    upload("long.txt", LONG.encode())
    assert process_next()
    assert Document.objects.get().status == "ready"
    assert Chunk.objects.count() == ChunkVector.objects.values("chunk").distinct().count()


def test_lease_is_kept_while_one_long_text_is_cut(upload, settings):
    upload("long.txt", LONG.encode())
    settings.DOCUMENT_LEASE_SECONDS = 0  # so that each step finds it worth renewing
    with CaptureQueriesContext(connection) as queries:
        process_next()
    before_chunks = [query["sql"] for query in queries]
    first_insert = next(at for at, sql in enumerate(before_chunks) if sql.startswith('INSERT INTO "knowledge_chunk"'))
    renewals = [sql for sql in before_chunks[:first_insert] if sql.startswith('UPDATE "knowledge_document"')]
    assert len(renewals) >= Chunk.objects.count() > 10


def test_terms_are_counted_a_few_at_a_time(learn, agent, monkeypatch):
    monkeypatch.setattr(indexing, "_COUNTED_TERMS", 3)
    with CaptureQueriesContext(connection) as queries:
        learn("a.txt", b"One apple, two pears, three plums, four figs.")
    counted = dict(AgentTerm.objects.filter(agent=agent).values_list("term", "chunks"))
    assert set(counted.values()) == {1}
    statements = [query for query in queries if "INSERT INTO knowledge_agentterm" in query["sql"]]
    assert len(statements) == -(-len(counted) // 3) > 2
