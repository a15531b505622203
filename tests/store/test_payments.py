import random
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Role
from billing.events import apply_event, receive_event
from billing.models import Grant, StripeEvent
from billing.reconcile import reconcile
from store import tasks
from store.errors import HasPurchases
from store.models import Creator, Listing, ListingDay, Purchase
from store.services import require_no_buyers, update_creator
from store.sessions import find_access
from tests.factories import make_user, make_workspace
from tests.fake_stripe.fixtures import _fake_stripe_server, empty_stripe, fake_stripe  # noqa: F401
from tests.store.making import make_draft
from tests.store.visiting import open_session, sign_in

pytestmark = pytest.mark.django_db
PACK = {"price_kind": "pack", "price": 999, "currency": "eur", "pack_messages": 20}
MONTH = {"price_kind": "month", "price": 900, "currency": "usd"}


class Market:
    """A creator with an account at Stripe, one agent for sale, and somebody who wants it."""

    def __init__(self, stripe):
        self.stripe = stripe
        self.workspace, self.owner = make_workspace()
        self.creator = sign_in(self.owner)
        self.user = make_user()
        self.buyer = sign_in(self.user)

    def connect(self):
        url = self.creator.post("/api/store/creator/stripe").json()["url"]
        self.stripe.finish_onboarding(url.split("/")[-2])
        self.hear()
        return url

    def sell(self, **price):
        self.connect()
        draft = make_draft(self.workspace, visitors_paid_by="creator", **price)
        answer = self.creator.post(f"/api/store/mine/{draft.pk}/publish", {}, content_type="application/json")
        assert answer.status_code == 201, answer.content
        return Listing.objects.get(pk=draft.pk)

    def checkout(self, listing, client=None):
        answer = (client or self.buyer).post(f"/api/store/listings/{listing.slug}/checkout")
        assert answer.status_code == 200, answer.content
        return self.stripe.state.get("checkout.session", answer.json()["url"].rpartition("/")[2])

    def buy(self, listing):
        self.stripe.complete_checkout(self.checkout(listing)["id"])
        self.hear()
        return Purchase.objects.get(listing=listing, paid_at__isnull=False)

    def hear(self):
        for event in self.stripe.take_events():
            deliver(self.stripe, event)
        assert not StripeEvent.objects.filter(processed_at=None).exists()

    def refund(self, purchase, client=None):
        return (client or self.creator).post(f"/api/store/mine/{purchase.listing_id}/purchases/{purchase.pk}/refund")

    def balance(self):
        (row,) = self.creator.get("/api/store/creator/payouts").json()["balances"]
        return row["pending"]


def deliver(stripe, event):
    body, signature = stripe.sign(event)
    apply_event(receive_event(body=body, signature=signature))


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def revenue():
    return [(day.sales, day.revenue) for day in ListingDay.objects.exclude(sales=0, revenue=0)]


@pytest.fixture
def market(fake_stripe):  # noqa: F811
    return Market(fake_stripe)


def test_onboarding_makes_one_account_and_hears_when_it_is_ready(market):
    first = market.creator.post("/api/store/creator/stripe").json()["url"]
    second = market.creator.post("/api/store/creator/stripe").json()["url"]
    creator = Creator.objects.get(workspace=market.workspace)
    assert first.split("/")[-2] == second.split("/")[-2] == creator.stripe_account_id
    assert not creator.stripe_charges_enabled
    market.stripe.finish_onboarding(creator.stripe_account_id)
    market.hear()
    creator.refresh_from_db()
    assert creator.stripe_charges_enabled and creator.stripe_payouts_enabled
    assert "/express/" in market.creator.post("/api/store/creator/stripe").json()["url"]


def test_price_needs_an_account(market):
    draft = make_draft(market.workspace, **PACK)
    answer = market.creator.post(f"/api/store/mine/{draft.pk}/publish", {}, content_type="application/json")
    assert code_of(answer) == (409, "payouts_not_ready")


def test_pack_is_bought_used_and_paid_to_its_creator(market):
    listing = market.sell(**PACK)
    assert code_of(open_session(listing, market.buyer)) == (402, "purchase_required")
    session = market.checkout(listing)
    data = session["payment_intent_data"]
    assert (session["mode"], session["amount_total"], session["currency"]) == ("payment", 999, "eur")
    assert data["application_fee_amount"] == 99  # a tenth, rounded down
    assert data["transfer_data"] == {"destination": Creator.objects.get().stripe_account_id}
    market.stripe.complete_checkout(session["id"])
    market.hear()
    purchase = Purchase.objects.get()
    assert (purchase.status, purchase.paid, purchase.fee, purchase.refunded) == ("active", 999, 99, 0)
    right = find_access(listing, market.user)
    assert (right.access, right.remaining) == ("purchase", 20)
    assert revenue() == [(1, 900)] and market.balance() == 900
    (shown,) = market.buyer.get("/api/store/purchases").json()["data"]
    assert (shown["slug"], shown["remaining"], shown["status"]) == (listing.slug, 20, "active")


