import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from billing.plans import windows_of
from chat.models import Channel, Conversation, Message, Run
from chat.transports.admission import limiter
from core.ids import uuid7
from tests.factories import make_agent, make_key, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    workspace, user = make_workspace()
    client = Client()
    client.force_login(user)
    client.workspace = workspace
    return client


def make_run(agent, **fields):
    now = timezone.now()
    parts = {"workspace": agent.workspace, "agent": agent}
    conversation = Conversation.objects.create(channel=Channel.API, created_at=now, last_message_at=now, **parts)
    messages = [
        Message.objects.create(conversation=conversation, role=role, created_at=now) for role in ("user", "assistant")
    ]
    return Run.objects.create(
        conversation=conversation, question=messages[0], answer=messages[1], status="complete", process=uuid7(),
        started_at=now, **parts, **fields,
    )  # fmt: skip


def test_limits_tell_the_plan_and_what_is_used_of_it(member):
    agent = make_agent(member.workspace)
    make_key(agent)
    make_run(agent, api_key=agent.api_keys.get())
    make_run(agent)  # in the playground: not limited
    limits = member.get("/api/workspace/limits").json()
    assert limits["plan"] == {"id": "free", "name": "Free", "price_usd": 0}
    assert limits["agents"] == {"used": 1, "limit": 5}
    assert limits["requests_today"] == {"used": 1, "limit": 1_000}
    assert [(window["name"], window["used"], window["remaining"]) for window in limits["windows"]] == [
        ("minute", 0, 60), ("day", 1, 999),
    ]  # fmt: skip


def test_limits_tell_what_the_limiter_counts(member):
    hit = async_to_sync(limiter.hit)
    for _ in range(3):
        hit(str(member.workspace.pk), windows_of(""))
    limits = member.get("/api/workspace/limits").json()
    day = limits["windows"][1]
    assert (day["used"], day["remaining"], day["resets_at"][-9:]) == (3, 997, "00:00:00Z")
    assert limits["requests_today"] == {"used": 3, "limit": 1_000}
    assert "3 / 1,000 API requests today" in member.get("/dashboard").content.decode()


@pytest.mark.parametrize("path", ["/dashboard", "/settings/workspace"])
def test_pages_of_a_workspace_without_limits_say_so(member, settings, path):
    make_agent(member.workspace)
    settings.DEFAULT_PLAN = "unlimited"
    page = member.get(path).content.decode()
    assert "Unlimited" in page and "no limit" in page and "None" not in page
    assert member.get("/api/workspace/limits").json()["windows"] == []


def test_dashboard_shows_the_limits_of_the_workspaces_plan(member):
    make_agent(member.workspace)
    member.workspace.plan = "pro"
    member.workspace.save()
    page = member.get("/dashboard").content.decode()
    assert "Pro plan" in page and "/ 10,000" in page and "of 20 in your plan" in page
