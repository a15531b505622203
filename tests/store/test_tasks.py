"""Upkeep: allowances of days that are over go, what tokens and purchases give stays."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from billing.grants import ensure_allowance
from billing.models import Grant
from gilo.celery import app
from store import tasks
from store.access import create_token
from store.models import SearchWord
from tests.factories import make_user
from tests.store.making import PER_MONTH, make_draft, make_listing, make_purchase

pytestmark = pytest.mark.django_db


def test_old_allowances_go_with_those_within_them_and_rights_stay():
    now = timezone.now()
    token, _ = create_token(listing=make_listing(), actor=None, label="x", expires_at=now + timedelta(days=1))
    purchase = make_purchase(make_listing(**PER_MONTH), make_user())
    kept = {token.grant_id, purchase.grant_id}
    Grant.objects.update(expires_at=now - timedelta(days=30))
    for days in (8, 1):
        above, below = uuid4(), uuid4()
        for grant_id, parent_id in ((above, None), (below, above)):
            end = now - timedelta(days=days)
            ensure_allowance(grant_id=grant_id, most_uses=1, expires_at=end, parent_id=parent_id)
        if days == 1:
            kept |= {above, below}
    tasks.delete_old_allowances()
    assert set(Grant.objects.values_list("pk", flat=True)) == kept


def test_words_of_no_listing_go():
    make_draft(name="Ephemeral").delete()
    tasks.forget_words()
    assert not SearchWord.objects.filter(word="ephemeral").exists()


def test_beat_calls_every_task_of_the_store():
    app.autodiscover_tasks(force=True)
    ours = {name for name in app.tasks if name.startswith("store.")}
    called = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert ours <= called


def test_beat_calls_everything_at_least_once_an_hour():
    """Its clock begins anew with each start: a task of once a day would never run on a machine that starts each day."""
    assert [name for name, entry in settings.CELERY_BEAT_SCHEDULE.items() if entry["schedule"] > 3600] == []
