"""The outbox: what happened is written in the transaction in which it happens, where somebody wants it."""

import pytest

from agents.models import Agent
from agents.services import set_wanted_events
from chat.models import EventType, OutboxEvent


@pytest.fixture
def listened(agent: Agent) -> Agent:
    set_wanted_events(agent_id=agent.pk, types=set(EventType.values))
    return agent


def test_turn_tells_of_the_conversation_and_both_messages(listened, client_with_key):
    answer = client_with_key.ask("SAY: Hi there", user="ann")
    told = [(event.type, event.data) for event in OutboxEvent.objects.order_by("id")]
    assert [kind for kind, _ in told] == ["conversation.started", "message.created", "message.created"]
    question, reply = told[1][1], told[2][1]
    assert (question["role"], question["content"]) == ("user", "SAY: Hi there")
    assert (reply["role"], reply["content"], reply["status"]) == ("assistant", answer["content"], "complete")
    assert reply["message_id"] == answer["id"]
    for _, data in told:
        assert data["conversation_id"] == answer["conversation_id"]
        assert (data["run_id"], data["channel"], data["end_user"]) == (answer["run_id"], "api", "ann")


def test_next_turn_does_not_start_the_conversation_again(listened, client_with_key):
    first = client_with_key.ask("Hello")
    OutboxEvent.objects.all().delete()
    client_with_key.ask("More", conversation_id=first["conversation_id"])
    assert [event.type for event in OutboxEvent.objects.order_by("id")] == ["message.created"] * 2


def test_failed_run_is_told_with_its_error(listened, client_with_key):
    assert client_with_key.post_chat("FAULT:400 Hello", stream=False).status_code == 502
    failed = OutboxEvent.objects.get(type="run.failed")
    assert failed.data["status"] == "failed"
    assert failed.data["error"]["code"] == "model_rejected"


def test_nothing_is_written_that_nobody_wants(agent, client_with_key):
    client_with_key.ask("Hello")
    set_wanted_events(agent_id=agent.pk, types={"run.failed"})
    client_with_key.ask("Hello")
    assert not OutboxEvent.objects.exists()
