from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import Workspace
from billing import tasks
from billing.models import Invoice, StripeEvent, Subscription
from billing.reconcile import reconcile

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(buyer):
    buyer.buy("pro")
    buyer.stripe.state.events.clear()
    return buyer


def command(*options):
    out = StringIO()
    call_command("stripe_reconcile", *options, stdout=out)
    return out.getvalue()


def test_nothing_is_found_where_nothing_differs(buyer):
    assert reconcile() == []
    assert command() == "No difference.\n"


def test_events_that_never_came_are_fetched_and_applied(buyer):
    buyer.stripe.cancel(Subscription.objects.get().stripe_id)
    (drift,) = reconcile()
    assert (drift.what, drift.ours) == ("event customer.subscription.deleted", "never came")
    assert buyer.plan == "" and StripeEvent.objects.filter(pk=drift.theirs).exists()
    assert reconcile() == []


def test_changes_older_than_the_events_are_found_in_the_objects(buyer):
    buyer.stripe.renew(Subscription.objects.get().stripe_id)
    buyer.stripe.state.events.clear()  # Stripe keeps them 30 days, GiLo asks for three
    found = reconcile()
    assert sorted(drift.what.partition(" ")[0] for drift in found) == ["invoice", "subscription"]
    assert "status=trialing" in str(found) and "status=active" in str(found)
    assert Invoice.objects.count() == 2 and Subscription.objects.get().status == "active"
    assert reconcile() == []


def test_wrong_plan_is_mended(buyer):
    Workspace.objects.filter(pk=buyer.workspace.pk).update(plan="")
    (drift,) = reconcile()
    assert (drift.workspace_id, drift.what, drift.ours, drift.theirs) == (buyer.workspace.pk, "plan", "default", "pro")
    assert buyer.plan == "pro"


def test_subscription_that_stripe_does_not_have_is_removed(buyer):
    buyer.stripe.state.rows["subscription"].clear()
    found = reconcile()
    assert [drift.theirs for drift in found] == ["does not exist", "default"]
    assert buyer.plan == "" and not Subscription.objects.exists()


def test_dry_run_lists_and_changes_nothing(buyer):
    buyer.stripe.cancel(Subscription.objects.get().stripe_id)
    Workspace.objects.filter(pk=buyer.workspace.pk).update(plan="team")
    told = command("--dry-run")
    assert "never came" in told and "status=trialing" in told and "plan: team -> pro" in told
    assert told.endswith("3 differences found.\n")
    assert buyer.plan == "team" and Subscription.objects.get().status == "trialing"


def test_many_invoices_are_compared_page_by_page(buyer):
    for _ in range(101):
        buyer.stripe.renew(Subscription.objects.get().stripe_id)
    buyer.stripe.state.events.clear()
    assert len(reconcile()) == 102
    assert Invoice.objects.count() == 102


def test_reconciliation_runs_at_night_alone(buyer, monkeypatch):
    Workspace.objects.filter(pk=buyer.workspace.pk).update(plan="")
    monkeypatch.setattr(tasks, "NIGHT_HOUR", -1)
    tasks.reconcile_at_night()
    assert buyer.plan == ""
    monkeypatch.setattr(tasks, "NIGHT_HOUR", tasks.timezone.now().hour)
    tasks.reconcile_at_night()
    assert buyer.plan == "pro"
