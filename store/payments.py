"""Buying an agent, and giving the money back.

The buyer pays on Stripe's page; the money goes to the creator's account, less the platform's fee. A pack is one payment
for so many messages; a month is a subscription. The fee of a pack is rounded down to the minor unit, in the creator's
favour; that of a month is Stripe's own percentage.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import Membership, User
from billing.prices import BUYERS_PORTAL, find_portal
from billing.stripe import ask, id_of
from billing.subscriptions import OVER
from core.tenancy import ScopedQuerySet
from store.disputes import CONTESTED
from store.errors import AlreadyBought, InDispute, NotForSale, NothingToRefund, NotPublished, PayoutsNotReady
from store.models import Listing, ListingStatus, PriceKind, Purchase, PurchaseStatus, Visibility
from store.payments_mirror import OPEN, PURCHASE_METADATA, list_charges, lock_purchase, mirror_purchase

if TYPE_CHECKING:
    import stripe
    from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItemPriceData


def fee_of(amount: int) -> int:
    """The platform's part of a price, rounded down to the minor unit."""
    return amount * settings.STORE_FEE_PERCENT // 100


@transaction.atomic
def start_purchase(*, listing: Listing, user: User) -> str:
    """The address of Stripe's page where the person buys the agent. A page left open before is closed.

    Raises NotPublished, NotForSale, AlreadyBought, PayoutsNotReady, and what `billing.stripe.ask` raises.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # of two requests at once the second closes the first
    _require_sale(listing, user)
    _close_open_pages(listing, user)
    purchase = Purchase.objects.create(
        listing=listing,
        user=user,
        kind=listing.price_kind,
        amount=listing.price,
        currency=listing.currency,
        pack_messages=listing.pack_messages,
    )
    params, key = _describe_checkout(purchase, listing), f"purchase-{purchase.pk}"
    session = ask(lambda client: client.v1.checkout.sessions.create(params, {"idempotency_key": key}))
    purchase.checkout_session_id = session.id
    purchase.save(update_fields=["checkout_session_id", "updated_at"])
    return session.url or ""


def _require_sale(listing: Listing, user: User) -> None:
    if listing.status != ListingStatus.PUBLISHED:
        raise NotPublished()
    if listing.price_kind == PriceKind.FREE or listing.visibility == Visibility.PRIVATE:
        raise NotForSale()
    if Membership.objects.filter(workspace=listing.workspace_id, user=user).exists():
        raise AlreadyBought()
    bought = Purchase.objects.filter(listing=listing, user=user, status__in=OPEN)
    if listing.price_kind == PriceKind.MONTH and bought.filter(kind=PriceKind.MONTH).exists():
        raise AlreadyBought()
    if not listing.creator.stripe_charges_enabled:
        raise PayoutsNotReady()


def _close_open_pages(listing: Listing, user: User) -> None:
    """Of two pages left open, both could be paid: the older one is closed. Raises AlreadyBought when it was paid."""
    for waiting in Purchase.objects.filter(listing=listing, user=user, status=PurchaseStatus.PENDING):
        session_id = waiting.checkout_session_id
        if session_id:
            status = ask(lambda client, id=session_id: client.v1.checkout.sessions.retrieve(id)).status  # type: ignore[misc]
            if status == "complete":
                raise AlreadyBought()
            if status == "open":
                ask(lambda client, id=session_id: client.v1.checkout.sessions.expire(id))  # type: ignore[misc]
        Purchase.objects.filter(pk=waiting.pk, status=PurchaseStatus.PENDING).update(status=PurchaseStatus.ENDED)


def _describe_checkout(purchase: Purchase, listing: Listing) -> "SessionCreateParams":
    page = listing.address
    mark = {PURCHASE_METADATA: str(purchase.pk)}
    params: SessionCreateParams = {
        "customer_email": purchase.user.email,
        "client_reference_id": str(purchase.pk),
        "metadata": mark,
        "success_url": f"{page}?bought=1",
        "cancel_url": page,
        "allow_promotion_codes": False,
    }
    seller, percent = listing.creator.stripe_account_id, settings.STORE_FEE_PERCENT
    params["line_items"] = [{"quantity": 1, "price_data": _describe_price(purchase, listing.name)}]
    if purchase.kind == PriceKind.PACK:
        params["mode"] = "payment"
        params["payment_intent_data"] = {"transfer_data": {"destination": seller}, "metadata": mark}
        if fee := fee_of(purchase.amount):
            params["payment_intent_data"]["application_fee_amount"] = fee
        return params
    params["mode"] = "subscription"
    params["subscription_data"] = {"transfer_data": {"destination": seller}, "metadata": mark}
    if percent:
        params["subscription_data"]["application_fee_percent"] = percent
    return params


def _describe_price(purchase: Purchase, name: str) -> "SessionCreateParamsLineItemPriceData":
    price: SessionCreateParamsLineItemPriceData = {
        "currency": purchase.currency,
        "unit_amount": purchase.amount,
        "product_data": {"name": name},
    }
    if purchase.kind == PriceKind.MONTH:
        price["recurring"] = {"interval": "month"}
    return price


def list_purchases(user: User) -> ScopedQuerySet[Purchase]:
    """What a person has bought, newest first; pages that were never paid are left out."""
    bought = Purchase.objects.filter(user=user, paid_at__isnull=False)
    return bought.select_related("listing", "grant").order_by("-created_at")


def list_sales(workspace_id: UUID) -> ScopedQuerySet[Purchase]:
    """What a workspace has sold, newest first."""
    sold = Purchase.objects.for_workspace(workspace_id).filter(paid_at__isnull=False)
    return sold.select_related("listing", "user").order_by("-paid_at", "-id")


def open_purchase_portal(*, purchase: Purchase) -> str:
    """The address of Stripe's page where the buyer of a month changes the card or cancels. Raises NotForSale."""
    if not purchase.subscription_id:
        raise NotForSale()
    found = ask(lambda client: client.v1.subscriptions.retrieve(purchase.subscription_id))
    configuration = find_portal(BUYERS_PORTAL)
    return ask(
        lambda client: client.v1.billing_portal.sessions.create(
            {
                "customer": id_of(found.customer),
                "return_url": f"{settings.SITE_URL}/store/library",
                **({"configuration": configuration} if configuration else {}),
            }
        )
    ).url


