"""The ways to Stripe's own pages, where a workspace pays, changes its plan, and finds its invoices."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.utils.translation import get_language

from accounts.models import Workspace
from billing.customers import WORKSPACE_METADATA, ensure_customer
from billing.errors import AlreadyOnPlan, BillingIsOff, NoSubscription, PlanNotSold
from billing.models import Customer, Subscription
from billing.prices import SOLD_PLANS, find_meter_prices, find_portal, find_price, plan_of_price
from billing.stripe import ask
from billing.subscriptions import find_current

if TYPE_CHECKING:
    from stripe.params.billing_portal import SessionCreateParams as PortalParams
    from stripe.params.checkout import (
        SessionCreateParams,
        SessionCreateParamsLineItem,
        SessionCreateParamsSubscriptionData,
    )


def start_checkout(*, workspace: Workspace, plan_id: str, email: str) -> str:
    """The address of the page where the workspace buys this plan, or, when it has another one, changes to it.

    Raises BillingIsOff, PlanNotSold, AlreadyOnPlan, and what `billing.stripe.ask` raises.
    """
    _require_billing()
    if plan_id not in SOLD_PLANS:
        raise PlanNotSold()
    customer = ensure_customer(workspace=workspace, email=email)
    current = find_current(workspace.pk)
    if current is not None:
        return _start_change(customer, current, plan_id)
    _expire_open_sessions(customer)
    params = _describe_checkout(customer, find_price(plan_id))
    return ask(lambda client: client.v1.checkout.sessions.create(params)).url or ""


def _describe_checkout(customer: Customer, price: str) -> "SessionCreateParams":
    page = f"{settings.SITE_URL}/settings/billing"
    return {
        "mode": "subscription",
        "customer": customer.stripe_id or "",
        "customer_update": {"address": "auto", "name": "auto"},
        "client_reference_id": str(customer.workspace_id),
        "line_items": [{"price": price, "quantity": 1}, *_describe_meters()],
        "subscription_data": _describe_subscription(customer.workspace_id),
        "automatic_tax": {"enabled": settings.STRIPE_TAX},
        "tax_id_collection": {"enabled": True},
        "allow_promotion_codes": True,
        "locale": _locale(),
        "success_url": f"{page}?checkout=done",
        "cancel_url": page,
    }


def _describe_meters() -> "list[SessionCreateParamsLineItem]":
    return [{"price": price} for price in find_meter_prices()]


def _describe_subscription(workspace_id: UUID) -> "SessionCreateParamsSubscriptionData":
    metadata = {WORKSPACE_METADATA: str(workspace_id)}
    has_had_one = Subscription.objects.for_workspace(workspace_id).exclude(status="incomplete_expired").exists()
    if has_had_one or not settings.TRIAL_DAYS:
        return {"metadata": metadata}
    return {"metadata": metadata, "trial_period_days": settings.TRIAL_DAYS}


def _expire_open_sessions(customer: Customer) -> None:
    """Of two pages left open, both could be paid: the older ones are closed."""
    open_ones = {"customer": customer.stripe_id or "", "status": "open", "limit": 100}
    for session in ask(lambda client: client.v1.checkout.sessions.list(open_ones)).data:  # type: ignore[arg-type]
        ask(lambda client, id=session.id: client.v1.checkout.sessions.expire(id))  # type: ignore[misc]


def _start_change(customer: Customer, current: Subscription, plan_id: str) -> str:
    """The portal's page that asks to confirm the change to this plan; Stripe computes what is due or credited."""
    if current.plan == plan_id and not current.cancel_at_period_end:
        raise AlreadyOnPlan()
    if current.plan == plan_id:  # resumed where it was cancelled
        return _open_portal(_describe_portal(customer))
    price = find_price(plan_id)
    found = ask(lambda client: client.v1.subscriptions.retrieve(current.stripe_id))
    item = next(item.id for item in found.items.data if plan_of_price(item.price))
    params = _describe_portal(customer)
    params["flow_data"] = {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": {
            "subscription": current.stripe_id,
            "items": [{"id": item, "price": price, "quantity": 1}],
        },
        "after_completion": {"type": "redirect", "redirect": {"return_url": params["return_url"] + "?checkout=done"}},
    }
    return _open_portal(params)


def open_portal(*, workspace: Workspace) -> str:
    """The address of Stripe's page for payment methods, invoices and cancellation.

    Raises BillingIsOff, NoSubscription, and what `billing.stripe.ask` raises.
    """
    _require_billing()
    customer = Customer.objects.for_workspace(workspace).exclude(stripe_id=None).first()
    if customer is None:
        raise NoSubscription()
    return _open_portal(_describe_portal(customer))


def _describe_portal(customer: Customer) -> "PortalParams":
    params: PortalParams = {
        "customer": customer.stripe_id or "",
        "return_url": f"{settings.SITE_URL}/settings/billing",
        "locale": _locale(),
    }
    if configuration := find_portal():
        params["configuration"] = configuration
    return params


def _open_portal(params: "PortalParams") -> str:
    return ask(lambda client: client.v1.billing_portal.sessions.create(params)).url


def _locale() -> str:
    language = get_language()
    return language[:2] if language else "auto"


def _require_billing() -> None:
    if not settings.BILLING:
        raise BillingIsOff()