def test_second_pack_adds_to_the_first(market):
    listing = market.sell(**PACK)
    market.buy(listing)
    market.stripe.complete_checkout(market.checkout(listing)["id"])
    market.hear()
    assert Purchase.objects.filter(status="active").count() == 2 and revenue() == [(2, 1_800)]


def test_refund_by_the_creator_takes_the_access_and_the_money_back(market):
    listing = market.sell(**PACK)
    purchase = market.buy(listing)
    answer = market.refund(purchase)
    assert (answer.status_code, answer.json()["status"], answer.json()["refunded"]) == (200, "refunded", 999)
    assert code_of(open_session(listing, market.buyer)) == (402, "purchase_required")
    assert Grant.objects.get(pk=purchase.grant_id).revoked_at is not None
    assert revenue() == [(1, 0)] and market.balance() == 0
    assert market.stripe.state.all("application_fee")[0]["amount_refunded"] == 99
    market.hear()
    assert revenue() == [(1, 0)]
    assert code_of(market.refund(purchase)) == (409, "nothing_to_refund")
    assert len(market.stripe.state.rows["refund"]) == 1


def test_refund_in_stripes_dashboard_takes_the_access(market):
    listing = market.sell(**PACK)
    purchase = market.buy(listing)
    market.stripe.refund(purchase.payment_intent_id)
    market.hear()
    purchase.refresh_from_db()
    assert (purchase.status, purchase.refunded, purchase.fee) == ("refunded", 999, 0)
    assert purchase.grant.revoked_at is not None and revenue() == [(1, 0)]


def test_part_of_a_payment_given_back_keeps_the_access(market):
    listing = market.sell(**PACK)
    purchase = market.buy(listing)
    market.stripe.refund(purchase.payment_intent_id, 500)
    market.hear()
    purchase.refresh_from_db()
    fee = 99 - market.stripe.state.all("application_fee")[0]["amount_refunded"]
    assert (purchase.status, purchase.refunded, purchase.fee) == ("active", 500, fee)
    assert revenue() == [(1, 499 - fee)] and market.balance() == 499 - fee
    assert market.refund(purchase).json()["refunded"] == 999


def test_month_opens_until_its_end_and_moves_on_with_each_payment(market):
    listing = market.sell(**MONTH)
    purchase = market.buy(listing)
    first = purchase.grant.expires_at
    assert (purchase.kind, purchase.status, purchase.paid, purchase.fee) == ("month", "active", 900, 90)
    assert first > timezone.now() + timedelta(days=29)
    assert find_access(listing, market.user).access == "purchase"
    market.stripe.renew(purchase.subscription_id)
    market.hear()
    purchase.refresh_from_db()
    assert (purchase.grant.expires_at - first).days == 30
    assert (purchase.paid, purchase.fee, revenue()) == (1_800, 180, [(1, 1_620)])
    assert market.balance() == 1_620


def test_month_that_is_not_paid_ends_with_what_was_paid(market):
    purchase = market.buy(market.sell(**MONTH))
    paid_until = purchase.grant.expires_at
    invoice = market.stripe.fail_payment(purchase.subscription_id)
    market.hear()
    purchase.refresh_from_db()
    assert (purchase.status, purchase.grant.expires_at) == ("past_due", paid_until)
    market.stripe.pay(invoice["id"])
    market.hear()
    purchase.refresh_from_db()
    assert purchase.status == "active" and purchase.grant.expires_at > paid_until


def test_month_that_was_cancelled_ends(market):
    listing = market.sell(**MONTH)
    purchase = market.buy(listing)
    market.stripe.cancel(purchase.subscription_id)
    market.hear()
    purchase.refresh_from_db()
    assert purchase.status == "ended" and purchase.grant.revoked_at is not None
    assert market.checkout(listing)["status"] == "open"  # it can be bought again


