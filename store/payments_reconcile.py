"""Purchases and creators' accounts against Stripe, as part of `billing.reconcile`.

Events of the last days that never came are fetched there; here is what may still differ after that: accounts, months
that run, sales in dispute, and pages that nobody has paid or closed for a day. Who pays by the month for an agent that
has left the store is not charged again.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.reconcile import Drift
from billing.stripe import ask
from store.models import Creator, ListingStatus, PriceKind, Purchase, PurchaseStatus
from store.payments_mirror import OPEN, lock_purchase, mirror_account, mirror_purchase, read_facts

_FORGOTTEN = timedelta(days=1)  # Stripe closes its page then


def compare_payments(mend: bool, **_: Any) -> list[Drift]:
    """Receiver of `billing.signals.stripe_compared`."""
    accounts = Creator.objects.exclude(stripe_account_id="").values_list("pk", flat=True)
    months = Q(kind=PriceKind.MONTH, status__in=OPEN)
    disputed = Q(status=PurchaseStatus.DISPUTED)
    left = Q(status=PurchaseStatus.PENDING, created_at__lt=timezone.now() - _FORGOTTEN)
    wanted = Purchase.objects.filter(months | disputed | left).exclude(checkout_session_id="")
    found = [_compare_account(creator_id, mend) for creator_id in list(accounts)]
    found += [_compare_purchase(purchase_id, mend) for purchase_id in list(wanted.values_list("pk", flat=True))]
    found += [_end_month(purchase, mend) for purchase in _months_of_closed()]
    return [drift for drift in found if drift is not None]


def _months_of_closed() -> list[Purchase]:
    closed = (ListingStatus.UNPUBLISHED, ListingStatus.TAKEN_DOWN)
    months = Purchase.objects.filter(kind=PriceKind.MONTH, status__in=OPEN, listing__status__in=closed)
    return list(months.exclude(subscription_id="").select_related("listing"))


def _end_month(purchase: Purchase, mend: bool) -> Drift | None:
    """Have the subscription end with the month that is paid; the agent may come back meanwhile."""
    id = purchase.subscription_id
    if ask(lambda client: client.v1.subscriptions.retrieve(id)).cancel_at_period_end:
        return None
    if mend:
        ask(lambda client: client.v1.subscriptions.update(id, {"cancel_at_period_end": True}))
    return Drift(purchase.listing.workspace_id, f"purchase {purchase.pk}", "left the store", "renews itself")


def _compare_account(creator_id: UUID, mend: bool) -> Drift | None:
    with transaction.atomic():
        creator = Creator.objects.select_for_update().get(pk=creator_id)
        before = _describe(creator)
        mirror_account(creator)
        after = _describe(creator)
        if not mend:
            transaction.set_rollback(True)
    if before == after:
        return None
    return Drift(creator.workspace_id, f"account {creator.stripe_account_id}", before, after)


def _describe(creator: Creator) -> str:
    return f"charges={creator.stripe_charges_enabled}, payouts={creator.stripe_payouts_enabled}"


@transaction.atomic
def _compare_purchase(purchase_id: UUID, mend: bool) -> Drift | None:
    purchase = lock_purchase(purchase_id)
    if purchase is None:
        return None
    facts = read_facts(purchase)
    ours = f"{purchase.status}, paid {purchase.paid}, refunded {purchase.refunded}"
    theirs = f"{facts.status}, paid {facts.paid}, refunded {facts.refunded}"
    if ours == theirs:
        return None
    if mend:
        mirror_purchase(purchase)
    return Drift(purchase.listing.workspace_id, f"purchase {purchase.pk}", ours, theirs)
