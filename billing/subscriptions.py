"""Subscriptions as Stripe tells them, and the plan that a workspace draws from them: the one place that sets it.

What is mirrored follows from Stripe's present state alone, never from the order in which events came.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from accounts.models import Workspace
from billing.errors import StripeObjectMissing
from billing.models import Customer, Subscription
from billing.plans import PLANS
from billing.prices import SOLD_PLANS, plan_of_price
from billing.stripe import ask

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)
ENTITLED = frozenset({"active", "trialing"})
PAST_DUE = "past_due"
OVER = frozenset({"canceled", "incomplete_expired"})


def mirror_subscription(customer: Customer, stripe_id: str) -> None:
    """Read the subscription from Stripe into our row, and the workspace's plan from there. The customer is locked."""
    try:
        found = ask(lambda client: client.v1.subscriptions.retrieve(stripe_id))
    except StripeObjectMissing:  # deleted for good, as only test data can be
        Subscription.objects.filter(stripe_id=stripe_id).delete()
    else:
        store_subscription(customer, found)
    draw_plan(customer.workspace_id)


def store_subscription(customer: Customer, found: "stripe.Subscription") -> Subscription:
    """Write what Stripe told into our row. A grace that is over, or begins anew, owes its mails anew."""
    fields = {"workspace_id": customer.workspace_id, **describe_subscription(found)}
    known = Subscription.objects.filter(stripe_id=found.id).first()
    if known is None or known.grace_ends_at != fields["grace_ends_at"]:
        fields["grace_mails"] = 0
    return Subscription.objects.update_or_create(stripe_id=found.id, defaults=fields)[0]


def describe_subscription(found: "stripe.Subscription") -> dict[str, Any]:
    """Our columns as Stripe's subscription has them."""
    items = list(found.items.auto_paging_iter())
    plans = [plan for item in items if (plan := plan_of_price(item.price))]
    if not plans:
        logger.error("the subscription %s has no price of a plan of ours", found.id)
    return {
        "plan": plans[0] if plans else "",
        "status": found.status,
        "trial_ends_at": at(found.trial_end),
        "current_period_end": at(max((item.current_period_end for item in items), default=None)),
        "cancel_at_period_end": found.cancel_at_period_end or found.cancel_at is not None,
        "grace_ends_at": _find_end_of_grace(found),
        "ended_at": at(found.ended_at),
    }


def _find_end_of_grace(found: "stripe.Subscription") -> datetime | None:
    """Some days after Stripe first tried to collect what is still not paid; None when all is paid."""
    if found.status != PAST_DUE:
        return None
    unpaid = ask(lambda client: client.v1.invoices.list({"subscription": found.id, "status": "open", "limit": 100}))
    tried = [invoice.status_transitions.finalized_at or invoice.created for invoice in unpaid.data if invoice.attempted]
    since = at(min(tried, default=None)) or timezone.now()
    return since + timedelta(days=settings.GRACE_DAYS)


def draw_plan(workspace_id: UUID) -> None:
    """Set the workspace's plan to the best of its subscriptions that entitle to one now, else to the default.

    A plan that an operator gave by hand, which is not for sale, stays.
    """
    rows = Subscription.objects.for_workspace(workspace_id)
    plans = [row.plan for row in rows if is_entitled(row)]
    best = max(plans, key=lambda plan: PLANS[plan].price_usd, default="")
    Workspace.objects.filter(pk=workspace_id, plan__in=["", *SOLD_PLANS]).exclude(plan=best).update(plan=best)


def is_entitled(subscription: Subscription, now: datetime | None = None) -> bool:
    """Whether the subscription gives its plan: it is paid, on trial, or within the days of grace."""
    if subscription.plan not in SOLD_PLANS:
        return False
    grace = subscription.grace_ends_at
    in_grace = subscription.status == PAST_DUE and grace is not None and (now or timezone.now()) < grace
    return subscription.status in ENTITLED or in_grace


def find_current(workspace_id: UUID) -> Subscription | None:
    """The workspace's subscription that goes on, the newest one; None when it has none."""
    rows = Subscription.objects.for_workspace(workspace_id).filter(plan__in=SOLD_PLANS)
    return rows.exclude(status__in=[*OVER, "incomplete"]).first()


def at(seconds: int | None) -> datetime | None:
    """Stripe's time as ours."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
