"""Rate limits at the doors: true headers, exact counts, the same for every protocol."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.utils import timezone
from websockets.sync.client import connect

from accounts.models import Membership, Role, Workspace
from agents.keys import forget_keys
from billing.plans import PLANS, Plan
from chat.transports.admission import limiter
from tests.chat.conftest import make_client
from tests.chat.transports.test_doors import sign_in
from tests.chat.visiting import make_visitor, make_widget_key
from tests.factories import make_agent, make_user


@pytest.fixture(autouse=True)
def small_plan(agent, monkeypatch):
    monkeypatch.setitem(
        PLANS, "small", Plan("small", "Small", 0, requests_per_minute=30, requests_per_day=1000, agents=5)
    )
    monkeypatch.setitem(PLANS, "daily", Plan("daily", "Daily", 0, requests_per_minute=90, requests_per_day=3, agents=5))
    Workspace.objects.update(plan="small")
    # away from the wall clock's minutes: a test must not stand on the edge of one
    monkeypatch.setattr(limiter, "_clock", lambda: 1_900_000_000.0)


def test_answer_says_how_the_minute_stands(client_with_key):
    left = []
    for _ in range(2):
        response = client_with_key.post_chat(stream=False)
        assert response.headers["X-RateLimit-Limit"] == "30"
        assert 0 < int(response.headers["X-RateLimit-Reset"]) <= 60
        left.append(int(response.headers["X-RateLimit-Remaining"]))
    assert left == [29, 28]


def test_two_hundred_at_once_admit_exactly_the_limit(client_with_key):
    url = f"{client_with_key.url}/api/v1/models"
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: requests.get(url, headers=client_with_key.headers, timeout=30), range(200)))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(429)) == (30, 170)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"]
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert "30 requests a minute" in refused.json()["error"]["message"]


def test_all_keys_and_agents_of_a_workspace_share_its_limit(client_with_key, server, agent):
    other = make_client(server, make_agent(agent.workspace))
    client_with_key.post_chat(stream=False)
    response = other.post_chat(stream=False)
    other.session.close()
    assert response.headers["X-RateLimit-Remaining"] == "28"


def test_day_is_counted_and_named(client_with_key):
    Workspace.objects.update(plan="daily")
    for _ in range(3):
        assert client_with_key.post_chat(stream=False).status_code == 200
    response = client_with_key.post_chat(stream=False)
    assert response.status_code == 429
    assert "3 requests a day" in response.json()["error"]["message"]
    assert response.headers["X-RateLimit-Limit"] == "3"


def test_restart_does_not_forget_the_day(client_with_key, monkeypatch):
    monkeypatch.setattr(limiter, "_clock", lambda: timezone.now().timestamp())
    Workspace.objects.update(plan="daily")
    for _ in range(2):
        client_with_key.ask()
    monkeypatch.setattr(limiter, "_tallies", {})  # as after a restart
    assert client_with_key.post_chat(stream=False).headers["X-RateLimit-Remaining"] == "0"
    assert client_with_key.post_chat(stream=False).status_code == 429


def test_visitor_has_a_minute_of_their_own_and_is_told_the_tighter_one(server, agent, client_with_key):
    Workspace.objects.update(plan="daily")  # three requests a day, for all
    key = make_widget_key(agent)
    answers = [make_visitor(server, key).call("GET", "/api/v1/agent") for _ in range(2)]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1"], "of the day"
    Workspace.objects.update(plan="small")
    forget_keys()
    visitor, other = make_visitor(server, key), make_visitor(server, key)
    answers = [visitor.call("GET", "/api/v1/agent") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["20"] * 21
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers[:20]] == [str(19 - n) for n in range(20)]
    assert "20 requests a minute" in answers[-1].json()["error"]["message"]
    assert other.call("GET", "/api/v1/agent").status_code == 200


def test_openai_clients_read_their_own_headers(client_with_key):
    response = client_with_key.call("GET", "/api/v1/models")
    assert response.headers["x-ratelimit-limit-requests"] == "30"
    assert response.headers["x-ratelimit-remaining-requests"] == "29"


def test_refused_credentials_are_not_counted(client_with_key):
    bad = client_with_key.call("GET", "/api/v1/models", headers={"Authorization": "Bearer nonsense"})
    assert bad.status_code == 401
    assert "X-RateLimit-Limit" not in bad.headers
    assert client_with_key.call("GET", "/api/v1/models").headers["x-ratelimit-remaining-requests"] == "29"


def test_reached_limit_still_lets_a_run_be_stopped(client_with_key):
    with client_with_key.streaming("WORDS:200 DELAY:50") as events:
        run_id = next(events).data["run_id"]
        while client_with_key.call("GET", "/api/v1/models").status_code == 200:
            pass
        assert client_with_key.cancel(run_id).status_code == 202
        assert list(events)[-1].name == "run.finished"


@pytest.fixture
def playground(server, agent):
    """A member's browser in the workspace of `agent`."""
    user = make_user()
    Membership.objects.create(workspace=agent.workspace, user=user, role=Role.EDITOR)
    client = sign_in(server, agent.workspace, user)
    client.agent_id = str(agent.pk)
    yield client
    client.session.close()


def test_playground_has_the_plans_limit_again_at_all_its_doors(client_with_key, playground):
    for _ in range(30):
        playground.ask()
    refused = playground.post_chat(stream=False)
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert "30 requests a minute" in refused.json()["error"]["message"]
    socket_url = f"{playground.url.replace('http', 'ws', 1)}/ws/agents/{playground.agent_id}/chat"
    with connect(socket_url, additional_headers=playground.headers, origin=playground.url) as socket:
        socket.send('{"message": "Hello"}')
        assert "rate_limited" in socket.recv(timeout=10)
    response = client_with_key.post_chat(stream=False)
    assert response.headers["X-RateLimit-Remaining"] == "29", "programs have their own"


def test_restart_does_not_forget_the_playgrounds_day(playground, monkeypatch):
    monkeypatch.setattr(limiter, "_clock", lambda: timezone.now().timestamp())
    Workspace.objects.update(plan="daily")
    for _ in range(3):
        playground.ask()
    monkeypatch.setattr(limiter, "_tallies", {})  # as after a restart
    assert "3 requests a day" in playground.post_chat(stream=False).json()["error"]["message"]
