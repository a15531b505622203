import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from billing import stripe, tasks
from billing.events import apply_due_events, apply_event, delete_old_events, receive_event, store_event
from billing.models import Customer, Invoice, StripeEvent, Subscription
from billing.signals import stripe_object_changed
from billing.stripe import Patience
from billing.tasks import apply_stripe_event
from tests.billing.shop import Buyer
from tests.fake_stripe import FakeStripe
from tests.processes import wait_until

pytestmark = pytest.mark.django_db


def snapshot() -> list[Any]:
    """The final state: all that events may change, but for our own ids and clocks."""
    own = {"id", "created_at", "updated_at"}
    tables = (Subscription, Invoice)
    rows = [row for table in tables for row in table.objects.order_by("stripe_id").values()]
    kept = [{name: value for name, value in row.items() if name not in own} for row in rows]
    return [*kept, *Workspace.objects.order_by("pk").values_list("pk", "plan")]


def deliver(stripe: FakeStripe, event: Any) -> None:
    """Through the function that the view calls, and the one that the job calls."""
    body, signature = stripe.sign(event)
    apply_event(receive_event(body=body, signature=signature))


def live_through(buyer: Buyer) -> list[Any]:
    """A subscription that begins, fails to pay, and pays: six events, each with the state of then."""
    stripe = buyer.stripe
    session = buyer.checkout("pro")
    session["subscription_data"] = {}  # no trial: there is something to pay
    stripe.complete_checkout(session["id"])
    invoice = stripe.fail_payment(session["subscription"])
    stripe.pay(invoice["id"])
    wanted = {
        "checkout.session.completed", "customer.subscription.created", "invoice.payment_failed", "invoice.paid",
        "customer.subscription.updated",
    }  # fmt: skip
    first: dict[Any, Any] = {}  # of each kind: the one update says that the payment failed, which is not true any more
    for event in stripe.take_events():
        first.setdefault((event["type"], event["data"]["object"]["id"]), event)
    return [event for (type, _), event in first.items() if type in wanted]


def test_state_is_the_same_in_all_720_orders_of_six_events(buyer):
    events = live_through(buyer)
    assert len(events) == 6
    ends = count_ends(buyer.stripe, events, {})
    for event in events:
        deliver(buyer.stripe, event)
    (subscription, *invoices, (_, plan)) = snapshot()
    assert (subscription["status"], subscription["grace_ends_at"], plan) == ("active", None, "pro")
    assert [(invoice["status"], invoice["amount_paid"]) for invoice in invoices] == [("paid", 2_900)] * 2
    assert ends == {repr(snapshot()): 720}


def count_ends(stripe: FakeStripe, events: list[Any], known: dict[Any, Counter[str]]) -> Counter[str]:
    """How many of the orders in which these events can come end in which state, from the rows as they are.

    Orders that have the same events left and stand at the same rows go on as one: the same follows for all of them.
    While the order changes nothing, those are few; every difference is followed apart.
    """
    here = (frozenset(event["id"] for event in events), repr(snapshot()))
    if not events:
        return Counter({here[1]: 1})
    if here not in known:
        known[here] = Counter()
        for number, event in enumerate(events):
            undo = transaction.savepoint()
            deliver(stripe, event)
            known[here] += count_ends(stripe, events[:number] + events[number + 1 :], known)
            transaction.savepoint_rollback(undo)
    return known[here]


@pytest.mark.parametrize("seed", range(10))
def test_state_is_the_same_when_events_repeat_and_interleave_with_changes(fake_stripe, seed):
    """What happens at Stripe goes on between the deliveries; each event comes up to three times, in any order."""
    chance = random.Random(seed)
    buyer = Buyer(fake_stripe)
    session = buyer.checkout("pro")
    session["subscription_data"] = {}
    pending: list[Any] = []
    for happen in story(fake_stripe, session):
        happen()
        pending += [event for event in fake_stripe.take_events() for _ in range(chance.randint(1, 3))]
        chance.shuffle(pending)
        for _ in range(chance.randint(0, len(pending))):
            deliver(fake_stripe, pending.pop())
    while pending:
        deliver(fake_stripe, pending.pop())
    assert buyer.plan == "team"
    subscription = Subscription.objects.get(workspace=buyer.workspace)
    assert (subscription.status, subscription.plan, subscription.grace_ends_at) == ("active", "team", None)
    assert set(Invoice.objects.values_list("status", flat=True)) == {"paid"} and Invoice.objects.count() == 4
    assert not StripeEvent.objects.filter(processed_at=None).exists()


def story(stripe: FakeStripe, session: Any) -> Iterator[Callable[[], Any]]:
    """Pay, renew, fail, pay what failed, change the plan and renew."""
    team = stripe.state.all("price", lookup_key="gilo_team_monthly")[0]
    yield lambda: stripe.complete_checkout(session["id"])
    yield lambda: stripe.renew(session["subscription"])
    yield lambda: stripe.fail_payment(session["subscription"])
    yield lambda: stripe.pay(stripe.state.all("invoice", status="open")[0]["id"])

    def change() -> None:
        subscription = stripe.state.get("subscription", session["subscription"])
        subscription["items"]["data"][0]["price"] = team
        stripe.renew(session["subscription"])

    yield change


