"""The usage page: the sum of the records, by every dimension; the same as CSV; what is wanted beyond the plan."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from accounts.models import Role, Workspace
from agents.models import Agent
from billing.models import Customer, Meter, UsageRecord
from core.ids import uuid7
from tests.factories import make_agent, make_key, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def builder() -> Any:
    workspace, user = make_workspace()
    client: Any = Client()
    client.force_login(user)
    client.workspace = workspace
    return client


def record(agent: Agent, **fields: Any) -> UsageRecord:
    values = {
        "channel": "api", "model": "gpt-x", "input_tokens": 10, "output_tokens": 5, "cost_usd": Decimal("0.0125"),
        "at": datetime.now(UTC),
    }  # fmt: skip
    return UsageRecord.objects.create(id=uuid7(), workspace=agent.workspace, agent_id=agent.pk, **{**values, **fields})


def test_an_empty_page_teaches_what_appears_here(builder: Any) -> None:
    page = builder.get("/settings/usage").content.decode()
    assert "Nothing was used in this time" in page


def test_the_page_tells_what_was_used_by_agent_channel_model_and_key(builder: Any) -> None:
    agent = make_agent(builder.workspace, name="Nora <b>")
    make_key(agent, "Website")
    record(agent, api_key_id=agent.api_keys.get().pk)
    record(agent, channel="widget", cost_usd=Decimal("2"))
    record(agent, model="offline", cost_usd=Decimal(0))
    record(make_agent(make_workspace()[0]), cost_usd=Decimal("700"))  # another workspace's
    page = builder.get("/settings/usage?period=30").content.decode()
    for shown in ("$2.01", "Nora &lt;b&gt;", "Widget", "gpt-x", "Demo model", "Website", "Without a key"):
        assert shown in page, shown
    assert "700" not in page
    assert page.count('class="usage__bar"') == 30


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_costs_the_same_queries_for_any_number(
    builder: Any, rows: int, django_assert_num_queries: Any
) -> None:
    for number in range(rows):
        agent = make_agent(builder.workspace, name=f"Agent {number}")
        make_key(agent)
        record(agent, api_key_id=agent.api_keys.get().pk, channel=("api", "mcp", "a2a")[number], model=f"m{number}")
    builder.get("/settings/usage")
    with django_assert_num_queries(15):
        builder.get("/settings/usage")


def test_the_csv_has_one_row_for_each_combination_and_no_formulas(builder: Any) -> None:
    agent = make_agent(builder.workspace, name="=HYPERLINK(1)")
    for _ in range(2):
        record(agent)
    record(agent, meter=Meter.CONVERSATIONS)
    response = builder.get("/settings/usage.csv")
    assert response["Content-Disposition"].startswith('attachment; filename="gilo-usage-')
    (row,) = csv.DictReader(StringIO(response.content.decode()))
    assert row["agent"] == "'=HYPERLINK(1)"
    assert (row["runs"], row["input_tokens"], row["billed_usd"]) == ("3", "30", "0.01")
    assert Decimal(row["cost_usd"]) == Decimal("0.0375")


def test_a_month_is_the_calendars_in_utc(builder: Any) -> None:
    agent = make_agent(builder.workspace)
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    record(agent, at=first, model="this-month")
    record(agent, at=first.replace(year=first.year - 1), model="long-ago")
    page = builder.get("/settings/usage?period=month").content.decode()
    assert "this-month" in page
    assert "long-ago" not in page
    assert "this-month" not in builder.get("/settings/usage?period=last_month").content.decode()


def test_requests_beyond_the_plan_can_be_allowed_where_the_plan_and_the_server_sell_them(
    builder: Any, settings: Any
) -> None:
    wanted = {"is_enabled": "on", "cap": "35"}
    refused = builder.post("/settings/usage", wanted)
    assert refused.status_code == 422
    assert not Customer.objects.exists()
    Workspace.objects.filter(pk=builder.workspace.pk).update(plan="pro")
    assert builder.post("/settings/usage", wanted).status_code == 422, "this server sells nothing"
    settings.STRIPE_SECRET_KEY = "sk_test_x"
    assert builder.post("/settings/usage", wanted).status_code == 302
    customer = Customer.objects.get()
    assert (customer.overage_enabled, customer.spending_cap) == (True, 3500)
    assert builder.post("/settings/usage", {"cap": "10"}).status_code == 302
    customer.refresh_from_db()
    assert (customer.overage_enabled, customer.spending_cap) == (False, 1000)
    for bad in ("-1", "1e9", "100001", "", "\x00"):
        assert builder.post("/settings/usage", {"is_enabled": "on", "cap": bad}).status_code == 422


def test_a_viewer_sees_no_usage_and_an_editor_changes_no_cap() -> None:
    for role, codes in ((Role.VIEWER, (403, 403)), (Role.EDITOR, (200, 403))):
        _, user = make_workspace(role=role)
        client = Client()
        client.force_login(user)
        post = client.post("/settings/usage", {"cap": "1"}).status_code
        assert (client.get("/settings/usage").status_code, post) == codes