def test_month_refunded_by_its_creator_ends_the_subscription(market):
    purchase = market.buy(market.sell(**MONTH))
    assert market.refund(purchase).json()["status"] == "refunded"
    assert market.stripe.state.get("subscription", purchase.subscription_id)["status"] == "canceled"
    market.hear()
    purchase.refresh_from_db()
    assert (purchase.status, purchase.paid, purchase.refunded, purchase.fee) == ("refunded", 900, 900, 0)
    assert revenue() == [(1, 0)] and market.balance() == 0


def test_month_refunded_in_the_dashboard_is_found_by_its_invoice(market):
    purchase = market.buy(market.sell(**MONTH))
    intent = market.stripe.state.all("payment_intent")[0]["id"]
    market.stripe.refund(intent)
    market.hear()
    purchase.refresh_from_db()
    assert (purchase.status, purchase.refunded) == ("refunded", 900) and purchase.grant.revoked_at is not None


def test_month_is_not_sold_twice(market):
    listing = market.sell(**MONTH)
    market.buy(listing)
    answer = market.buyer.post(f"/api/store/listings/{listing.slug}/checkout")
    assert code_of(answer) == (409, "already_bought")


def test_page_left_open_is_closed_by_the_next_one(market):
    listing = market.sell(**MONTH)
    first, second = market.checkout(listing), market.checkout(listing)
    assert (first["status"], second["status"]) == ("expired", "open")
    market.stripe.complete_checkout(second["id"])
    answer = market.buyer.post(f"/api/store/listings/{listing.slug}/checkout")  # paid, and not heard of yet
    assert code_of(answer) == (409, "already_bought")
    market.hear()
    assert sorted(Purchase.objects.values_list("status", flat=True)) == ["active", "ended"]


def test_what_is_not_for_sale_cannot_be_bought(market):
    listing = market.sell(**PACK)
    ask = f"/api/store/listings/{listing.slug}/checkout"
    assert code_of(market.creator.post(ask)) == (409, "already_bought")
    assert Client().post(ask).status_code in {401, 403}
    Listing.objects.update(visibility="private")
    assert code_of(market.buyer.post(ask)) == (409, "not_for_sale")
    Listing.objects.update(visibility="public", price_kind="free", price=0)
    assert code_of(market.buyer.post(ask)) == (409, "not_for_sale")
    Listing.objects.update(**MONTH)
    Creator.objects.update(stripe_charges_enabled=False)
    assert code_of(market.buyer.post(ask)) == (409, "payouts_not_ready")
    assert not Purchase.objects.exists()


def test_stripe_that_is_down_leaves_no_purchase(market):
    listing = market.sell(**PACK)
    market.stripe.is_down = True
    answer = market.buyer.post(f"/api/store/listings/{listing.slug}/checkout")
    assert code_of(answer) == (503, "payments_unavailable") and not Purchase.objects.exists()


@pytest.mark.parametrize(("percent", "price", "fee"), [(0, 999, None), (10, 55, 5), (33, 100, 33), (100, 70, 70)])
def test_fee_is_a_percentage_rounded_down(market, settings, percent, price, fee):
    settings.STORE_FEE_PERCENT = percent
    purchase = market.buy(market.sell(**{**PACK, "price": price}))
    session = market.stripe.state.get("checkout.session", purchase.checkout_session_id)
    assert session["payment_intent_data"].get("application_fee_amount") == fee
    assert (purchase.fee, revenue()) == (fee or 0, [(1, price - (fee or 0))])
    assert market.refund(purchase).status_code == 200


@pytest.mark.parametrize("kind", [PACK, MONTH], ids=["pack", "month"])
@pytest.mark.parametrize("seed", range(8))
def test_purchase_ends_in_the_same_state_whatever_the_order_of_events(market, kind, seed):
    """Bought and refunded: every event up to three times, shuffled; some come while it is still only bought."""
    chance = random.Random(seed)
    listing = market.sell(**kind)
    market.stripe.complete_checkout(market.checkout(listing)["id"])
    pending = market.stripe.take_events()
    chance.shuffle(pending)
    cut = chance.randint(0, len(pending))
    for event in pending[cut:]:
        deliver(market.stripe, event)
    market.stripe.refund(market.stripe.state.all("payment_intent")[0]["id"])
    rest = [event for event in [*pending[:cut], *market.stripe.take_events()] for _ in range(chance.randint(1, 3))]
    chance.shuffle(rest)
    for event in rest:
        deliver(market.stripe, event)
    purchase = Purchase.objects.get()
    assert (purchase.status, purchase.paid, purchase.refunded, purchase.fee) == (
        "refunded", kind["price"], kind["price"], 0,
    )  # fmt: skip
    assert find_access(listing, market.user) is None and revenue() == [(1, 0)]
    assert not StripeEvent.objects.filter(processed_at=None).exists()