def test_event_that_repeats_changes_nothing_and_asks_nothing(buyer):
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    event = buyer.stripe.take_events("customer.subscription.created")[0]
    deliver(buyer.stripe, event)
    asked, state = len(buyer.stripe.requests), snapshot()
    deliver(buyer.stripe, event)
    assert (len(buyer.stripe.requests), snapshot()) == (asked, state)
    assert StripeEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_hundred_deliveries_at_once_have_one_effect(fake_stripe):
    buyer = Buyer(fake_stripe)
    fake_stripe.complete_checkout(buyer.checkout()["id"])
    body, signature = fake_stripe.sign(fake_stripe.take_events("customer.subscription.created")[0])
    heard: list[str] = []

    def listen(kind: str, **_: Any) -> None:
        heard.append(kind)

    def deliver_once() -> int:
        answer = post(body, signature)
        apply_event(StripeEvent.objects.get().pk)
        return int(answer.status_code)

    stripe_object_changed.connect(listen)
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: in_thread(deliver_once), range(100)))
    stripe_object_changed.disconnect(listen)
    assert statuses == [200] * 100
    assert heard == ["subscription"]
    assert StripeEvent.objects.get().processed_at is not None
    assert buyer.plan == "pro" and Subscription.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_worker_that_read_an_older_state_does_not_write_it_last(fake_stripe):
    """One worker hears from Stripe that a payment failed, and is slow; meanwhile it is paid, which another is told."""
    buyer = Buyer(fake_stripe)
    stripe_id = buyer.buy().stripe_id
    invoice = fake_stripe.fail_payment(stripe_id)
    (failed,) = fake_stripe.take_events("customer.subscription.updated")
    go_on = threading.Event()
    fake_stripe.holds[f"/v1/subscriptions/{stripe_id}"] = go_on
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(in_thread, deliver, fake_stripe, failed)
        wait_until(lambda: not fake_stripe.holds)  # the answer is made, and on its way
        fake_stripe.pay(invoice["id"])
        (paid,) = fake_stripe.take_events("customer.subscription.updated")
        quick = pool.submit(in_thread, deliver, fake_stripe, paid)
        time.sleep(0.3)  # long enough to overtake, if it could
        go_on.set()
        slow.result(30)
        quick.result(30)
    assert Subscription.objects.get().status == "active"


def in_thread(do: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return do(*arguments)
    finally:
        connection.close()


def post(body: bytes, signature: str) -> Any:
    return Client().post(
        "/api/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": signature}
    )


def test_webhook_is_stored_and_acknowledged(buyer):
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    event = buyer.stripe.take_events("checkout.session.completed")[0]
    answer = post(*buyer.stripe.sign(event))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    row = StripeEvent.objects.get()
    assert (row.id, row.type, row.processed_at) == (event["id"], "checkout.session.completed", None)
    apply_due_events()
    assert buyer.plan == "pro"


def test_a_stripe_that_hangs_holds_neither_webhooks_nor_jobs(buyer, monkeypatch):
    monkeypatch.setattr(stripe, "JOBS", Patience(2, 0.2, 0))
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    events = buyer.stripe.take_events("checkout.session.completed", "customer.subscription.created")
    buyer.stripe.requests.clear()
    go_on = threading.Event()
    buyer.stripe.holds[f"/v1/subscriptions/{events[0]['data']['object']['id']}"] = go_on
    assert [post(*buyer.stripe.sign(event)).status_code for event in events] == [200, 200]
    assert not buyer.stripe.requests, "nothing is asked of Stripe before it has its answer"
    for event in events:
        apply_stripe_event(event["id"])
    go_on.set()
    assert len(buyer.stripe.requests) == 1, "asked once, and not again by the next job"
    waiting = StripeEvent.objects.filter(attempts=1, processed_at=None, next_attempt_at__gt=timezone.now())
    assert waiting.count() == 2
    monkeypatch.setattr(stripe, "_silent_until", 0.0)
    waiting.update(next_attempt_at=timezone.now())
    tasks.apply_due_events()
    assert buyer.plan == "pro" and not StripeEvent.objects.filter(processed_at=None).exists()


def test_webhook_with_a_wrong_signature_is_refused(buyer):
    body, signature = buyer.stripe.sign({"id": "evt_1", "object": "event", "type": "x", "data": {"object": {}}})
    stale = buyer.stripe.sign({"id": "evt_1", "object": "event"}, at=int(timezone.now().timestamp()) - 600)
    other = buyer.stripe.sign({"id": "evt_1", "object": "event"}, secret="whsec_other")
    reserialised = (body.replace(b": ", b":"), signature)
    for wrong in (stale, other, reserialised, (body, ""), (body, "t=1"), (b"\xff", signature), (b"[]", signature)):
        answer = post(*wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "signature_invalid")
    assert not StripeEvent.objects.exists()


