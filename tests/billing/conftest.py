"""Fixtures of billing."""

import pytest

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.fixtures import _fake_stripe_server, empty_stripe, fake_stripe

__all__ = ["_fake_stripe_server", "buyer", "empty_stripe", "fake_stripe"]


@pytest.fixture
def buyer(fake_stripe: FakeStripe):
    from tests.billing.shop import Buyer  # conftests are read before Django is

    return Buyer(fake_stripe)
