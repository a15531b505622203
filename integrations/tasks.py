"""Celery: upkeep of webhooks. Sending them is no task: `webhooks.courier` does it in a thread of the worker."""

from celery import shared_task

from integrations import notices, services


@shared_task(name="integrations.delete_old_deliveries", ignore_result=True)
def delete_old_deliveries() -> None:
    """Delete the deliveries whose time is over."""
    while services.delete_old_deliveries():
        pass


@shared_task(name="integrations.send_notices", ignore_result=True)
def send_notices() -> None:
    """Tell owners of webhooks that were switched off."""
    while notices.send_next_notice():
        pass