def test_webhook_signed_with_the_second_secret_is_taken(buyer, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", *settings.STRIPE_WEBHOOK_SECRETS]
    assert post(*buyer.stripe.sign({"id": "evt_1", "object": "event", "type": "x", "data": {}})).status_code == 200


@pytest.mark.parametrize("payload", [b"null", b"[]", b"{}", b'{"object": "event"}', b'{"object":"event","id":3}', b"{"])
def test_signed_nonsense_is_refused_without_a_trace(buyer, payload):
    from stripe import WebhookSignature

    secret = "whsec_fake"
    answer = post(payload, WebhookSignature.generate_signature_header(payload.decode(), secret))
    assert answer.status_code == 400 and not StripeEvent.objects.exists()


def test_webhook_larger_than_any_event_is_refused(buyer):
    assert post(b" " * (600 * 1024), "t=1,v1=x").status_code == 413


def test_webhook_without_a_secret_says_so(db):
    answer = post(b"{}", "t=1,v1=x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "payments_not_configured")


def test_text_that_no_table_holds_does_not_stop_an_event(buyer):
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    event = buyer.stripe.take_events("customer.subscription.created")[0]
    event["data"]["object"]["description"] = "a\x00b"
    deliver(buyer.stripe, event)
    assert buyer.plan == "pro"


def test_event_of_an_unknown_customer_is_parked_until_the_customer_is_known(buyer):
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    stripe_id = buyer.customer.stripe_id
    Customer.objects.update(stripe_id=None)
    buyer.stripe.state.get("customer", stripe_id)["metadata"] = {}  # somebody else's, as far as one can see
    buyer.hear()
    parked = StripeEvent.objects.filter(parked_at__isnull=False)
    assert parked.count() > 3 and set(parked.values_list("parked_for", flat=True)) == {stripe_id}
    assert buyer.plan == "" and not Subscription.objects.exists()
    Customer.objects.update(stripe_id=stripe_id)
    apply_due_events()
    assert buyer.plan == "pro" and not StripeEvent.objects.filter(processed_at=None).exists()


def test_customer_whose_creation_was_lost_is_known_by_its_mark(buyer):
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    stripe_id = buyer.customer.stripe_id
    Customer.objects.update(stripe_id=None)
    buyer.hear()
    assert (buyer.plan, buyer.customer.stripe_id) == ("pro", stripe_id)


def test_event_waits_while_stripe_is_down_and_is_applied_later(buyer):
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    event = buyer.stripe.take_events("customer.subscription.created")[0]
    buyer.stripe.is_down = True
    deliver(buyer.stripe, event)
    row = StripeEvent.objects.get()
    assert (row.attempts, row.processed_at) == (1, None) and "PaymentsUnavailable" in row.error
    assert row.next_attempt_at > timezone.now()
    buyer.stripe.is_down = False
    apply_due_events()
    assert buyer.plan == ""  # not its turn yet
    StripeEvent.objects.update(next_attempt_at=timezone.now())
    apply_due_events()
    assert buyer.plan == "pro" and StripeEvent.objects.get().error == ""


def test_event_that_a_receiver_cannot_handle_waits_and_stops_no_other(buyer):
    def fail(kind: str, **_: Any) -> None:
        if kind == "charge":
            raise ValueError("a mistake of ours")

    stripe_object_changed.connect(fail)
    buyer.buy()
    broken = {
        "id": "evt_c",
        "object": "event",
        "type": "charge.refunded",
        "data": {"object": {"object": "charge", "id": "ch_1"}},
    }
    store_event(broken)
    store_event({**broken, "id": "evt_d", "data": {"object": {"object": "account", "id": "acct_1"}}})
    apply_due_events()
    stripe_object_changed.disconnect(fail)
    waiting = StripeEvent.objects.get(processed_at=None)
    assert (waiting.pk, waiting.attempts) == ("evt_c", 1) and "a mistake of ours" in waiting.error
    StripeEvent.objects.filter(processed_at=None).update(next_attempt_at=timezone.now())
    apply_due_events()
    assert not StripeEvent.objects.filter(processed_at=None).exists()


def test_receiver_that_claims_an_object_keeps_it_from_the_plans(buyer):
    def claim(**_: Any) -> bool:
        return True

    stripe_object_changed.connect(claim)
    buyer.stripe.complete_checkout(buyer.checkout()["id"])
    buyer.hear()
    stripe_object_changed.disconnect(claim)
    assert buyer.plan == "" and not StripeEvent.objects.filter(processed_at=None).exists()


def test_old_events_are_deleted_once_applied(buyer):
    for id in ("evt_1", "evt_2"):
        apply_event(store_event({"id": id, "object": "event", "type": "x", "created": 1, "data": {"object": {}}}))
    StripeEvent.objects.filter(pk="evt_1").update(processed_at=timezone.now() - timedelta(days=91))
    delete_old_events()
    assert StripeEvent.objects.get().pk == "evt_2"