@pytest.mark.parametrize(("end", "status", "money"), [("won", "active", 900), ("lost", "lost", 0)])
def test_dispute_of_a_pack_closes_the_agent_and_its_end_decides(market, mailoutbox, end, status, money):
    listing = market.sell(**PACK)
    purchase = market.buy(listing)
    Grant.objects.update(uses=5)
    dispute = market.stripe.dispute(purchase.payment_intent_id)
    market.hear()
    assert code_of(open_session(listing, market.buyer)) == (402, "purchase_required")
    assert market.creator.get(f"/api/store/mine/{listing.pk}/purchases").json()["data"][0]["status"] == "disputed"
    assert "1 sale is in dispute" in market.creator.get("/store/mine").content.decode()
    assert code_of(market.refund(purchase)) == (409, "in_dispute")
    with pytest.raises(HasPurchases):
        require_no_buyers(listing)
    tasks.send_notices()
    market.stripe.decide_dispute(dispute["id"], end)
    market.hear()
    tasks.send_notices()
    purchase.refresh_from_db()
    assert (purchase.status, purchase.lost, revenue()) == (status, 999 if end == "lost" else 0, [(1, money)])
    assert market.balance() == money
    right = find_access(listing, market.user)
    assert (right and right.remaining) == (15 if end == "won" else None)
    assert [mail.to for mail in mailoutbox] == [[market.owner.email]] * 2
    assert [("In dispute" in mail.subject, end in mail.body) for mail in mailoutbox] == [(True, False), (False, True)]


@pytest.mark.parametrize(("end", "status", "ended"), [("won", "active", False), ("lost", "lost", True)])
def test_dispute_of_a_month_charges_no_other_one(market, end, status, ended):
    listing = market.sell(**MONTH)
    purchase = market.buy(listing)
    dispute = market.stripe.dispute(market.stripe.state.all("payment_intent")[0]["id"])
    market.hear()
    subscription = market.stripe.state.get("subscription", purchase.subscription_id)
    assert find_access(listing, market.user) is None and subscription["cancel_at_period_end"]
    market.stripe.decide_dispute(dispute["id"], end)
    market.hear()
    purchase.refresh_from_db()
    assert (purchase.status, subscription["status"] == "canceled") == (status, ended)
    assert market.balance() == (0 if ended else 810) and bool(find_access(listing, market.user)) is not ended


def test_a_bank_that_only_asks_closes_nothing(market):
    listing = market.sell(**PACK)
    purchase = market.buy(listing)
    dispute = market.stripe.dispute(purchase.payment_intent_id, status="warning_needs_response")
    market.hear()
    market.stripe.decide_dispute(dispute["id"], "warning_closed")
    market.hear()
    purchase.refresh_from_db()
    assert purchase.status == "active" and not purchase.owes_notice and find_access(listing, market.user)


def test_a_seller_who_has_nothing_left_keeps_no_buyer_in(market):
    listing = market.sell(**PACK)
    purchase = market.buy(listing)
    market.stripe.state.empty_accounts.add(Creator.objects.get().stripe_account_id)
    market.stripe.decide_dispute(market.stripe.dispute(purchase.payment_intent_id)["id"], "lost")
    market.hear()
    purchase.refresh_from_db()
    assert purchase.status == "lost" and find_access(listing, market.user) is None and market.balance() == 900


@pytest.mark.parametrize("end", ["won", "lost"])
@pytest.mark.parametrize("kind", [PACK, MONTH], ids=["pack", "month"])
@pytest.mark.parametrize("seed", range(3))
def test_disputed_purchase_ends_in_the_same_state_whatever_the_order_of_events(market, kind, seed, end):
    chance = random.Random(seed)
    listing = market.sell(**kind)
    market.stripe.complete_checkout(market.checkout(listing)["id"])
    dispute = market.stripe.dispute(market.stripe.state.all("payment_intent")[0]["id"])
    pending = market.stripe.take_events()
    chance.shuffle(pending)
    cut = chance.randint(0, len(pending))
    for event in pending[cut:]:
        deliver(market.stripe, event)
    market.stripe.decide_dispute(dispute["id"], end)
    rest = [event for event in [*pending[:cut], *market.stripe.take_events()] for _ in range(chance.randint(1, 3))]
    chance.shuffle(rest)
    for event in rest:
        deliver(market.stripe, event)
    purchase, is_lost = Purchase.objects.get(), end == "lost"
    net = kind["price"] - kind["price"] // 10
    assert (purchase.status, purchase.lost) == ("lost" if is_lost else "active", kind["price"] if is_lost else 0)
    assert bool(find_access(listing, market.user)) is not is_lost
    assert revenue() == [(1, 0 if is_lost else net)] and market.balance() == (0 if is_lost else net)
    assert sum(len(row["reversals"]["data"]) for row in market.stripe.state.all("transfer")) == is_lost
    assert not StripeEvent.objects.filter(processed_at=None).exists()


