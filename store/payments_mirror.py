"""Purchases and creators' accounts as Stripe has them: what was paid opens the agent, what was refunded closes it.

Each call reads Stripe's present state under a lock of our row and writes what follows from it alone, so that events may
come in any order and any number of times. Amounts are minor units.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from billing.errors import StripeObjectMissing
from billing.grants import create_grant, extend_grant, revoke_grant
from billing.stripe import ask, id_of
from store.days import add_to_day
from store.disputes import CONTESTED, Disputes, read_disputes, settle_disputes
from store.models import Creator, PriceKind, Purchase, PurchaseStatus

if TYPE_CHECKING:
    import stripe

PURCHASE_METADATA = "gilo_purchase"
OPEN = frozenset({PurchaseStatus.ACTIVE, PurchaseStatus.PAST_DUE})
_SLACK = timedelta(hours=1)  # a month that is renewed is told of some minutes after the last one ended
_STATUSES = {
    "active": PurchaseStatus.ACTIVE,
    "trialing": PurchaseStatus.ACTIVE,
    "past_due": PurchaseStatus.PAST_DUE,
    "incomplete": PurchaseStatus.PENDING,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What Stripe says of one purchase. `fee` is what the platform keeps after refunds; `ends_at` is a month's end."""

    status: str
    paid: int = 0
    fee: int = 0
    refunded: int = 0
    lost: int = 0
    first_paid_at: datetime | None = None
    ends_at: datetime | None = None
    payment_intent_id: str = ""
    subscription_id: str = ""
    disputes: Disputes = field(default_factory=Disputes)

    @property
    def revenue(self) -> int:
        return self.paid - self.refunded - self.lost - self.fee


def lock_purchase(purchase_id: UUID) -> Purchase | None:
    """The purchase, locked until the transaction ends."""
    rows = Purchase.objects.select_for_update(of=("self",)).select_related("listing", "grant")
    return rows.filter(pk=purchase_id).first()


def mirror_purchase(purchase: Purchase) -> None:
    """Read the locked purchase from Stripe; open or close the agent to its buyer, and count what it brought."""
    facts = read_facts(purchase)
    if settle_disputes(facts.disputes, facts.subscription_id, facts.status):
        facts = read_facts(purchase)
    before = Facts("", purchase.paid, purchase.fee, purchase.refunded, purchase.lost).revenue
    is_first = purchase.paid_at is None and facts.first_paid_at is not None
    if facts.revenue != before or is_first:
        add_to_day(purchase.listing_id, revenue=facts.revenue - before, sales=int(is_first))
    _write(purchase, facts)
    _grant(purchase, facts)


def _write(purchase: Purchase, facts: Facts) -> None:
    is_refunded = facts.status == PurchaseStatus.REFUNDED
    is_news = facts.status != purchase.status and (facts.status in CONTESTED or purchase.status in CONTESTED)
    changes = {
        "status": facts.status,
        "paid": facts.paid,
        "fee": facts.fee,
        "refunded": facts.refunded,
        "lost": facts.lost,
        "owes_notice": purchase.owes_notice or is_news,
        "paid_at": facts.first_paid_at,
        "payment_intent_id": facts.payment_intent_id,
        "subscription_id": facts.subscription_id,
        "refunded_at": (purchase.refunded_at or timezone.now()) if is_refunded else None,
    }
    for name, value in changes.items():
        setattr(purchase, name, value)
    purchase.save(update_fields=[*changes, "updated_at"])


def _grant(purchase: Purchase, facts: Facts) -> None:
    """The right that goes with the purchase: there while it is paid for, taken away at once when it is not."""
    grant = purchase.grant
    if facts.status not in OPEN:
        if grant is not None:
            revoke_grant(grant_id=grant.pk)
        return
    if grant is None or grant.revoked_at is not None:  # one that was revoked stays so: a month paid anew is a new right
        purchase.grant = create_grant(most_uses=_count_messages(purchase), expires_at=facts.ends_at)
        purchase.save(update_fields=["grant", "updated_at"])
    elif facts.ends_at is not None and grant.expires_at != facts.ends_at:
        extend_grant(grant_id=grant.pk, expires_at=facts.ends_at)


def _count_messages(purchase: Purchase) -> int | None:
    """A pack's messages; of one that was closed meanwhile, those that were left."""
    if purchase.kind != PriceKind.PACK:
        return None
    grant = purchase.grant
    return purchase.pack_messages if grant is None or grant.most_uses is None else grant.most_uses - grant.uses


def read_facts(purchase: Purchase) -> Facts:
    """What Stripe says of it now. Raises what `billing.stripe.ask` raises."""
    try:
        session = ask(lambda client: client.v1.checkout.sessions.retrieve(purchase.checkout_session_id))
    except StripeObjectMissing:
        return Facts(PurchaseStatus.ENDED)
    if purchase.kind == PriceKind.PACK and session.payment_intent:
        return _read_pack(id_of(session.payment_intent))
    if purchase.kind == PriceKind.MONTH and session.subscription:
        return _read_month(id_of(session.subscription))
    return Facts(PurchaseStatus.ENDED if session.status == "expired" else PurchaseStatus.PENDING)


