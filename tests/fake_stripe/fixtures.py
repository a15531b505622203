"""Fixtures, imported by the conftest of each folder that sells something."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.fake_stripe import KEY, WEBHOOK_SECRET, FakeStripe


@pytest.fixture(scope="session")
def _fake_stripe_server() -> Iterator[FakeStripe]:
    server = FakeStripe()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def empty_stripe(_fake_stripe_server: FakeStripe, settings: Any) -> FakeStripe:
    """A Stripe account in which nothing is set up, and a server that is configured for it."""
    from billing import stripe  # conftests are read before Django is

    _fake_stripe_server.reset()
    stripe._silent_until = 0.0  # whatever an earlier test's Stripe did
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = KEY, _fake_stripe_server.url
    settings.STRIPE_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    return _fake_stripe_server


@pytest.fixture
def fake_stripe(empty_stripe: FakeStripe) -> FakeStripe:
    """The same after `stripe_setup`, which the first test runs for all."""
    from billing.prices import set_up  # conftests are read before Django is

    if empty_stripe.after_set_up is None:
        set_up()
        empty_stripe.take_events()
        empty_stripe.requests.clear()
        empty_stripe.after_set_up = empty_stripe.state
    empty_stripe.state = deepcopy(empty_stripe.after_set_up)
    return empty_stripe
