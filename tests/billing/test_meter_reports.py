"""What is billed beyond plans: recorded = reported = shown, through outages and repetitions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from billing import meter_reports
from billing.models import Customer, Meter, MeterReport, UsageRecord
from billing.usage import read_overage
from tests.factories import make_workspace
from tests.fake_stripe import FakeStripe

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(fake_stripe: FakeStripe) -> Workspace:
    workspace, _ = make_workspace()
    customer = fake_stripe.state.add("customer", "cus")
    Customer.objects.create(workspace=workspace, stripe_id=customer["id"], overage_enabled=True)
    return workspace


def add_records(workspace: Workspace, count: int, *, meter: str, since: datetime, seconds: float) -> None:
    """So many records, one each `seconds`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_usagerecord
                (id, workspace_id, agent_id, channel, model, at, input_tokens, output_tokens, cost_usd, meter)
            SELECT gen_random_uuid(), %s, gen_random_uuid(), 'api', 'm', %s + n * make_interval(secs => %s), 1, 1, 0, %s
            FROM generate_series(0, %s - 1) n
            """,
            [workspace.pk, since, seconds, meter, count],
        )


def reported(fake: FakeStripe, event_name: str) -> int:
    events = fake.state.meter_events.values()
    return sum(int(event["payload"]["value"]) for event in events if event["event_name"] == event_name)


def test_a_hundred_thousand_runs_are_recorded_reported_and_shown_alike(workspace: Workspace, fake_stripe: Any) -> None:
    day = timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    day = (day - timedelta(days=1)).replace(hour=0)  # the last day of the month before
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE billing_usagerecord")  # what the planner then knows: an empty table
    add_records(workspace, 60_000, meter=Meter.REQUESTS, since=day, seconds=1.2)  # twenty hours
    add_records(workspace, 30_000, meter=Meter.CONVERSATIONS, since=day, seconds=2.4)
    add_records(workspace, 10_000, meter="", since=day, seconds=1)  # within the plan
    assert meter_reports.close_hours() == 90_000
    fake_stripe.is_down = True
    assert meter_reports.send_reports() == 0
    fake_stripe.is_down = False
    assert meter_reports.send_reports() == 40
    assert (meter_reports.close_hours(), meter_reports.send_reports()) == (0, 0)
    shown = read_overage(workspace.pk, day.date().replace(day=1))
    assert reported(fake_stripe, "gilo_requests") == shown.counts[Meter.REQUESTS] == 60_000
    assert reported(fake_stripe, "gilo_conversations") == shown.counts[Meter.CONVERSATIONS] == 30_000
    assert shown.total == 60_000 * 1 + 30_000 * 10, "thousandths of a dollar"
    assert UsageRecord.objects.filter(report=None).count() == 10_000


def test_an_hour_is_reported_when_it_is_over(workspace: Workspace) -> None:
    noon = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    add_records(workspace, 3, meter=Meter.REQUESTS, since=noon, seconds=60)
    for too_early in (noon + timedelta(minutes=59), noon + HOUR + timedelta(minutes=4)):
        assert meter_reports.close_hours(too_early) == 0
    assert meter_reports.close_hours(noon + HOUR + timedelta(minutes=5)) == 3
    report = MeterReport.objects.get()
    assert (report.hour, report.quantity) == (noon, 3)
    assert report.identifier == f"{workspace.pk}:requests:20261120T12:0"


def test_what_comes_late_is_reported_apart(workspace: Workspace, fake_stripe: FakeStripe) -> None:
    then = timezone.now() - 3 * HOUR
    for count in (2, 5):
        add_records(workspace, count, meter=Meter.REQUESTS, since=then, seconds=0)
        meter_reports.close_hours()
        meter_reports.send_reports()
    assert list(MeterReport.objects.order_by("sequence").values_list("sequence", "quantity")) == [(0, 2), (1, 5)]
    assert reported(fake_stripe, "gilo_requests") == 7


def test_a_report_whose_answer_was_lost_counts_once(workspace: Workspace, fake_stripe: FakeStripe) -> None:
    add_records(workspace, 4, meter=Meter.REQUESTS, since=timezone.now() - 3 * HOUR, seconds=0)
    meter_reports.close_hours()
    meter_reports.send_reports()
    MeterReport.objects.update(reported_at=None)  # as after a crash between Stripe's answer and our commit
    assert meter_reports.send_reports() == 1
    assert reported(fake_stripe, "gilo_requests") == 4


def test_a_refused_report_waits_and_does_not_hold_up_the_others(workspace: Workspace, fake_stripe: FakeStripe) -> None:
    add_records(workspace, 1, meter=Meter.REQUESTS, since=timezone.now() - timedelta(days=40), seconds=0)
    add_records(workspace, 2, meter=Meter.REQUESTS, since=timezone.now() - 3 * HOUR, seconds=0)
    meter_reports.close_hours()
    assert meter_reports.send_reports() == 1
    refused = MeterReport.objects.get(reported_at=None)
    assert (refused.quantity, refused.attempts, bool(refused.error)) == (1, 1, True)


def test_a_workspace_without_a_customer_is_not_asked_about(fake_stripe: FakeStripe) -> None:
    workspace, _ = make_workspace()
    add_records(workspace, 1, meter=Meter.REQUESTS, since=timezone.now() - 3 * HOUR, seconds=0)
    assert meter_reports.close_hours() == 1
    assert meter_reports.send_reports() == 0
    assert fake_stripe.requests == []
