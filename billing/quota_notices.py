"""Mails to a workspace's owners when 80 or 100 % of a quota are used: a debt noted in a row until it is told."""

from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils import timezone
from django.utils.formats import number_format

from accounts.mails import mail_owners, tell_next
from accounts.models import Workspace
from billing.models import QuotaNotice, Resource, UsageRecord
from billing.plans import plan_of
from billing.quotas import NOTICES, REQUESTS, limit_of, note_use
from core.ids import first_uuid7
from core.sizes import format_size


def note_requests(now: datetime | None = None) -> None:
    """Look how many of the day's requests are used (UTC), and note what the owners should know."""
    today = (now or timezone.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    # Records have their run's id, and that begins with its time: the day's are the last of the primary key.
    records = UsageRecord.objects.filter(pk__gte=first_uuid7(today), api_key_id__isnull=False)
    counts = dict(records.order_by().values_list("workspace").annotate(n=Count("pk")))
    for workspace in Workspace.objects.filter(pk__in=counts):
        limit = limit_of(plan_of(workspace.plan), REQUESTS)
        if limit is not None:
            note_use(
                workspace_id=workspace.pk,
                resource=REQUESTS,
                used=counts[workspace.pk],
                limit=limit,
                period=f"{today:%Y-%m-%d}",
            )


def tell_next_notice() -> bool:
    """Send one mail that is owed; False when none is, or the mail server does not answer."""
    owed = QuotaNotice.objects.filter(told_at=None).select_related("workspace")
    return tell_next(owed.order_by("created_at"), _tell)


def _tell(notice: QuotaNotice) -> None:
    QuotaNotice.objects.filter(pk=notice.pk).update(told_at=timezone.now())
    mail_owners(notice.workspace_id, "billing/email/quota_notice", lambda: _describe(notice))


def _describe(notice: QuotaNotice) -> dict[str, Any]:
    plan = plan_of(notice.workspace.plan)
    limit = limit_of(plan, notice.resource)
    return {
        "workspace": notice.workspace.name,
        "plan": plan.name,
        "resource": notice.resource,
        "is_full": notice.percent == NOTICES[0],
        "percent": notice.percent,
        "limit": _show(notice.resource, limit),
    }


def _show(resource: str, limit: int | None) -> str:
    if limit is None:
        return ""
    return format_size(limit) if resource == Resource.KNOWLEDGE else number_format(limit, force_grouping=True)
