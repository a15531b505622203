"""Celery: the upkeep of budgets; Stripe's events, graces and the nightly comparison."""

import logging

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from billing import alerts, events, grace, meter_reports, quota_notices, quotas, reconcile
from billing.stripe import as_job, is_configured

logger = logging.getLogger(__name__)
NIGHT_HOUR = 3  # UTC


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


@shared_task(name="billing.apply_stripe_event", ignore_result=True)
def apply_stripe_event(event_id: str) -> None:
    """Apply an event that was just stored."""
    with as_job():
        events.apply_event(event_id)


def enqueue_event(event_id: str) -> None:
    """Have the event applied soon. Without a broker the sweeper finds it: the row is what counts."""
    try:
        apply_stripe_event.apply_async((event_id,), retry=False)
    except OperationalError:
        logger.warning("no broker: the Stripe event %s waits for the sweeper", event_id)


@shared_task(name="billing.apply_due_events", ignore_result=True)
def apply_due_events() -> None:
    """Apply the events whose job was lost, and those that wait for another attempt."""
    if is_configured():
        with as_job():
            events.apply_due_events()
    events.delete_old_events()


@shared_task(name="billing.end_graces", ignore_result=True)
def end_graces() -> None:
    """Take away the plans whose days of grace are over, and write the mails that graces owe."""
    if is_configured():
        with as_job():
            grace.end_graces()
    while grace.tell_next_grace():
        pass


@shared_task(name="billing.reconcile_at_night", ignore_result=True)
def reconcile_at_night() -> None:
    """Once a night (the beat asks every hour): find what differs from Stripe, and mend it."""
    if is_configured() and timezone.now().hour == NIGHT_HOUR:
        reconcile.reconcile()


@shared_task(name="billing.recount_quotas", ignore_result=True)
def recount_quotas() -> None:
    """Once a night: compare the counts of quotas with what is there."""
    if timezone.now().hour == NIGHT_HOUR:
        quotas.recount_all()


@shared_task(name="billing.report_usage", ignore_result=True)
def report_usage() -> None:
    """Close the hours that are over, and tell Stripe what was used beyond plans."""
    meter_reports.close_hours()
    if is_configured():
        with as_job():
            meter_reports.send_reports()


@shared_task(name="billing.tell_quota_notices", ignore_result=True)
def tell_quota_notices() -> None:
    """Tell owners which quotas are nearly or wholly used."""
    quota_notices.note_requests()
    while quota_notices.tell_next_notice():
        pass
