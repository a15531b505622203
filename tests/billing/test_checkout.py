from datetime import timedelta

import pytest
from django.utils import timezone

from tests.billing.shop import Buyer

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(fake_stripe):
    return Buyer(fake_stripe)


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


def test_paid_checkout_raises_the_plan_and_shows_the_invoice(buyer):
    subscription = buyer.buy("team")
    assert buyer.plan == "team"
    assert (subscription.plan, subscription.status) == ("team", "trialing")
    assert subscription.trial_ends_at - timezone.now() > timedelta(days=13)
    shown = buyer.client.get("/api/billing").json()
    assert (shown["plan"]["id"], shown["subscription"]["status"], shown["payments"]) == ("team", "trialing", True)
    assert [(row["status"], row["total"], row["currency"]) for row in shown["invoices"]] == [("paid", 0, "usd")]
