import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership
from chat.models import Conversation, Message, MessageStatus, Run
from core.ids import uuid7
from tests.factories import make_agent, make_user, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    workspace, user = make_workspace()
    client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
    client.force_login(user)
    return client, user, make_agent(workspace)


def make_turns(agent, count=1, **fields):
    conversation = Conversation.objects.create(
        workspace=agent.workspace, agent=agent, channel="api", title="Tides",
        created_at=timezone.now(), last_message_at=timezone.now(), **fields,
    )  # fmt: skip
    ids = iter(sorted(uuid7() for _ in range(2 * count)))  # ids made in the same millisecond have no order
    for _ in range(count):
        question, answer = (
            Message.objects.create(
                id=next(ids), conversation=conversation, role=role, content=role, created_at=timezone.now()
            )
            for role in ("user", "assistant")
        )
        Run.objects.create(
            workspace=agent.workspace, agent=agent, conversation=conversation, question=question, answer=answer,
            status=MessageStatus.COMPLETE, process=uuid7(), started_at=timezone.now(), input_tokens=3,
        )  # fmt: skip
    return conversation


def test_conversations_lists_api_and_own_playground_only(member):
    client, user, agent = member
    other = make_user()
    shown = {str(make_turns(agent).pk), str(make_turns(agent, user=user).pk)}
    make_turns(agent, user=other)
    make_turns(make_agent(make_workspace()[0]))
    body = client.get(f"/api/agents/{agent.pk}/conversations").json()
    assert {item["id"] for item in body["data"]} == shown
    assert body["next"] is None


@pytest.mark.parametrize("count", [1, 3])
def test_own_conversations_of_all_agents_in_a_fixed_number_of_queries(member, count, django_assert_max_num_queries):
    client, user, agent = member
    make_turns(agent, user=make_user())
    make_turns(agent)  # by API: not the member's own
    agents = [agent, *(make_agent(agent.workspace) for _ in range(count - 1))]
    own = [make_playground(agent, user) for agent in agents]
    with django_assert_max_num_queries(6):
        body = client.get("/api/conversations").json()
    assert [item["id"] for item in body["data"]] == [str(conversation.pk) for conversation in reversed(own)]
    assert [item["agent"]["name"] for item in body["data"]] == [agent.name for agent in reversed(agents)]


def make_playground(agent, user):
    conversation = make_turns(agent, user=user)
    Conversation.objects.filter(pk=conversation.pk).update(channel="playground")
    return conversation


@pytest.mark.parametrize("count", [1, 3])
def test_messages_show_runs_with_a_fixed_number_of_queries(member, count, django_assert_max_num_queries):
    client, _, agent = member
    conversation = make_turns(agent, count)
    with django_assert_max_num_queries(7):
        body = client.get(f"/api/conversations/{conversation.pk}/messages").json()
    assert len(body["data"]) == 2 * count
    question, answer = body["data"][:2]
    assert (question["role"], question["run"]) == ("user", None)
    assert (answer["run"]["input_tokens"], answer["run"]["error"]) == (3, None)


def test_messages_pages_go_on_where_the_last_ended(member):
    client, _, agent = member
    conversation = make_turns(agent, 3)
    first = client.get(f"/api/conversations/{conversation.pk}/messages?limit=4").json()
    second = client.get(f"/api/conversations/{conversation.pk}/messages?limit=4&cursor={first['next']}").json()
    ids = [item["id"] for item in first["data"] + second["data"]]
    assert len(ids) == 6 and ids == sorted(ids)


def test_feedback_is_kept_and_taken_back(member):
    client, _, agent = member
    answer = make_turns(agent).messages.get(role="assistant")
    for value, stored in ((1, 1), (-1, -1), (0, None)):
        response = client.post(f"/api/messages/{answer.pk}/feedback", {"value": value}, "application/json")
        assert (response.status_code, response.json()["feedback"]) == (200, stored)


@pytest.mark.parametrize("value", [2, "x", None, [], True])
def test_feedback_of_another_kind_is_422(member, value):
    client, _, agent = member
    answer = make_turns(agent).messages.get(role="assistant")
    response = client.post(f"/api/messages/{answer.pk}/feedback", {"value": value}, "application/json")
    assert response.status_code == 422 or value is True


def test_feedback_on_a_question_is_404(member):
    client, _, agent = member
    question = make_turns(agent).messages.get(role="user")
    assert client.post(f"/api/messages/{question.pk}/feedback", {"value": 1}, "application/json").status_code == 404


def test_delete_takes_messages_and_runs_along(member):
    client, _, agent = member
    conversation = make_turns(agent, 2)
    assert client.delete(f"/api/conversations/{conversation.pk}").status_code == 204
    assert (Conversation.objects.count(), Message.objects.count(), Run.objects.count()) == (0, 0, 0)


def test_viewer_changes_only_the_own_playground(member):
    client, user, agent = member
    Membership.objects.filter(user=user).update(role="viewer")
    from_outside, own = make_turns(agent), make_turns(agent, user=user)
    for conversation, expected in ((from_outside, (403, 403)), (own, (200, 204))):
        answer = conversation.messages.get(role="assistant")
        rated = client.post(f"/api/messages/{answer.pk}/feedback", {"value": -1}, "application/json")
        assert (rated.status_code, client.delete(f"/api/conversations/{conversation.pk}").status_code) == expected
    assert Message.objects.get(conversation=from_outside, role="assistant").feedback is None


def test_conversation_whose_answer_does_not_end_is_not_deleted(member, monkeypatch):
    client, _, agent = member
    conversation = make_turns(agent)
    Run.objects.update(status=MessageStatus.STREAMING)
    monkeypatch.setattr("chat.services._STOP_SECONDS", 0.2)
    response = client.delete(f"/api/conversations/{conversation.pk}")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "conversation_busy")
    assert Run.objects.get().cancel_requested


def test_foreign_conversation_is_missing_on_every_route(member):
    client = member[0]
    foreign = make_turns(make_agent(make_workspace()[0]))
    answer = foreign.messages.get(role="assistant")
    assert client.get(f"/api/agents/{foreign.agent_id}/conversations").status_code == 404
    assert client.get(f"/api/conversations/{foreign.pk}/messages").status_code == 404
    assert client.delete(f"/api/conversations/{foreign.pk}").status_code == 404
    assert client.post(f"/api/messages/{answer.pk}/feedback", {"value": 1}, "application/json").status_code == 404
    assert Message.objects.count() == 2


def test_colleagues_playground_is_missing(member):
    client, _, agent = member
    colleague = make_user()
    Membership.objects.create(workspace=agent.workspace, user=colleague, role="editor")
    private = make_turns(agent, user=colleague)
    assert client.get(f"/api/conversations/{private.pk}/messages").status_code == 404
    assert client.delete(f"/api/conversations/{private.pk}").status_code == 404


def test_unknown_channel_is_422(member):
    client, _, agent = member
    assert client.get(f"/api/agents/{agent.pk}/conversations?channel=pigeon").status_code == 422
