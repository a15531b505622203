from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role
from agents.services import delete_agent, deploy_agent, revoke_api_key, save_config
from billing.budgets import counter_id, period_at
from billing.models import Budget, BudgetCounter
from billing.services import MOST_BUDGETS
from llm.services import create_endpoint, delete_endpoint, update_endpoint
from tests.factories import make_agent, make_key, make_workspace

pytestmark = pytest.mark.django_db


class Door:
    """The budgets of one agent, by the API."""

    def __init__(self, role=Role.OWNER):
        self.workspace, user = make_workspace(role=role)
        self.agent = make_agent(self.workspace)
        self.client = Client()
        self.client.force_login(user)

    def ask(self, method, path="", body=None):
        url = f"/api/agents/{self.agent.pk}/budgets{path}"
        return getattr(self.client, method)(url, body, content_type="application/json")

    def add(self, **fields):
        return self.ask("post", body={"scope": "agent", "period": "day", "limit_usd": 5, **fields})


@pytest.fixture
def door():
    return Door()


def use(budget, subject="", *, spent=0, reserved=0, at=None):
    starts, resets = period_at(budget.period, at or timezone.now())
    return BudgetCounter.objects.create(
        id=counter_id(budget.pk, subject, starts), budget=budget, subject=subject, starts_at=starts, resets_at=resets,
        spent_usd=Decimal(spent), reserved_usd=Decimal(reserved),
    )  # fmt: skip


def test_budget_is_made_listed_changed_and_deleted(door):
    made = door.add(limit_tokens=1_000)
    assert made.status_code == 201
    body = made.json()
    assert (body["scope"], body["period"], body["limit_usd"], body["limit_tokens"]) == ("agent", "day", 5.0, 1_000)
    assert body["use"]["share"] == 0 and body["use"]["resets_at"] is not None
    assert [row["id"] for row in door.ask("get").json()["data"]] == [body["id"]]
    changed = door.ask("patch", f"/{body['id']}", {"limit_usd": None, "is_active": False}).json()
    assert (changed["limit_usd"], changed["limit_tokens"], changed["is_active"]) == (None, 1_000, False)
    assert door.ask("delete", f"/{body['id']}").status_code == 204
    assert door.ask("get").json()["data"] == []


def test_use_is_of_the_period_under_way_and_of_the_fullest_subject(door):
    day = Budget.objects.get(pk=door.add().json()["id"])
    users = Budget.objects.get(pk=door.add(scope="end_user", period="month").json()["id"])
    use(day, spent=1, reserved="0.5")
    use(day, spent=5, at=timezone.now() - timedelta(days=1))
    use(users, "ann", spent=1)
    use(users, "bob", spent=9)
    rows = {row["id"]: row["use"] for row in door.ask("get").json()["data"]}
    daily, each = rows[str(day.pk)], rows[str(users.pk)]
    assert (daily["spent_usd"], daily["reserved_usd"], daily["share"], daily["subjects"]) == (1.0, 0.5, 0.3, 1)
    assert (each["subject"], each["subjects"], each["share"]) == ("bob", 2, 1.0)


@pytest.mark.parametrize("rows", [1, 3])
def test_list_costs_the_same_queries_with_one_and_three_budgets(door, rows, django_assert_num_queries):
    for _ in range(rows):
        use(Budget.objects.get(pk=door.add().json()["id"]))
    door.ask("get")
    with django_assert_num_queries(7):
        door.ask("get")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"limit_usd": None}, "limit_usd"),
        ({"limit_usd": 0}, "limit_usd"),
        ({"limit_usd": -1}, "limit_usd"),
        ({"limit_usd": 10**9}, "limit_usd"),
        ({"limit_tokens": 0}, "limit_tokens"),
        ({"limit_tokens": 10**20}, "limit_tokens"),
        ({"scope": "planet"}, "scope"),
        ({"period": "week"}, "period"),
        ({"api_key_id": "0190b7a0-0000-7000-8000-000000000000"}, "api_key_id"),
        ({"workspace": "x"}, "workspace"),
    ],
)
def test_budget_that_makes_no_sense_is_422(door, fields, param):
    refused = door.add(**fields)
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == param
    assert not Budget.objects.exists()


def test_change_must_leave_a_limit(door):
    budget = door.add().json()["id"]
    refused = door.ask("patch", f"/{budget}", {"limit_usd": None})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "limit_required")
    assert Budget.objects.get(pk=budget).limit_usd == 5


def test_budget_of_one_key_takes_only_an_active_key_of_the_agent(door):
    make_key(door.agent)
    key = door.agent.api_keys.get()
    assert door.add(scope="api_key", api_key_id=str(key.pk)).json()["api_key_id"] == str(key.pk)
    other = make_agent(door.workspace)
    make_key(other)
    assert door.add(scope="api_key", api_key_id=str(other.api_keys.get().pk)).status_code == 404
    revoke_api_key(key=key)
    assert door.add(scope="api_key", api_key_id=str(key.pk)).status_code == 404


def test_budgets_of_an_agent_are_bounded(door):
    for _ in range(MOST_BUDGETS):
        assert door.add().status_code == 201
    refused = door.add()
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too_many_budgets")
    assert str(MOST_BUDGETS) in refused.json()["error"]["message"]


class TestHasPrice:
    """Whether a budget in dollars can hold the agent: by its draft and by what is live."""

    def told(self, door):
        return door.ask("get").json()["has_price"]

    def test_a_listed_model_and_the_demo_model_have_one(self, door, settings):
        assert self.told(door) is True
        settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "http://127.0.0.1:9/v1", "gpt-4.1-mini"
        assert self.told(door) is True

    def test_an_unlisted_model_has_none_until_it_is_entered(self, door):
        endpoint = make_endpoint(door)
        assert self.told(door) is False
        update_endpoint(endpoint=endpoint, input_price=Decimal(0), output_price=Decimal(1))
        assert self.told(door) is True

    def test_the_operators_prices_are_known(self, door, settings):
        settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "http://127.0.0.1:9/v1", "house-model"
        assert self.told(door) is False
        settings.OPENAI_INPUT_PRICE = settings.OPENAI_OUTPUT_PRICE = Decimal(1)
        assert self.told(door) is True

    def test_what_is_live_counts_as_the_draft_does(self, door):
        make_endpoint(door)
        deploy_agent(agent=door.agent)
        configure(door, model="gpt-4.1-mini")
        assert self.told(door) is False
        deploy_agent(agent=door.agent)
        assert self.told(door) is True

    def test_a_model_whose_endpoint_is_gone_does_not_count(self, door):
        endpoint = make_endpoint(door)
        configure(door, endpoint_id=str(endpoint.pk))
        delete_endpoint(endpoint=endpoint)
        assert self.told(door) is True

    def test_a_budget_in_dollars_can_be_made_all_the_same(self, door):
        make_endpoint(door)
        assert door.add(limit_usd=5).status_code == 201


def configure(door, **changes):
    save_config(agent=door.agent, actor=None, changes=changes, expected_version=None)


def make_endpoint(door):
    return create_endpoint(
        workspace_id=door.workspace.pk, name="Ours", base_url="https://models.example.com/v1", default_model="big-1"
    )


def test_viewer_reads_budgets_and_changes_none():
    door = Door(Role.VIEWER)
    assert door.ask("get").status_code == 200
    assert door.add().status_code == 403


def test_budgets_go_with_their_agent(door):
    use(Budget.objects.get(pk=door.add().json()["id"]))
    delete_agent(agent=door.agent)
    assert not Budget.objects.exists() and not BudgetCounter.objects.exists()
