"""The last calls of an agent, as its Deploy tab shows them."""

import pytest
from django.test import Client

from accounts.models import Membership, Role, User
from agents.services import create_api_key
from chat.models import Run
from tests.chat.test_api import make_turns
from tests.factories import make_agent, make_user, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    return make_agent(make_workspace()[0])


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def builder(agent):
    return sign_in(agent.workspace.members.get())


def calls_of(client, agent, **query):
    response = client.get(f"/api/agents/{agent.pk}/runs", query)
    assert response.status_code == 200, response.content
    return response.json()["data"]


def make_call(agent, **fields):
    key, _ = create_api_key(agent=agent, actor=None, name="Site")
    conversation = make_turns(agent, api_key=key, end_user="anna")
    Run.objects.filter(conversation=conversation).update(api_key=key, **fields)
    return Run.objects.get(conversation=conversation), key


def test_call_tells_who_how_fast_how_much_and_how_it_ended(builder, agent):
    error = {"type": "api_error", "code": "upstream_failed", "message": "It failed.", "param": None, "request_id": "x"}
    run, key = make_call(
        agent, channel="widget", status="failed", error=error, latency_ms=20, ttft_ms=5, cost_usd="0.5"
    )
    (call,) = calls_of(builder, agent)
    assert call["api_key"] == {"id": str(key.pk), "name": "Site", "prefix": key.prefix}
    assert call["error"] == {"code": "upstream_failed", "message": "It failed."}
    assert (call["id"], call["channel"], call["status"], call["end_user"]) == (str(run.pk), "widget", "failed", "anna")
    assert (call["latency_ms"], call["ttft_ms"], call["input_tokens"], call["cost_usd"]) == (20, 5, 3, 0.5)


def test_call_without_a_channel_of_its_own_has_its_conversations(builder, agent):
    make_call(agent)
    assert [call["channel"] for call in calls_of(builder, agent)] == ["api"]
    assert len(calls_of(builder, agent, channel="api")) == 1


def test_calls_are_narrowed_by_channel_and_status(builder, agent):
    run, _ = make_call(agent, channel="widget", status="failed")
    make_call(agent)
    assert [call["id"] for call in calls_of(builder, agent, channel="widget")] == [str(run.pk)]
    assert [call["id"] for call in calls_of(builder, agent, status="failed")] == [str(run.pk)]
    assert calls_of(builder, agent, channel="mcp") == []
    for query in ({"channel": "x"}, {"status": "x"}):
        assert builder.get(f"/api/agents/{agent.pk}/runs", query).status_code == 422


def test_calls_are_newest_first_and_paged(builder, agent):
    made = [str(make_call(agent)[0].pk) for _ in range(3)]
    first = builder.get(f"/api/agents/{agent.pk}/runs?limit=2").json()
    second = builder.get(f"/api/agents/{agent.pk}/runs", {"limit": 2, "cursor": first["next"]}).json()
    assert [call["id"] for call in first["data"] + second["data"]] == sorted(made, reverse=True)


def test_calls_of_anothers_playground_stay_private(builder, agent):
    make_turns(agent, user=make_user())
    own = make_turns(agent, user=agent.workspace.members.get())
    assert [call["conversation_id"] for call in calls_of(builder, agent)] == [str(own.pk)]


@pytest.mark.parametrize(("role", "sees"), [(Role.OWNER, True), (Role.EDITOR, True), (Role.VIEWER, False)])
def test_key_of_a_call_is_shown_to_those_who_may_see_keys(agent, role, sees):
    make_call(agent)
    user = make_user()
    Membership.objects.filter(user=user).delete()
    Membership.objects.create(workspace=agent.workspace, user=user, role=role)
    (call,) = calls_of(sign_in(user), agent)
    assert (call["api_key"] is not None) is sees


@pytest.mark.parametrize("rows", [1, 3])
def test_calls_cost_the_same_queries_for_any_number(builder, agent, rows, django_assert_num_queries):
    for _ in range(rows):
        make_call(agent)
    with django_assert_num_queries(5):  # session, user, membership, agent, runs with conversation and key
        assert len(calls_of(builder, agent)) == rows


def test_calls_of_a_foreign_agent_are_missing(builder):
    foreign = make_agent(make_workspace()[0])
    assert builder.get(f"/api/agents/{foreign.pk}/runs").status_code == 404