def test_buyer_of_a_month_manages_it_at_stripe(market):
    purchase = market.buy(market.sell(**MONTH))
    url = market.buyer.post(f"/api/store/purchases/{purchase.pk}/portal").json()["url"]
    page = market.stripe.state.get("billing_portal.session", url.rpartition("/")[2])
    choices = market.stripe.state.get("billing_portal.configuration", page["configuration"])
    assert "subscription_update" not in choices["features"]
    assert page["customer"] == market.stripe.state.get("subscription", purchase.subscription_id)["customer"]
    assert market.creator.post(f"/api/store/purchases/{purchase.pk}/portal").status_code == 404


def test_only_the_owners_of_the_sellers_workspace_refund(market):
    purchase = market.buy(market.sell(**PACK))
    assert market.refund(purchase, market.buyer).status_code == 404
    editor = make_user()
    Membership.objects.filter(user=editor).delete()
    Membership.objects.create(workspace=market.workspace, user=editor, role=Role.EDITOR)
    assert market.refund(purchase, sign_in(editor)).status_code == 403
    assert not market.stripe.state.rows["refund"]


def test_payouts_are_shown_once_there_is_an_account(market):
    assert code_of(market.creator.get("/api/store/creator/payouts")) == (409, "payouts_not_ready")
    update_creator(workspace_id=market.workspace.pk)
    market.connect()
    shown = market.creator.get("/api/store/creator/payouts").json()
    assert (shown["charges_enabled"], shown["payouts_enabled"], shown["payouts"]) == (True, True, [])


@pytest.mark.parametrize("rows", [1, 3])
def test_lists_of_purchases_and_sales_cost_the_same_queries(market, rows, django_assert_num_queries):
    listing = market.sell(**PACK)
    for _ in range(rows):
        market.stripe.complete_checkout(market.checkout(listing)["id"])
        market.hear()
    with django_assert_num_queries(4):
        assert len(market.buyer.get("/api/store/purchases").json()["data"]) == rows
    with django_assert_num_queries(5):
        assert len(market.creator.get(f"/api/store/mine/{listing.pk}/purchases").json()["data"]) == rows


def test_reconciliation_mends_accounts_months_and_forgotten_pages(market):
    purchase = market.buy(market.sell(**MONTH))
    other = make_draft(market.workspace, **PACK)
    market.creator.post(f"/api/store/mine/{other.pk}/publish", {}, content_type="application/json")
    page = market.checkout(Listing.objects.get(pk=other.pk))
    page["status"] = "expired"
    Purchase.objects.filter(paid_at=None).update(created_at=timezone.now() - timedelta(days=2))
    market.stripe.cancel(purchase.subscription_id)
    account = market.stripe.state.get("account", Creator.objects.get().stripe_account_id)
    account["charges_enabled"] = False
    market.stripe.take_events()  # none of them ever comes
    assert [drift.what.split()[0] for drift in reconcile(mend=False)] == ["account", "purchase", "purchase"]
    assert sorted(Purchase.objects.values_list("status", flat=True)) == ["active", "pending"]
    assert len(reconcile()) == 3 and reconcile() == []
    assert sorted(Purchase.objects.values_list("status", flat=True)) == ["ended", "ended"]
    assert not Creator.objects.get().stripe_charges_enabled and find_access(purchase.listing, market.user) is None


def test_month_of_an_agent_that_left_the_store_is_not_renewed(market):
    purchase = market.buy(market.sell(**MONTH))
    market.creator.post(f"/api/store/mine/{purchase.listing_id}/unpublish")
    (drift,) = reconcile()
    assert (drift.ours, drift.theirs) == ("left the store", "renews itself")
    assert market.stripe.state.get("subscription", purchase.subscription_id)["cancel_at_period_end"] is True
    market.hear()
    assert reconcile() == [] and Purchase.objects.get().status == "active"