@transaction.atomic
def refund_purchase(*, purchase: Purchase) -> Purchase:
    """Give the buyer the last payment back, from the creator's account and with the platform's fee.

    Access ends at once, and a month's subscription with it. Raises InDispute, NothingToRefund, and what `ask` raises.
    """
    locked = lock_purchase(purchase.pk)
    if locked is not None and locked.status in CONTESTED:
        raise InDispute()
    charge = _last_charge(locked) if locked is not None else None
    if locked is None or charge is None or charge.refunded:
        raise NothingToRefund()
    if locked.subscription_id:
        _cancel_subscription(locked.subscription_id)
    with_fee = charge.application_fee is not None
    ask(
        lambda client: client.v1.refunds.create(
            {
                "charge": charge.id,
                "reverse_transfer": True,
                "metadata": {PURCHASE_METADATA: str(locked.pk)},
                **({"refund_application_fee": True} if with_fee else {}),
            },
            {"idempotency_key": f"refund-{charge.id}-{charge.amount_refunded}"},
        )
    )
    mirror_purchase(locked)
    return locked


def _last_charge(purchase: Purchase) -> "stripe.Charge | None":
    if purchase.payment_intent_id:
        found = list_charges({"payment_intent": purchase.payment_intent_id})
    elif purchase.subscription_id:
        subscription = ask(lambda client: client.v1.subscriptions.retrieve(purchase.subscription_id))
        found = list_charges({"customer": id_of(subscription.customer)})
    else:
        found = []
    return next((charge for charge in found if charge.status == "succeeded"), None)


def _cancel_subscription(subscription_id: str) -> None:
    """Ended first, so that no other month is charged while the money goes back."""
    found = ask(lambda client: client.v1.subscriptions.retrieve(subscription_id))
    if found.status not in OVER:
        ask(lambda client: client.v1.subscriptions.cancel(subscription_id))
