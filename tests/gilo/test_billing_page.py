from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Role
from billing.models import Subscription
from tests.billing.shop import Buyer
from tests.factories import make_agent
from tests.fake_stripe.fixtures import _fake_stripe_server, empty_stripe, fake_stripe  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(fake_stripe):  # noqa: F811
    return Buyer(fake_stripe)


def page(buyer, query=""):
    answer = buyer.client.get(f"/settings/billing{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_free_workspace_is_offered_the_other_plans(buyer):
    make_agent(buyer.workspace)
    html = page(buyer)
    assert 'data-checkout="pro"' in html and 'data-checkout="team"' in html and "Try Pro for 14 days" in html
    assert "$29<" in html and "$99<" in html and "No invoices yet" in html
    assert "data-portal" not in html and "js/pages/billing" in html


def test_subscriber_sees_the_plan_and_its_invoices_in_the_own_language(buyer):
    buyer.stripe.renew(buyer.buy("pro").stripe_id)
    buyer.hear()
    buyer.user.language = "fr"
    buyer.user.save()
    html = page(buyer)
    assert "29,00\u202f$US" in html or "29,00\xa0$US" in html
    assert "Payée" in html and "GILO-0002" in html and "invoice.stripe.test/GILO-0002.pdf" in html
    assert 'data-checkout="team"' in html and 'data-checkout="pro"' not in html


def test_failed_payment_is_told_with_the_day_on_which_the_plan_ends(buyer):
    buyer.stripe.fail_payment(buyer.buy("pro").stripe_id)
    buyer.hear()
    html = page(buyer)
    assert 'id="billing-grace"' in html and "Update the payment" in html and "stays as it is until" in html


def test_plan_that_was_lost_says_what_brings_it_back(buyer):
    buyer.buy("pro")
    Subscription.objects.update(status="past_due", grace_ends_at=timezone.now() - timedelta(days=1))
    buyer.workspace.plan = ""
    buyer.workspace.save()
    assert "as soon as the payment succeeds" in page(buyer)


def test_cancelled_plan_offers_to_stay(buyer):
    buyer.buy("pro")
    Subscription.objects.update(cancel_at_period_end=True)
    html = page(buyer)
    assert "It is cancelled and ends on" in html and "Keep this plan" in html and "Cancel my plan" not in html


def test_coming_back_from_stripe_is_thanked(buyer):
    assert 'id="billing-new"' in page(buyer, "?checkout=done")


def test_editor_reads_and_buys_nothing(fake_stripe):  # noqa: F811
    html = page(Buyer(fake_stripe, role=Role.EDITOR))
    assert 'id="billing-readonly"' in html and "data-checkout" not in html


def test_server_without_stripe_says_so(buyer, settings):
    settings.STRIPE_SECRET_KEY = ""
    html = page(buyer)
    assert 'id="billing-unconfigured"' in html and "data-checkout" not in html


def test_server_without_billing_says_so(buyer, settings):
    settings.BILLING = False
    html = page(buyer)
    assert 'id="billing-off"' in html and "data-checkout" not in html and "$29" not in html


def test_page_costs_the_same_queries_with_one_and_three_invoices(buyer, django_assert_max_num_queries):
    subscription = buyer.buy()
    counts = []
    for _ in range(2):
        page(buyer)
        with django_assert_max_num_queries(24) as queries:
            page(buyer)
        counts.append(len(queries))
        for _ in range(2):
            buyer.stripe.renew(subscription.stripe_id)
        buyer.hear()
    assert page(buyer).count("/GILO-") == 2 * 5
    assert counts[0] == counts[1]
