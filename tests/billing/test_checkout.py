from datetime import timedelta
from io import StringIO

import pytest
import stripe
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import Role, Workspace
from billing.models import Customer
from billing.stripe import read_event
from tests.billing.shop import Buyer

pytestmark = pytest.mark.django_db


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_checkout_sells_the_plan_with_its_trial_and_the_metered_prices(buyer):
    session = buyer.checkout("pro")
    prices = [item["price"] for item in session["_items"]]
    assert prices[0]["lookup_key"] == "gilo_pro_monthly" and prices[0]["unit_amount"] == 2_900
    assert {(price["lookup_key"], price["unit_amount_decimal"]) for price in prices[1:]} == {
        ("gilo_conversations", "1"), ("gilo_requests", "0.1"),
    }  # fmt: skip
    assert session["client_reference_id"] == str(buyer.workspace.pk)
    assert session["subscription_data"]["trial_period_days"] == 14
    assert session["automatic_tax"] == {"enabled": True} and session["allow_promotion_codes"] is True
    assert session["success_url"].endswith("/settings/billing?checkout=done")
    customer = buyer.stripe.state.get("customer", session["customer"])
    assert (customer["email"], customer["metadata"]) == (buyer.user.email, {"gilo_workspace": str(buyer.workspace.pk)})


def test_checkout_speaks_the_readers_language(buyer):
    buyer.user.language = "fr"
    buyer.user.save()
    assert buyer.checkout()["locale"] == "fr"


def test_paid_checkout_raises_the_plan_and_shows_the_invoice(buyer):
    subscription = buyer.buy("team")
    assert buyer.plan == "team"
    assert (subscription.plan, subscription.status) == ("team", "trialing")
    assert subscription.trial_ends_at - timezone.now() > timedelta(days=13)
    shown = buyer.client.get("/api/billing").json()
    assert (shown["plan"]["id"], shown["subscription"]["status"], shown["payments"]) == ("team", "trialing", True)
    assert [(row["status"], row["total"], row["currency"]) for row in shown["invoices"]] == [("paid", 0, "usd")]


def test_trial_is_given_once(buyer):
    buyer.stripe.cancel(buyer.buy().stripe_id)
    buyer.hear()
    assert buyer.plan == ""
    assert "trial_period_days" not in buyer.checkout()["subscription_data"]


def test_trial_of_no_days_is_none(buyer, settings):
    settings.TRIAL_DAYS = 0
    assert "trial_period_days" not in buyer.checkout()["subscription_data"]


def test_second_checkout_closes_the_first_page(buyer):
    first = buyer.checkout("pro")
    second = buyer.checkout("team")
    assert (first["status"], second["status"]) == ("expired", "open")
    assert Customer.objects.count() == 1 and len(buyer.stripe.state.rows["customer"]) == 1


def test_change_of_plan_is_confirmed_in_the_portal(buyer):
    subscription = buyer.buy("pro")
    page = buyer.checkout("team")
    change = page["flow_data"]["subscription_update_confirm"]
    assert change["subscription"] == subscription.stripe_id and len(change["items"]) == 1
    buyer.stripe.confirm_portal(page["id"])
    buyer.hear()
    assert buyer.plan == "team"


def test_plan_that_the_workspace_has_is_not_sold_again(buyer):
    buyer.buy("pro")
    assert code_of(buyer.ask("checkout", {"plan": "pro"})) == (409, "already_on_plan")


def test_cancelled_plan_is_resumed_in_the_portal(buyer):
    subscription = buyer.stripe.state.get("subscription", buyer.buy("pro").stripe_id)
    subscription["cancel_at_period_end"] = True
    buyer.stripe.state.emit("customer.subscription.updated", subscription)
    buyer.hear()
    assert "flow_data" not in buyer.checkout("pro")


def test_price_named_by_the_operator_is_the_one_sold_and_recognised(buyer, settings):
    old = buyer.stripe.state.all("price", lookup_key="gilo_pro_monthly")[0]
    old["lookup_key"] = None
    old["metadata"] = {}
    assert code_of(buyer.ask("checkout", {"plan": "pro"})) == (409, "plan_not_sold")
    settings.STRIPE_PRICES = {"pro": old["id"], "team": ""}
    assert buyer.buy("pro").plan == "pro" and buyer.plan == "pro"


def test_price_whose_lookup_key_moved_on_keeps_its_plan(buyer):
    subscription = buyer.buy("pro")
    buyer.stripe.state.all("price", lookup_key="gilo_pro_monthly")[0]["lookup_key"] = None
    buyer.stripe.renew(subscription.stripe_id)
    buyer.hear()
    assert buyer.plan == "pro"


def test_plan_given_by_the_operator_is_not_taken_away(buyer):
    subscription = buyer.buy("pro")
    Workspace.objects.filter(pk=buyer.workspace.pk).update(plan="unlimited")
    buyer.stripe.cancel(subscription.stripe_id)
    buyer.hear()
    assert buyer.plan == "unlimited"


def test_portal_opens_for_a_customer_only(buyer):
    assert code_of(buyer.ask("portal")) == (409, "no_subscription")
    buyer.buy()
    page = buyer.session(buyer.ask("portal").json()["url"])
    assert page["customer"] == buyer.customer.stripe_id and page["configuration"].startswith("bpc_")


