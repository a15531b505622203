"""Fixtures of billing."""

from tests.fake_stripe.fixtures import _fake_stripe_server, empty_stripe, fake_stripe

__all__ = ["_fake_stripe_server", "empty_stripe", "fake_stripe"]
