"""Celery: the upkeep of sessions."""

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone


@shared_task(name="accounts.clear_sessions", ignore_result=True)
def clear_sessions() -> None:
    """Delete the sessions, and with them the token families, that have expired."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
