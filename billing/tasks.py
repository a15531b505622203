"""Celery: the upkeep of budgets."""

from celery import shared_task

from billing import alerts


@shared_task(name="billing.tell_budget_alerts", ignore_result=True)
def tell_budget_alerts() -> None:
    """Tell which budgets have passed 80 %."""
    while alerts.tell_next_alert():
        pass


@shared_task(name="billing.delete_old_counters", ignore_result=True)
def delete_old_counters() -> None:
    """Delete the counters whose time is over."""
    while alerts.delete_old_counters():
        pass
