"""The days between a failed payment and the loss of the plan: three mails, then the plan ends. Nothing is deleted."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format

from accounts.mails import mail_owners, tell_next
from billing.customers import lock_customer
from billing.errors import PaymentsUnavailable
from billing.models import Customer, Subscription
from billing.plans import PLANS, plan_of
from billing.prices import SOLD_PLANS
from billing.subscriptions import PAST_DUE, mirror_subscription

logger = logging.getLogger(__name__)
REMINDER = timedelta(days=2)  # before the end
MAILS = ("started", "ending", "over")


def end_graces() -> None:
    """Draw anew the plans of workspaces whose grace is over. Stripe is asked once more: they may have paid."""
    over = Subscription.objects.filter(status=PAST_DUE, grace_ends_at__lte=timezone.now())
    for row in over.filter(workspace__plan__in=SOLD_PLANS).select_related("workspace__customer"):
        customer: Customer = row.workspace.customer
        try:
            with transaction.atomic():
                locked = lock_customer(customer.stripe_id or "")
                if locked is not None:
                    mirror_subscription(locked, row.stripe_id)
        except PaymentsUnavailable:
            logger.warning("Stripe does not answer: the graces that are over end later")
            return


def mails_due(ends_at: datetime, now: datetime) -> int:
    """How many of a grace's three mails should have been sent by now."""
    return 1 + (now >= ends_at - REMINDER) + (now >= ends_at)


def tell_next_grace() -> bool:
    """Send the latest mail that one grace owes; False when none is owed, or the mail server does not answer."""
    now = timezone.now()
    in_grace = Subscription.objects.filter(status=PAST_DUE, grace_ends_at__isnull=False)
    owing = (
        in_grace.filter(grace_mails=0)
        | in_grace.filter(grace_mails=1, grace_ends_at__lte=now + REMINDER)
        | in_grace.filter(grace_mails=2, grace_ends_at__lte=now)
    )
    return tell_next(owing.select_related("workspace"), _tell)


def _tell(row: Subscription) -> None:
    assert row.grace_ends_at is not None  # the query asks for it
    row.grace_mails = mails_due(row.grace_ends_at, timezone.now())
    row.save(update_fields=["grace_mails", "updated_at"])
    mail_owners(row.workspace_id, f"billing/email/grace_{MAILS[row.grace_mails - 1]}", lambda: _describe(row))


def _describe(row: Subscription) -> dict[str, Any]:
    return {
        "workspace": row.workspace.name,
        "plan": PLANS[row.plan].name if row.plan in PLANS else row.plan,
        "default_plan": plan_of("").name,
        "ends_at": date_format(row.grace_ends_at, "DATE_FORMAT") if row.grace_ends_at else "",
        "link": f"{settings.SITE_URL}/settings/billing",
    }
