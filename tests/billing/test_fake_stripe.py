"""The fake Stripe refuses what Stripe refuses: what passes against it has a chance to pass there."""

import pytest
import stripe

from tests.fake_stripe import KEY
from tests.fake_stripe.parameters import Refused, check, read_form


@pytest.fixture
def client(empty_stripe):
    return stripe.StripeClient(KEY, base_addresses={"api": empty_stripe.url}, max_network_retries=0)


PRICE = {"currency": "usd", "unit_amount": 100, "product_data": {"name": "x"}}
LINES = [{"quantity": 1, "price_data": PRICE}]
CHECKOUT = {"mode": "payment", "success_url": "https://a.example", "line_items": LINES}


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({**CHECKOUT, "colour": "red"}, "parameter_unknown", "colour"),
        ({**CHECKOUT, "automatic_tax": {"on": True}}, "parameter_unknown", "automatic_tax[on]"),
        ({**CHECKOUT, "line_items": [{"prize": "p"}]}, "parameter_unknown", "line_items[0][prize]"),
        ({**CHECKOUT, "automatic_tax": {"liability": {"type": "self"}}}, "parameter_missing", "automatic_tax[enabled]"),
        ({**CHECKOUT, "mode": "gift"}, "parameter_invalid", "mode"),
        ({**CHECKOUT, "allow_promotion_codes": "maybe"}, "parameter_invalid", "allow_promotion_codes"),
        ({**CHECKOUT, "expires_at": "soon"}, "parameter_invalid", "expires_at"),
        ({"mode": "payment", "line_items": LINES}, "parameter_missing", "success_url"),
        ({**CHECKOUT, "subscription_data": {"trial_period_days": 3}}, "parameter_invalid", "subscription_data"),
        ({**CHECKOUT, "customer": "cus_nobody"}, "resource_missing", "customer"),
    ],
)
def test_parameters_that_stripe_refuses_are_refused(client, params, code, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(params)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.http_status == (404 if code == "resource_missing" else 400)


def test_key_is_asked_for(empty_stripe):
    stranger = stripe.StripeClient("sk_test_other", base_addresses={"api": empty_stripe.url})
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.customers.create({"name": "x"})


def test_idempotency_key_repeats_the_answer_and_refuses_other_parameters(client, empty_stripe):
    first = client.v1.customers.create({"name": "A"}, {"idempotency_key": "k"})
    assert client.v1.customers.create({"name": "A"}, {"idempotency_key": "k"}).id == first.id
    assert len(empty_stripe.state.rows["customer"]) == 1
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({"name": "B"}, {"idempotency_key": "k"})


@pytest.mark.parametrize(("fault", "error"), [(429, stripe.RateLimitError), (500, stripe.APIError)])
def test_faults_look_like_stripes(client, empty_stripe, fault, error):
    empty_stripe.faults = [fault]
    with pytest.raises(error):
        client.v1.customers.create({"name": "A"})
    assert client.v1.customers.create({"name": "A"}).id.startswith("cus_")


def test_meter_event_counts_once_for_its_identifier(client, fake_stripe):
    customer = client.v1.customers.create({"name": "A"}).id
    event = {
        "event_name": "gilo_requests", "identifier": "i", "payload": {"stripe_customer_id": customer, "value": "3"},
    }  # fmt: skip
    client.v1.billing.meter_events.create(event)
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier"):
        client.v1.billing.meter_events.create(event)
    assert [row["payload"]["value"] for row in fake_stripe.state.meter_events.values()] == ["3"]


def test_lists_come_page_by_page(client):
    prices = [client.v1.prices.create(PRICE).id for _ in range(5)]
    first = client.v1.prices.list({"limit": 2})
    assert [row.id for row in first.data] == prices[:2:-1] and first.has_more
    assert [row.id for row in client.v1.prices.list({"limit": 2}).auto_paging_iter()] == prices[::-1]


def test_forms_are_read_as_stripe_reads_them():
    read = read_form("a[b][0][c]=1&a[b][1][c]=2&d=&e[]=x&e[]=y")
    assert read == {"a": {"b": {"0": {"c": "1"}, "1": {"c": "2"}}}, "d": "", "e": {"0": "x", "1": "y"}}
    with pytest.raises(Refused):
        check({"lookup_keys": "one"}, stripe.params.PriceListParams)
