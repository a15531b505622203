"""Alerts of budgets that are nearly used up: a debt noted in the counter's row until somebody has told it."""

from datetime import timedelta

from django.utils import timezone

from accounts.mails import tell_next
from billing.models import Budget, BudgetCounter
from billing.signals import budget_alert

_KEPT = timedelta(days=62)  # after a period's end
_DELETED_AT_ONCE = 5_000


def tell_next_alert() -> bool:
    """Tell one alert by `budget_alert`; False when none is due, or a mail server does not answer."""
    due = BudgetCounter.objects.filter(alerted_at__isnull=False, told_at=None).select_related("budget")
    return tell_next(due.order_by("alerted_at"), _tell)


def _tell(counter: BudgetCounter) -> None:
    BudgetCounter.objects.filter(pk=counter.pk).update(told_at=timezone.now())
    budget_alert.send(sender=Budget, counter=counter)


def delete_old_counters() -> bool:
    """Delete some counters of periods that ended long ago; False when none is left."""
    old = BudgetCounter.objects.filter(resets_at__lt=timezone.now() - _KEPT).values("pk")[:_DELETED_AT_ONCE]
    return bool(BudgetCounter.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0])
