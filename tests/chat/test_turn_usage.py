"""What turns leave behind: usage records, what is billed beyond the plan, uses of visitors' grants."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from accounts.models import Workspace
from agents import visitors
from agents.keys import forget_keys
from agents.models import Agent, ApiKey, KeyKind
from agents.services import save_config
from billing import grants
from billing.models import Customer, Grant, Overage, UsageRecord
from billing.plans import PLANS
from chat.models import Run
from chat.transports import admission
from gilo.selectors import PlanUsage
from tests.chat.serving import Client
from tests.chat.visiting import find_identity, make_visitor, make_widget_key


@pytest.fixture
def on_plan(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Customer]:
    """Puts the workspace on Pro with so many requests a day, and lets it want more at a price."""

    def choose(*, per_day: int, wants_more: bool = True, cap: int = 100) -> Customer:
        monkeypatch.setitem(PLANS, "pro", replace(PLANS["pro"], requests_per_day=per_day))
        Workspace.objects.filter(pk=agent.workspace_id).update(plan="pro")
        return Customer.objects.create(workspace=agent.workspace, overage_enabled=wants_more, spending_cap=cap)

    return choose


def meters() -> list[str]:
    return sorted(UsageRecord.objects.values_list("meter", flat=True))


def test_each_run_leaves_one_record_of_what_it_used(client_with_key, agent):
    client_with_key.ask("Hello")
    run, record = Run.objects.get(), UsageRecord.objects.get()
    assert (record.pk, record.workspace_id, record.agent_id) == (run.pk, run.workspace_id, agent.pk)
    assert (record.api_key_id, record.channel, record.model) == (run.api_key_id, "api", "fake-model")
    assert (record.input_tokens, record.output_tokens) == (run.input_tokens, run.output_tokens)
    assert record.cost_usd == run.cost_usd
    assert (record.at, record.meter) == (run.finished_at, "")
    agent.delete()
    assert UsageRecord.objects.count() == 1, "it outlives the agent"


def test_requests_beyond_the_day_are_refused_unless_the_workspace_wants_them(client_with_key, on_plan):
    customer = on_plan(per_day=1, wants_more=False)
    client_with_key.ask()
    refused = client_with_key.post_chat()
    assert refused.status_code == 429
    assert "1 requests a day" in refused.json()["error"]["message"]
    customer.overage_enabled = True
    customer.save()
    forget_keys()  # what a key opens is remembered for half a second
    response = client_with_key.post_chat(stream=False)
    assert response.status_code == 200
    assert response.headers["X-RateLimit-Limit"] == "300", "the day's window is over; the minute's still limits"
    assert meters() == ["", "requests"]
    assert Overage.objects.get().spent == 1


def test_a_crowd_beyond_the_day_spends_exactly_the_cap(client_with_key, agent, on_plan):
    on_plan(per_day=1, cap=1)  # one cent: ten requests
    client_with_key.ask()

    def ask(_: int) -> int:
        with Client(client_with_key.url, str(agent.pk), client_with_key.headers).session as session:
            client = Client(client_with_key.url, str(agent.pk), client_with_key.headers, session=session)
            return client.post_chat(stream=False).status_code

    with ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(ask, range(25)))
    assert (codes.count(200), codes.count(402)) == (10, 15)
    assert Overage.objects.get().spent == 10
    refused = client_with_key.post_chat()
    assert refused.json()["error"]["code"] == "spending_cap_reached"
    assert meters().count("requests") == 10


def test_a_visitors_conversation_is_billed_once_and_its_cap_is_not_told(server, agent, on_plan):
    on_plan(per_day=1, cap=1)  # one cent: one conversation
    visitor = make_visitor(server, make_widget_key(agent, allowed_origins=["https://shop.example"]))
    visitor.ask("within the plan")
    begun = visitor.ask("beyond it")
    visitor.ask("and on", conversation_id=begun["conversation_id"])
    assert meters() == ["", "", "conversations"]
    assert Overage.objects.get().spent == 10
    refused = visitor.post_chat("one more")
    assert refused.status_code == 429
    assert refused.json()["error"]["message"] == "This agent has no requests left for today. Come back tomorrow."


def test_what_was_not_answered_is_not_billed(client_with_key, on_plan):
    on_plan(per_day=1)
    client_with_key.ask()
    failed = client_with_key.post_chat("FAULT:400", stream=False)
    assert failed.status_code >= 400
    assert meters() == ["", ""]
    assert Overage.objects.get().spent == 0


def make_listing_visitor(server: str, agent: Agent, grant: Grant, **options: object) -> Client:
    """A visitor of the agent's listing whose messages use this grant."""
    key, _ = ApiKey.objects.get_or_create(
        agent=agent, kind=KeyKind.STORE, digest="0" * 64, pinned_version=agent.draft_version
    )
    session = visitors.open_visitor_session(find_identity(key), grant_id=grant.pk, **options)
    return Client(server, str(agent.pk), {"Authorization": f"Bearer {session.token}"})


def test_each_message_takes_one_use_of_the_grant_and_a_failure_gives_it_back(server, agent):
    grant = grants.create_grant(most_uses=2)
    visitor = make_listing_visitor(server, agent, grant)
    visitor.ask("one")
    assert visitor.post_chat("FAULT:400", stream=False).status_code >= 400
    visitor.ask("two")
    refused = visitor.post_chat("three")
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "grant_used_up")
    grant.refresh_from_db()
    assert grant.uses == 2
    assert set(Run.objects.values_list("channel", flat=True)) == {"store"}


def test_a_revoked_grant_ends_the_answer_under_way_and_keeps_its_text(server, agent):
    grant = grants.create_grant()
    visitor = make_listing_visitor(server, agent, grant)
    with visitor.streaming("WORDS:400 DELAY:100") as events:
        next(events)
        grants.revoke_grant(grant_id=grant.pk)
        last = list(events)[-1]
    assert (last.name, last.data["error"]["code"]) == ("error", "access_ended")
    run = Run.objects.select_related("answer").get()
    assert run.status == "partial"
    assert run.answer.content
    assert visitor.post_chat().json()["error"]["code"] == "grant_ended"


def test_a_platform_paid_visitor_does_not_use_the_creators_requests(server, agent, on_plan):
    on_plan(per_day=1, wants_more=False)
    visitor = make_listing_visitor(server, agent, grants.create_grant(most_uses=9), is_platform_paid=True)
    for _ in range(3):
        visitor.ask()
    assert meters() == ["", "", ""]
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert async_to_sync(admission._count_today)(str(agent.workspace_id), midnight) == 0, "nor after a restart"
    assert PlanUsage(agent.workspace).requests.used == 0


def test_a_pinned_key_answers_as_its_version_did(server, agent, fake_model):
    visitor = make_listing_visitor(server, agent, grants.create_grant())
    save_config(agent=agent, actor=None, changes={"instructions": "Draft secret"}, expected_version=None)
    visitor.ask()
    assert "Draft secret" not in str(fake_model.chats[-1])
