"""A Stripe of our own, over HTTP behind the SDK's `base_addresses`: strict about parameters, with the order of webhooks
in the tests' hands.

    fake.url                         the API's address; FakeStripe.start() and stop()
    fake.complete_checkout(id)       people pay, fail to pay, cancel, get refunds: each makes events
    fake.take_events(), fake.sign()  what happened so far, to be delivered in whatever order
    fake.faults, fake.is_down        429s, 500s, an outage
    fake.state                       all objects; `state.skipped` moves the clock
"""

from tests.fake_stripe.server import KEY, WEBHOOK_SECRET, FakeStripe

__all__ = ["KEY", "WEBHOOK_SECRET", "FakeStripe"]
