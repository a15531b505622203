import pytest

from chat.models import Message
from tests.chat.conftest import make_client
from tests.factories import make_agent, make_workspace
from tests.processes import wait_until


def test_run_with_knowledge_cites_what_the_answer_names(reader, fake_model):
    events = reader.chat("Who is the harbour master? SAY: Odile Kerr [1]")
    assert [event.name for event in events][:2] == ["run.started", "citations"]
    (citation, *_) = events[1].data
    assert (citation["index"], citation["filename"]) == (1, "guide.md")
    assert "Odile Kerr" in citation["snippet"]
    assert "[1] guide.md" in fake_model.chats[0]["messages"][0]["content"]
    assert [item["index"] for item in Message.objects.get(role="assistant").citations] == [1]
    again = reader.events(events[0].data["run_id"])
    assert [(event.id, event.name, event.data) for event in again] == [
        (event.id, event.name, event.data) for event in events
    ]


def test_run_without_documents_has_no_citations(server, fake_model, transactional_db):
    caller = make_client(server, make_agent(make_workspace()[0]))
    assert [event.name for event in caller.chat("WORDS:1")] == ["run.started", "delta", "run.finished"]
    caller.session.close()


def test_run_of_a_deleted_conversation_stops(client_with_key, agent, fake_model):
    with client_with_key.streaming("WORDS:900 DELAY:20") as events:
        next(events)
        next(events)
        agent.conversations.get().delete()
        assert list(events)[-1].data.get("status") == "cancelled"
    wait_until(lambda: fake_model.aborted == 1, 5, "the end of the model call")
    assert Message.objects.count() == 0


@pytest.fixture
def quick_keep_alive(monkeypatch):
    monkeypatch.setattr("chat.upkeep.KEEP_ALIVE_SECONDS", 0.1)


def test_stream_of_a_silent_model_is_kept_open(quick_keep_alive, client_with_key):
    with client_with_key.post_chat("FAULT:hang") as response:
        text = b""
        for piece in response.iter_content(chunk_size=None):
            text += piece
            if b": keep-alive\n\n" in text:
                break
    assert b"event: run.started" in text
