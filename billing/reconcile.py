"""Our rows against Stripe: what differs is listed and mended. For nights, and after webhooks were lost.

Events that never came are fetched and applied like any other; then each customer is read anew from Stripe.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Workspace
from billing.customers import lock_customer
from billing.events import apply_event, store_event
from billing.invoices import describe_invoice, store_invoice
from billing.models import Customer, Invoice, StripeEvent, Subscription
from billing.signals import stripe_compared
from billing.stripe import ask
from billing.subscriptions import describe_subscription, draw_plan, store_subscription

logger = logging.getLogger(__name__)
_EVENTS_OF = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that was not as Stripe has it. `ours` and `theirs` are for people."""

    workspace_id: UUID | None
    what: str
    ours: str
    theirs: str


def reconcile(*, mend: bool = True) -> list[Drift]:
    """Find all drift; with `mend` our side becomes Stripe's. Raises what `billing.stripe.ask` raises."""
    found = list(_find_missed_events(mend))
    for customer in Customer.objects.exclude(stripe_id=None).order_by("created_at").iterator(chunk_size=500):
        found += _reconcile_customer(customer.stripe_id or "", mend)
    for _receiver, answer in stripe_compared.send(sender=Customer, mend=mend):
        found += cast("list[Drift]", answer)
    for drift in found:
        logger.warning("drift from Stripe (%s): %s", "mended" if mend else "left", drift)
    return found


def _find_missed_events(mend: bool) -> Iterator[Drift]:
    since = int((timezone.now() - _EVENTS_OF).timestamp())
    recent = ask(
        lambda client: list(client.v1.events.list({"created": {"gte": since}, "limit": 100}).auto_paging_iter())
    )
    known = set(StripeEvent.objects.filter(pk__in=[event.id for event in recent]).values_list("pk", flat=True))
    for event in reversed(recent):  # Stripe lists the newest first
        if event.id not in known:
            yield Drift(None, f"event {event.type}", "never came", event.id)
            if mend:
                apply_event(store_event(event.to_dict(for_json=True)))


@transaction.atomic
def _reconcile_customer(stripe_id: str, mend: bool) -> list[Drift]:
    customer = lock_customer(stripe_id)
    if customer is None:
        return []
    found = [*_compare_subscriptions(customer, mend), *_compare_invoices(customer, mend)]
    before = Workspace.objects.values_list("plan", flat=True).get(pk=customer.workspace_id)
    draw_plan(customer.workspace_id)
    after = Workspace.objects.values_list("plan", flat=True).get(pk=customer.workspace_id)
    if before != after:
        found.append(Drift(customer.workspace_id, "plan", before or "default", after or "default"))
        if not mend:
            Workspace.objects.filter(pk=customer.workspace_id).update(plan=before)
    return found


def _compare_subscriptions(customer: Customer, mend: bool) -> Iterator[Drift]:
    rows = {row.stripe_id: row for row in Subscription.objects.for_workspace(customer.workspace_id)}
    listed = ask(
        lambda client: list(
            client.v1.subscriptions.list(
                {"customer": customer.stripe_id or "", "status": "all", "limit": 100}
            ).auto_paging_iter()
        )
    )
    for theirs in listed:
        ours = rows.pop(theirs.id, None)
        if differences := _differences(ours, describe_subscription(theirs)):
            yield Drift(customer.workspace_id, f"subscription {theirs.id}", *differences)
            if mend:
                store_subscription(customer, theirs)
    for gone in rows.values():
        yield Drift(customer.workspace_id, f"subscription {gone.stripe_id}", gone.status, "does not exist")
        if mend:
            gone.delete()


def _compare_invoices(customer: Customer, mend: bool) -> Iterator[Drift]:
    rows = {row.stripe_id: row for row in Invoice.objects.for_workspace(customer.workspace_id)}
    listed = ask(
        lambda client: list(
            client.v1.invoices.list({"customer": customer.stripe_id or "", "limit": 100}).auto_paging_iter()
        )
    )
    for theirs in listed:
        if differences := _differences(rows.get(theirs.id), describe_invoice(theirs)):
            yield Drift(customer.workspace_id, f"invoice {theirs.id}", *differences)
            if mend:
                store_invoice(customer, theirs)


def _differences(ours: Any, theirs: dict[str, Any]) -> tuple[str, str] | None:
    """(our values, Stripe's values) of the columns that differ; None when all agree."""
    if ours is None:
        return "missing", str(theirs["status"])
    names = [name for name, value in theirs.items() if getattr(ours, name) != value]
    if not names:
        return None
    return (
        ", ".join(f"{name}={getattr(ours, name)}" for name in names),
        ", ".join(f"{name}={theirs[name]}" for name in names),
    )
