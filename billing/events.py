"""What Stripe tells by webhook: stored once, acknowledged when durable, applied later in one transaction.

An event says that something changed, not what is true now: events come late, twice and in any order. Applying one locks
the customer, reads the object anew from Stripe and mirrors that, so that the last state is the same in every order.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from billing.customers import lock_customer, release_parked
from billing.errors import PaymentsUnavailable
from billing.invoices import mirror_invoice
from billing.models import Customer, StripeEvent
from billing.signals import stripe_object_changed
from billing.stripe import read_event
from billing.subscriptions import mirror_subscription
from core.text import is_storable

logger = logging.getLogger(__name__)
MAX_BYTES = 512 * 1024  # Stripe's largest events are far below
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=6)
_KEPT = timedelta(days=90)
_AT_ONCE = 200


class Unknown(Exception):
    """The event is about a customer that nobody here is."""


def receive_event(*, body: bytes, signature: str) -> str:
    """Verify a webhook's raw body and store its event; a job applies it. Returns the event's id.

    Raises SignatureInvalid or PaymentsNotConfigured.
    """
    return store_event(read_event(body, signature))


@transaction.atomic
def store_event(event: dict[str, Any]) -> str:
    """Store the event unless it is there, and have it applied."""
    from billing.tasks import enqueue_event  # the tasks call this module

    payload = event if is_storable(event) else _only_ids(event)
    row = StripeEvent(
        id=event["id"],
        type=str(event.get("type", ""))[:100],
        object_id=str(_object_of(event).get("id") or "")[:255],
        payload=payload,
        created_at=datetime.fromtimestamp(int(event.get("created") or 0), UTC),
    )
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    transaction.on_commit(lambda: enqueue_event(row.id))
    return row.id


def _object_of(event: dict[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _only_ids(event: dict[str, Any]) -> dict[str, Any]:
    """What can be stored of an event with text that PostgreSQL does not hold: enough to read the object anew."""
    known = {name: _object_of(event).get(name) for name in ("id", "object", "customer", "metadata")}
    kept = {name: value for name, value in known.items() if is_storable(value)}
    return {"id": event["id"], "account": event.get("account"), "data": {"object": kept}}


def apply_event(event_id: str) -> bool:
    """Apply one event that is due, unless another worker is at it. False when Stripe does not answer.

    Whatever fails leaves the event for later, each time after a longer pause.
    """
    try:
        with transaction.atomic():
            to_do = StripeEvent.objects.filter(pk=event_id, processed_at=None, parked_at=None)
            event = to_do.select_for_update(skip_locked=True).first()
            if event is not None:
                _apply(event)
    except PaymentsUnavailable as error:
        _put_off(event_id, error)
        return False
    except Exception as error:  # of whatever kind: one event that cannot be applied must not hold up the others
        logger.exception("the Stripe event %s could not be applied", event_id)
        _put_off(event_id, error)
    return True


def _apply(event: StripeEvent) -> None:
    try:
        _mirror(event)
    except Unknown as unknown:
        event.parked_at, event.parked_for = timezone.now(), str(unknown)
    else:
        event.processed_at = timezone.now()
    event.error = ""
    event.save(update_fields=["parked_at", "parked_for", "processed_at", "error"])


def _mirror(event: StripeEvent) -> None:
    found = _object_of(event.payload)
    kind = str(found.get("object", ""))
    account = str(event.payload.get("account") or "")
    answers = stripe_object_changed.send(sender=StripeEvent, kind=kind, object=found, account=account)
    if any(is_theirs for _receiver, is_theirs in answers) or account or not found.get("id"):
        return
    if kind == "subscription":
        mirror_subscription(_require_customer(found), event.object_id)
    elif kind == "invoice":
        mirror_invoice(_require_customer(found), event.object_id)
    elif kind == "checkout.session" and found.get("subscription"):
        mirror_subscription(_require_customer(found), _id_in(found["subscription"]))


def _require_customer(found: dict[str, Any]) -> Customer:
    stripe_id = _id_in(found.get("customer"))
    customer = lock_customer(stripe_id)
    if customer is None:
        raise Unknown(stripe_id)
    return customer


def _id_in(value: Any) -> str:
    return str(value.get("id", "")) if isinstance(value, dict) else str(value or "")


def _put_off(event_id: str, error: Exception) -> None:
    event = StripeEvent.objects.filter(pk=event_id).first()
    if event is not None:
        pause = min(_FIRST_PAUSE * 2 ** min(event.attempts, 16), _LONGEST_PAUSE)
        StripeEvent.objects.filter(pk=event_id, processed_at=None).update(
            attempts=F("attempts") + 1, next_attempt_at=timezone.now() + pause, error=f"{error!r}"[:500]
        )


def apply_due_events() -> int:
    """Apply what waits and is due, oldest first. Returns how many were tried; ends early when Stripe is away."""
    _release_known()
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now())
    waiting = StripeEvent.objects.filter(due, processed_at=None, parked_at=None).order_by("received_at")
    ids = list(waiting.values_list("pk", flat=True)[:_AT_ONCE])
    for number, event_id in enumerate(ids, start=1):
        if not apply_event(event_id):
            return number
    return len(ids)


def _release_known() -> None:
    """Customers that became known while their events were being parked."""
    parked = StripeEvent.objects.filter(parked_at__isnull=False).values("parked_for")
    known = Customer.objects.filter(stripe_id__in=parked).values_list("stripe_id", flat=True)
    release_parked(stripe_ids=[stripe_id for stripe_id in known if stripe_id])


def delete_old_events() -> int:
    """Delete what was applied long ago. Parked events stay."""
    return StripeEvent.objects.filter(processed_at__lt=timezone.now() - _KEPT).delete()[0]
