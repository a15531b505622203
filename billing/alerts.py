"""Alerts of budgets that are nearly used up: a debt noted in the counter's row until somebody has told it."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.db import transaction
from django.utils import timezone

from billing.models import Budget, BudgetCounter
from billing.signals import budget_alert

logger = logging.getLogger(__name__)
_KEPT = timedelta(days=62)  # after a period's end
_DELETED_AT_ONCE = 5_000


def tell_next_alert() -> bool:
    """Tell one alert by `budget_alert`; False when none is due, or a mail server does not answer.

    The row stays locked meanwhile: two workers do not tell it twice, and one that dies leaves the debt.
    """
    try:
        with transaction.atomic():
            due = BudgetCounter.objects.filter(alerted_at__isnull=False, told_at=None).select_related("budget")
            counter = due.select_for_update(of=("self",), skip_locked=True).order_by("alerted_at").first()
            if counter is None:
                return False
            BudgetCounter.objects.filter(pk=counter.pk).update(told_at=timezone.now())
            budget_alert.send(sender=Budget, counter=counter)
    except (SMTPException, OSError):
        logger.exception("the alert of a budget was not sent; the next round tries again")
        return False
    return True


def delete_old_counters() -> bool:
    """Delete some counters of periods that ended long ago; False when none is left."""
    old = BudgetCounter.objects.filter(resets_at__lt=timezone.now() - _KEPT).values("pk")[:_DELETED_AT_ONCE]
    return bool(BudgetCounter.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0])