@pytest.mark.parametrize(
    "body", [{}, {"plan": "free"}, {"plan": "unlimited"}, {"plan": ["pro"]}, {"plan": "pro", "x": 1}]
)
def test_checkout_of_what_is_not_for_sale_is_refused(buyer, body):
    assert buyer.ask("checkout", body).status_code == 422
    assert buyer.stripe.requests == []


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
def test_only_owners_buy(fake_stripe, role):
    buyer = Buyer(fake_stripe, role=role)
    assert buyer.ask("checkout", {"plan": "pro"}).status_code == buyer.ask("portal").status_code == 403
    assert buyer.client.get("/api/billing").status_code == (200 if role is Role.EDITOR else 403)


def test_stripe_that_is_down_answers_503_and_leaves_nothing(buyer):
    buyer.stripe.is_down = True
    answer = buyer.ask("checkout", {"plan": "pro"})
    assert code_of(answer) == (503, "payments_unavailable") and answer.headers["Retry-After"] == "30"
    assert not Customer.objects.exists()


@pytest.mark.parametrize("fault", [429, 500, "hang up"])
def test_one_fault_is_retried_with_the_same_key(buyer, fault):
    buyer.stripe.faults = [fault]
    buyer.checkout()
    assert len(buyer.stripe.state.rows["customer"]) == 1


def test_wrong_key_is_told_in_words(buyer, settings):
    settings.STRIPE_SECRET_KEY = "sk_test_wrong"
    assert code_of(buyer.ask("checkout", {"plan": "pro"})) == (409, "payments_not_configured")


def test_without_stripe_nothing_is_sold(db, empty_stripe, settings):
    settings.STRIPE_SECRET_KEY = ""
    buyer = Buyer(empty_stripe)
    assert code_of(buyer.ask("checkout", {"plan": "pro"})) == (409, "payments_not_configured")
    assert buyer.client.get("/api/billing").json()["payments"] is False


def test_billing_switched_off_sells_nothing_and_asks_nothing(fake_stripe, settings):
    settings.BILLING = False
    buyer = Buyer(fake_stripe)
    assert code_of(buyer.ask("checkout", {"plan": "pro"})) == (409, "billing_off")
    assert code_of(buyer.ask("portal")) == (409, "billing_off")
    shown = buyer.client.get("/api/billing").json()
    assert (shown["billing"], shown["payments"]) == (False, False)
    assert fake_stripe.requests == []


def test_customer_deleted_at_stripe_is_told_in_words(buyer):
    buyer.checkout()
    buyer.stripe.state.rows["customer"].clear()
    assert code_of(buyer.ask("checkout", {"plan": "pro"})) == (409, "payment_object_missing")


def test_setup_makes_everything_once(db, empty_stripe, settings):
    settings.SITE_URL = "https://gilo.example.com"
    first, second = StringIO(), StringIO()
    call_command("stripe_setup", stdout=first)
    before = {kind: len(rows) for kind, rows in empty_stripe.state.rows.items()}
    call_command("stripe_setup", stdout=second)
    assert {kind: len(rows) for kind, rows in empty_stripe.state.rows.items()} == before
    assert (before["price"], before["billing.meter"], before["billing_portal.configuration"]) == (4, 2, 2)
    assert first.getvalue().count("made:") == 10 and second.getvalue() == "Stripe has all that GiLo sells.\n"


def test_setup_has_events_of_both_kinds_sent_here_and_signed_so_that_they_are_heard(db, empty_stripe, settings):
    settings.SITE_URL = "https://gilo.example.com"
    told = StringIO()
    call_command("stripe_setup", stdout=told)
    secrets = told.getvalue().partition("STRIPE_WEBHOOK_SECRET=")[2].strip().split(",")
    settings.STRIPE_WEBHOOK_SECRETS = secrets
    endpoints = empty_stripe.state.all("webhook_endpoint")[::-1]
    assert [(one["url"], one["_connect"]) for one in endpoints] == [
        ("https://gilo.example.com/api/webhooks/stripe", False), ("https://gilo.example.com/api/webhooks/stripe", True),
    ]  # fmt: skip
    for number, (endpoint, secret) in enumerate(zip(endpoints, secrets, strict=True)):
        assert endpoint["api_version"] == stripe.api_version
        event = empty_stripe.state.emit(endpoint["enabled_events"][0], {"id": f"x_{number}", "object": "thing"})
        body, signature = empty_stripe.sign(event, secret=secret)
        assert read_event(body, signature)["id"] == event["id"]
    endpoints[0]["enabled_events"] = ["invoice.paid"]  # as an older GiLo made it
    endpoints[1] |= {"status": "disabled", "url": "https://old.example.com/api/webhooks/stripe"}
    told = StringIO()
    call_command("stripe_setup", stdout=told)
    assert told.getvalue().count("set right") == 2 and "whsec_" not in told.getvalue()
    assert [one["status"] for one in endpoints] == ["enabled"] * 2 and "charge.dispute.closed" in endpoints[0][
        "enabled_events"
    ]


def test_setup_of_a_server_that_stripe_cannot_reach_says_so(db, empty_stripe):
    told = StringIO()
    call_command("stripe_setup", stdout=told)
    assert "stripe listen" in told.getvalue() and not empty_stripe.state.all("webhook_endpoint")


def test_setup_without_a_key_says_what_is_missing(db, settings):
    with pytest.raises(CommandError, match="payments_not_configured"):
        call_command("stripe_setup")


@pytest.mark.parametrize("rows", [1, 3])
def test_page_of_billing_costs_the_same_queries_with_one_and_three_invoices(buyer, rows, django_assert_num_queries):
    subscription = buyer.buy()
    for _ in range(rows - 1):
        buyer.stripe.renew(subscription.stripe_id)
    buyer.hear()
    with django_assert_num_queries(6):
        assert len(buyer.client.get("/api/billing").json()["invoices"]) == rows
