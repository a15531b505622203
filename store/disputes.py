"""Disputes: a buyer's bank takes a payment back, and somebody decides whether for good.

While money is away the agent is closed to the buyer, and no other month is charged. One that is won opens it again; one
that is lost is settled as a refund is: the seller's part comes back to the platform, the platform's fee goes to the
seller. A bank that only asks has taken nothing, and changes nothing. The bank's own fee stays with the platform.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from accounts.mails import mail_next_debt
from billing.errors import PaymentRefused
from billing.stripe import ask, id_of
from billing.subscriptions import OVER
from store.models import Purchase, PurchaseStatus

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)
DISPUTE_METADATA = "gilo_dispute"  # on what was taken back from a seller
CONTESTED = frozenset({PurchaseStatus.DISPUTED, PurchaseStatus.LOST})
_HARMLESS = frozenset({"won", "prevented", "warning_needs_response", "warning_under_review", "warning_closed"})


@dataclass(frozen=True, slots=True)
class Debt:
    """What a lost dispute leaves with the seller: `amount` of one transfer, in minor units."""

    dispute_id: str
    transfer_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Disputes:
    """The disputes of one purchase's charges, together. `lost` is what they took, `debts` what is not back yet."""

    is_open: bool = False
    is_newest_lost: bool = False
    lost: int = 0
    debts: tuple[Debt, ...] = ()

    def status_or(self, status: str) -> str:
        """What they make of the purchase, which would have this status without them."""
        if self.is_open:
            return PurchaseStatus.DISPUTED
        return PurchaseStatus.LOST if self.is_newest_lost else status


def read_disputes(charges: list["stripe.Charge"]) -> Disputes:
    """The disputes of these charges, which come newest first. Raises what `billing.stripe.ask` raises."""
    is_open, lost = False, 0
    lost_ids: set[str] = set()
    debts: list[Debt] = []
    for charge in charges:
        for dispute in _list_disputes(charge) if charge.disputed else ():
            if dispute.status == "lost":
                lost_ids.add(charge.id)
                lost += dispute.amount
                debts += _find_debt(charge, dispute)
            elif dispute.status not in _HARMLESS:
                is_open = True
    return Disputes(is_open, bool(charges) and charges[0].id in lost_ids, lost, tuple(debts))


def _list_disputes(charge: "stripe.Charge") -> list["stripe.Dispute"]:
    return ask(lambda client: client.v1.disputes.list({"charge": charge.id, "limit": 100})).data


def _find_debt(charge: "stripe.Charge", dispute: "stripe.Dispute") -> list[Debt]:
    if not charge.transfer:
        return []
    transfer = ask(lambda client: client.v1.transfers.retrieve(id_of(charge.transfer)))
    metadata = [row.metadata.to_dict() for row in transfer.reversals.data if row.metadata]
    marks = [given.get(DISPUTE_METADATA) for given in metadata]
    left = min(dispute.amount, transfer.amount - transfer.amount_reversed)
    return [Debt(dispute.id, transfer.id, left)] if left > 0 and dispute.id not in marks else []


def settle_disputes(disputes: Disputes, subscription_id: str, status: str) -> bool:
    """Do at Stripe what disputes ask for and is not done; whether money came back. Raises what `ask` raises."""
    if subscription_id and status in CONTESTED:
        _stop_renewal(subscription_id, is_lost=status == PurchaseStatus.LOST)
    done = [_take_back(debt) for debt in disputes.debts]  # each of them, whatever became of another
    return any(done)


def _stop_renewal(subscription_id: str, *, is_lost: bool) -> None:
    """Nobody is charged for another month who disputes the last one."""
    found = ask(lambda client: client.v1.subscriptions.retrieve(subscription_id))
    if found.status in OVER:
        return
    if is_lost:
        ask(lambda client: client.v1.subscriptions.cancel(subscription_id))
    elif not found.cancel_at_period_end:
        ask(lambda client: client.v1.subscriptions.update(subscription_id, {"cancel_at_period_end": True}))


def _take_back(debt: Debt) -> bool:
    params: Any = {
        "amount": debt.amount,
        "refund_application_fee": True,
        "metadata": {DISPUTE_METADATA: debt.dispute_id},
    }
    options: Any = {"idempotency_key": f"dispute-{debt.dispute_id}"}
    try:
        ask(lambda client: client.v1.transfers.reversals.create(debt.transfer_id, params, options))
    except PaymentRefused as refused:  # the seller's account is empty: the buyer's access must not wait for that
        logger.error("what dispute %s took is not back from its seller: %s", debt.dispute_id, refused.code)
        return False
    return True


def count_disputes(workspace_id: UUID) -> int:
    """How many of the workspace's sales are in dispute."""
    return Purchase.objects.for_workspace(workspace_id).filter(status=PurchaseStatus.DISPUTED).count()


def send_next_notice() -> bool:
    """Tell the owners how one dispute stands now; False when none is to be told, or no mail server answers."""
    return mail_next_debt(Purchase.objects.select_related("listing"), "store/email/dispute", _describe)


def _describe(purchase: Purchase) -> tuple[UUID, dict[str, Any]]:
    link = f"{settings.SITE_URL}/store/mine/{purchase.listing_id}#sales"
    return purchase.listing.workspace_id, {"purchase": purchase, "link": link}