def _read_pack(intent_id: str) -> Facts:
    charges = _succeeded(list_charges({"payment_intent": intent_id}))
    status = PurchaseStatus.PENDING
    if charges:
        status = PurchaseStatus.REFUNDED if all(charge.refunded for charge in charges) else PurchaseStatus.ACTIVE
    disputes = read_disputes(charges)
    sums = _sum(charges, disputes)
    return Facts(disputes.status_or(status), *sums, payment_intent_id=intent_id, disputes=disputes)


def _read_month(subscription_id: str) -> Facts:
    """Every month is a charge of a customer whom Stripe made for this subscription alone."""
    found = ask(lambda client: client.v1.subscriptions.retrieve(subscription_id))
    charges = _succeeded(list_charges({"customer": id_of(found.customer)}))
    status = str(_STATUSES.get(found.status, PurchaseStatus.ENDED))
    if charges and charges[0].refunded:  # the newest
        status = PurchaseStatus.REFUNDED
    item = found.items.data[0]
    # A month that is not paid yet gives no time: what was paid ended where it begins.
    ends = item.current_period_start if status == PurchaseStatus.PAST_DUE else item.current_period_end
    disputes = read_disputes(charges)
    sums, status = _sum(charges, disputes), disputes.status_or(status)
    return Facts(status, *sums, _at(ends) + _SLACK, subscription_id=subscription_id, disputes=disputes)


def list_charges(which: dict[str, str]) -> list["stripe.Charge"]:
    """The charges of a payment intent or of a customer, newest first, with the platform's fee of each."""
    params: Any = {**which, "limit": 100, "expand": ["data.application_fee"]}
    return ask(lambda client: list(client.v1.charges.list(params).auto_paging_iter()))


def _succeeded(charges: list["stripe.Charge"]) -> list["stripe.Charge"]:
    return [charge for charge in charges if charge.status == "succeeded"]


def _sum(charges: list["stripe.Charge"], disputes: Disputes) -> tuple[int, int, int, int, datetime | None]:
    """(paid, fee kept, refunded, lost, when first)."""
    fees: list[Any] = [charge.application_fee for charge in charges if charge.application_fee]
    first = min((charge.created for charge in charges), default=None)
    return (
        sum(charge.amount for charge in charges),
        sum(fee.amount - fee.amount_refunded for fee in fees),
        sum(charge.amount_refunded for charge in charges),
        disputes.lost,
        None if first is None else _at(first),
    )


def mirror_account(creator: Creator) -> None:
    """Read the locked creator's account from Stripe: whether it takes payments, whether it is paid out."""
    found = ask(lambda client: client.v1.accounts.retrieve(creator.stripe_account_id))
    creator.stripe_charges_enabled = bool(found.charges_enabled)
    creator.stripe_payouts_enabled = bool(found.payouts_enabled)
    creator.save(update_fields=["stripe_charges_enabled", "stripe_payouts_enabled", "updated_at"])


# --- Which of ours an event is about ---------------------------------------------------------------------------------


def hear_of_payment(kind: str, object: dict[str, Any], **_: Any) -> bool:
    """Receiver of `billing.signals.stripe_object_changed`: True for what belongs to the store."""
    if kind == "account":
        creator = Creator.objects.select_for_update().filter(stripe_account_id=object.get("id") or None).first()
        if creator is not None:
            mirror_account(creator)
        return creator is not None
    purchase_id = find_purchase_id(kind, object)
    purchase = lock_purchase(purchase_id) if purchase_id else None
    if purchase is not None:
        mirror_purchase(purchase)
    return purchase is not None


def find_purchase_id(kind: str, object: dict[str, Any]) -> UUID | None:
    """The purchase that Stripe's object is of: by the mark that we put on it, or by the subscription that it is for."""
    marked = _dig(object, "metadata", PURCHASE_METADATA)
    if kind == "invoice":
        marked = _dig(object, "parent", "subscription_details", "metadata", PURCHASE_METADATA)
    elif kind == "dispute" or (kind == "charge" and not marked and object.get("amount_refunded")):
        return _find_paid_by(str(object.get("payment_intent") or ""))
    try:
        return UUID(str(marked)) if marked else None
    except ValueError:
        return None


def _find_paid_by(intent_id: str) -> UUID | None:
    """The pack that this payment paid, or the month. One that is not known yet is read anew when it becomes so."""
    packs = Purchase.objects.filter(payment_intent_id=intent_id).exclude(payment_intent_id="")
    pack = packs.values_list("pk", flat=True).first()
    if pack is not None:
        return pack
    months = Purchase.objects.filter(subscription_id=_ask_subscription_of(intent_id)).exclude(subscription_id="")
    return months.values_list("pk", flat=True).first()


def _dig(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _ask_subscription_of(intent_id: str) -> str:
    """The subscription whose invoice this payment paid; "" when it paid none."""
    if not intent_id:
        return ""
    wanted: Any = {"payment": {"type": "payment_intent", "payment_intent": intent_id}}
    payments = ask(lambda client: client.v1.invoice_payments.list(wanted)).data
    if not payments:
        return ""
    invoice = ask(lambda client: client.v1.invoices.retrieve(id_of(payments[0].invoice)))
    details = invoice.parent.subscription_details if invoice.parent else None
    return id_of(details.subscription) if details else ""


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
