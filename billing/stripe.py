"""The one door to Stripe, the only import of its library: calls go through `ask`, webhooks through `read_event`.

`ask(lambda client: client.v1.prices.list(...))` gives other modules the SDK's own types, and our errors. Calls are
retried by the SDK with one idempotency key; a call that makes something passes a key of its own, so that repeating our
whole transaction makes nothing twice. The library takes a third of a second to import, so functions do it: servers that
sell nothing never pay for it.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings

from billing.errors import (
    AlreadyReported,
    PaymentRefused,
    PaymentsNotConfigured,
    PaymentsUnavailable,
    SignatureInvalid,
    StripeObjectMissing,
)

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)
T = TypeVar("T")
TOLERANCE_SECONDS = 300  # how old a signature may be
SILENCE_SECONDS = 15.0  # for which no job asks again
_BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call waits to be connected and to be answered, in seconds, and how often it is repeated."""

    connect: float
    answer: float
    retries: int


PEOPLE = Patience(3.0, 12.0, 2)  # somebody waits for the page, and would have to begin anew
JOBS = Patience(2.0, 5.0, 0)  # few threads do the jobs of all; what is not answered is asked later
_patience: ContextVar[Patience] = ContextVar("patience", default=PEOPLE)
_silent_until = 0.0  # time.monotonic(); until then jobs hear at once that Stripe does not answer


def is_configured() -> bool:
    """Whether the operator has given this server a Stripe account."""
    return bool(settings.BILLING and settings.STRIPE_SECRET_KEY)


def ask(call: Callable[["stripe.StripeClient"], T]) -> T:
    """The answer to one call, or to several.

    Raises PaymentsNotConfigured without a key, PaymentsUnavailable when Stripe does not answer, PaymentRefused when it
    says no, and its subclass StripeObjectMissing when what is asked for does not exist.
    """
    import stripe

    if not is_configured():
        raise PaymentsNotConfigured()
    patience = _patience.get()
    if patience is JOBS and time.monotonic() < _silent_until:
        raise PaymentsUnavailable()
    try:
        return call(_client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, patience))
    except stripe.APIConnectionError as error:
        _note_silence()
        raise PaymentsUnavailable() from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        logger.error("Stripe refuses this server's key: %s", error.user_message)
        raise PaymentsNotConfigured() from error
    except stripe.StripeError as error:
        raise _translate(error) from error


@contextmanager
def as_job() -> Iterator[None]:
    """Calls in this block wait briefly and are not repeated: for work that is done again later anyway."""
    token = _patience.set(JOBS)
    try:
        yield
    finally:
        _patience.reset(token)


def _note_silence() -> None:
    global _silent_until
    _silent_until = time.monotonic() + SILENCE_SECONDS


def _translate(error: "stripe.StripeError") -> Exception:
    if error.http_status in _BUSY or error.http_status is None:
        return PaymentsUnavailable()
    if "already exists with identifier" in str(error.user_message):
        return AlreadyReported()
    if error.code == "resource_missing":
        return StripeObjectMissing()
    logger.error("Stripe refused a request (%s): %s", error.request_id, error)
    return PaymentRefused(code=error.code or "payment_refused")


@cache
def _client(key: str, address: str, patience: Patience) -> "stripe.StripeClient":
    """One client for each account and patience; it is safe to share among threads."""
    import stripe

    return stripe.StripeClient(
        key,
        base_addresses={"api": address} if address else {},
        http_client=stripe.RequestsClient(timeout=(patience.connect, patience.answer)),
        max_network_retries=patience.retries,
    )


def report_usage(*, event_name: str, customer: str, quantity: int, identifier: str, at: datetime) -> None:
    """Tell Stripe's meter what a customer used. Under the same identifier it counts once, however often it is told.

    `event_name` is a meter's of `billing.prices.METERS`, `at` at most 35 days ago. Raises what `ask` raises.
    """
    with suppress(AlreadyReported):
        ask(
            lambda client: client.v1.billing.meter_events.create(
                {
                    "event_name": event_name,
                    "payload": {"stripe_customer_id": customer, "value": str(quantity)},
                    "identifier": identifier,
                    "timestamp": int(at.timestamp()),
                },
                {"idempotency_key": identifier},
            )
        )


def read_event(body: bytes, signature: str) -> dict[str, Any]:
    """The event in a webhook's raw body, once Stripe's library finds its signature true and fresh.

    `STRIPE_WEBHOOK_SECRET` may hold several secrets, separated by commas: of the account's and of the connected
    accounts' endpoint, or an old and a new one. Raises PaymentsNotConfigured or SignatureInvalid.
    """
    import stripe

    secrets = settings.STRIPE_WEBHOOK_SECRETS
    if not secrets:
        raise PaymentsNotConfigured()
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        return _parse(body)
    raise SignatureInvalid()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise SignatureInvalid() from None
    if not isinstance(event, dict) or event.get("object") != "event" or not isinstance(event.get("id"), str):
        raise SignatureInvalid()
    return event


def api_version() -> str:
    """The version of Stripe's API that the installed library speaks."""
    import stripe

    return stripe.api_version


def id_of(value: Any) -> str:
    """The id of a field that Stripe gives as an id, as an object (expanded), or not at all."""
    return "" if value is None else str(getattr(value, "id", value))
