from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.tasks import clear_sessions


@pytest.mark.django_db
def test_clear_sessions_deletes_expired_only():
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="live", session_data="", expire_date=now + timedelta(hours=1))
    clear_sessions()
    assert [session.session_key for session in Session.objects.all()] == ["live"]
