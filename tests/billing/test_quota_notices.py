"""Mails about quotas: owed once, sent to the owners in their language, never lost."""

from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Role, User
from billing import quota_notices
from billing.models import QuotaNotice, UsageRecord
from core.ids import uuid7
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db


def use_requests(workspace: Any, count: int) -> None:
    UsageRecord.objects.bulk_create(
        UsageRecord(
            workspace=workspace, agent_id=uuid7(), api_key_id=uuid7(), channel="api", model="m", at=timezone.now(),
            input_tokens=1, output_tokens=1, cost_usd=0,
        )
        for _ in range(count)
    )  # fmt: skip


def tell_all() -> None:
    quota_notices.note_requests()
    while quota_notices.tell_next_notice():
        pass


def test_owners_are_told_of_the_days_requests_at_80_and_at_100_percent() -> None:
    workspace, _ = make_workspace()
    make_workspace(role=Role.VIEWER)
    use_requests(workspace, 799)
    tell_all()
    assert mail.outbox == []
    use_requests(workspace, 1)
    tell_all()
    tell_all()
    use_requests(workspace, 200)
    tell_all()
    first, second = mail.outbox
    assert "has used 80 % of the 1,000 requests that the plan Free gives a day" in first.body
    assert "Further ones are refused until midnight UTC" in second.body
    assert second.subject.endswith("a limit of your plan is reached")


def test_the_mail_is_in_the_owners_language() -> None:
    workspace, user = make_workspace()
    User.objects.filter(pk=user.pk).update(language="fr")
    for number in range(4):
        make_agent(workspace, name=f"Agent {number}")
    tell_all()
    assert mail.outbox[0].to == [user.email]
    assert "80 % des 5 agents de la formule Free" in mail.outbox[0].body


def test_a_mail_server_that_is_away_leaves_the_debt(settings: Any) -> None:
    workspace, _ = make_workspace()
    use_requests(workspace, 900)
    quota_notices.note_requests()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert quota_notices.tell_next_notice() is False
    assert QuotaNotice.objects.get().told_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert quota_notices.tell_next_notice() is True
    assert len(mail.outbox) == 1


def test_a_plan_without_limits_owes_nothing() -> None:
    workspace, _ = make_workspace()
    workspace.plan = "team"
    workspace.save()
    use_requests(workspace, 2_000)
    quota_notices.note_requests()
    assert not QuotaNotice.objects.exists()
