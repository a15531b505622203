"""Quotas: how many of something a plan gives. The one guard; everybody who makes such a thing asks here.

Agents, bytes of knowledge and members are counted in a row each (`QuotaUse`), changed by a conditional update: of
fifty who come at once, exactly those pass that fit. Requests are counted by the rate limiter, in the same windows that
its headers tell (`billing.plans.windows_of`). What is over a limit after a downgrade stays and can be read; it cannot
be changed until it fits again (`require_within`).
"""

import logging
from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import Membership, Workspace
from billing.errors import OverQuota, QuotaExceeded
from billing.models import QuotaNotice, QuotaUse, Resource
from billing.plans import Plan, plan_of

REQUESTS = "requests"  # counted by the rate limiter, but told about like the others
NOTICES = (100, 80)  # percent at which the owners get a mail, the higher first
Count = Callable[[UUID], int]  # a workspace's own rows, as they are

logger = logging.getLogger(__name__)
_counts: dict[str, Count] = {Resource.MEMBERS: lambda workspace: Membership.objects.filter(workspace=workspace).count()}


def register_count(resource: str, count: Count) -> None:
    """Tell the guard how to count a resource whose rows live in a higher app."""
    _counts[resource] = count


def limit_of(plan: Plan, resource: str) -> int | None:
    """How many the plan gives; None: as many as one likes."""
    limits = {
        Resource.AGENTS: plan.agents,
        Resource.KNOWLEDGE: plan.knowledge_bytes,
        Resource.MEMBERS: plan.members,
        REQUESTS: plan.requests_per_day,
    }
    return limits[resource]


@transaction.atomic
def take(*, workspace_id: UUID, resource: str, amount: int = 1) -> None:
    """Count `amount` more, in the transaction that makes the thing. Raises QuotaExceeded when it does not fit.

    The workspace's row of the resource stays locked until that transaction ends.
    """
    plan = _plan_of(workspace_id)
    limit = limit_of(plan, resource)
    _open(workspace_id, resource)
    fits = QuotaUse.objects.filter(workspace=workspace_id, resource=resource)
    if limit is not None:
        fits = fits.filter(used__lte=limit - amount)
    if not fits.update(used=F("used") + amount):
        raise QuotaExceeded(resource=resource, limit=limit or 0, plan=plan.name)
    if limit is not None:
        _note(workspace_id, resource, limit)


def give_back(*, workspace_id: UUID, resource: str, amount: int = 1) -> None:
    """Count `amount` less, in the transaction that deletes the thing."""
    rows = QuotaUse.objects.filter(workspace=workspace_id, resource=resource)
    rows.update(used=Greatest(F("used") - amount, 0))


def require_within(*, workspace_id: UUID, resource: str, place: Callable[[], int]) -> None:
    """Raise OverQuota for what is over the limit: the thing before which `place()` older ones stand.

    `place` is asked only where there is a limit.
    """
    plan = _plan_of(workspace_id)
    limit = limit_of(plan, resource)
    if limit is not None and place() >= limit:
        raise OverQuota(resource=resource, limit=limit, plan=plan.name)


def read_use(workspace_id: UUID, resource: str) -> int:
    """How much of a counted resource a workspace holds. One query, or two before anything was counted."""
    rows = QuotaUse.objects.filter(workspace=workspace_id, resource=resource)
    used = rows.values_list("used", flat=True).first()
    return _counts[resource](workspace_id) if used is None else used


def recount(workspace_id: UUID) -> dict[str, tuple[int, int]]:
    """Set the counts to what is there; returns what was wrong: resource → (counted, there)."""
    wrong = {}
    for resource, count in _counts.items():
        with transaction.atomic():
            row = QuotaUse.objects.select_for_update().filter(workspace=workspace_id, resource=resource).first()
            there = count(workspace_id)
            if row is not None and row.used != there:
                wrong[resource] = (row.used, there)
                QuotaUse.objects.filter(pk=row.pk).update(used=there)
    return wrong


def recount_all() -> None:
    """Recount every workspace whose counts are kept, and log what was wrong."""
    for workspace_id in QuotaUse.objects.order_by("workspace").values_list("workspace", flat=True).distinct():
        wrong = recount(workspace_id)
        if wrong:
            logger.warning("quotas of workspace %s were counted wrong: %s", workspace_id, wrong)


def note_use(*, workspace_id: UUID, resource: str, used: int, limit: int, period: str) -> None:
    """Owe the owners a mail when 80 or 100 % are used: once each in a period."""
    reached = next((percent for percent in NOTICES if used * 100 >= limit * percent), None)
    if reached is not None:
        notice = QuotaNotice(workspace_id=workspace_id, resource=resource, percent=reached, period=period)
        QuotaNotice.objects.bulk_create([notice], ignore_conflicts=True)


def _plan_of(workspace_id: UUID) -> Plan:
    plan = Workspace.objects.filter(pk=workspace_id).values_list("plan", flat=True).first()
    return plan_of(plan or "")


def _open(workspace_id: UUID, resource: str) -> None:
    """Make the row, with what is there now, where it is missing: a workspace that is older than its counters."""
    if QuotaUse.objects.filter(workspace=workspace_id, resource=resource).exists():
        return
    row = QuotaUse(workspace_id=workspace_id, resource=resource, used=_counts[resource](workspace_id))
    QuotaUse.objects.bulk_create([row], ignore_conflicts=True)


def _note(workspace_id: UUID, resource: str, limit: int) -> None:
    used = QuotaUse.objects.values_list("used", flat=True).get(workspace=workspace_id, resource=resource)
    note_use(workspace_id=workspace_id, resource=resource, used=used, limit=limit, period=f"{timezone.now():%Y-%m}")
