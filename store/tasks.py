"""Celery: what is counted apart from the chats, mails that are owed, and upkeep."""

from celery import shared_task
from django.db import transaction

from store import disputes, moderation, ranking, search, sessions


@shared_task(name="store.count_uses", ignore_result=True)
def count_uses() -> None:
    """Count what was said since the last time."""
    ranking.count_uses()


@shared_task(name="store.score_listings", ignore_result=True)
def score_listings() -> None:
    """Let trends fade and ratings follow the store's mean."""
    ranking.score_trends()
    ranking.score_ratings()


@shared_task(name="store.send_notices", ignore_result=True)
def send_notices() -> None:
    """Tell creators whose listings were taken down, and whose sales are disputed."""
    while moderation.send_next_notice() or disputes.send_next_notice():
        pass


@shared_task(name="store.forget_words", ignore_result=True)
def forget_words() -> None:
    """Drop the words that no listing has any more."""
    with transaction.atomic():
        search.forget_unused_words()


@shared_task(name="store.delete_old_allowances", ignore_result=True)
def delete_old_allowances() -> None:
    """Delete the allowances of days that are over."""
    while sessions.delete_old_allowances():
        pass
