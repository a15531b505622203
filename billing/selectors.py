"""Reads about budgets, the subscription and its invoices. The first argument is the workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, F, FloatField, Q, Window
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Greatest
from django.utils import timezone

from billing.budgets import period_at
from billing.models import Budget, BudgetCounter, Invoice, Period, Subscription
from core.tenancy import ScopedQuerySet

_SHOWN_INVOICES = 24


@dataclass(frozen=True, slots=True)
class Use:
    """How a budget stands in the period that is under way: its fullest counter, and how many counters there are.

    `share` is of the cap that is used up most, spent and reserved together, 1.0 when nothing is left.
    """

    spent_usd: Decimal
    spent_tokens: int
    reserved_usd: Decimal
    reserved_tokens: int
    share: float
    subject: str
    subjects: int
    resets_at: datetime | None


def list_budgets(workspace_id: UUID, agent_id: UUID) -> ScopedQuerySet[Budget]:
    """The agent's budgets, newest first."""
    return Budget.objects.for_workspace(workspace_id).filter(agent_id=agent_id)


def read_use(budgets: Sequence[Budget], now: datetime | None = None) -> dict[UUID, Use]:
    """How each of these budgets stands, by its id, in one query."""
    now = now or timezone.now()
    under_way = Q(pk__in=[])
    for period in Period.values:
        under_way |= Q(budget__period=period, starts_at=period_at(period, now)[0])
    counters = (
        BudgetCounter.objects.filter(under_way, budget__in=budgets)
        .annotate(
            share=Greatest(Coalesce(_share("usd"), 0.0), Coalesce(_share("tokens"), 0.0)),
            subjects=Window(Count("pk"), partition_by="budget_id"),
        )
        .order_by("budget_id", "-share")
        .distinct("budget_id")
    )
    uses = {counter.budget_id: counter for counter in counters}
    return {budget.pk: _use_of(budget, uses.get(budget.pk), now) for budget in budgets}


def _share(unit: str) -> Combinable:
    used = Cast(F(f"spent_{unit}") + F(f"reserved_{unit}"), FloatField())
    return used / Cast(F(f"budget__limit_{unit}"), FloatField())


def _use_of(budget: Budget, counter: BudgetCounter | None, now: datetime) -> Use:
    resets_at = period_at(budget.period, now)[1]
    if counter is None:
        return Use(Decimal(0), 0, Decimal(0), 0, 0.0, "", 0, resets_at)
    return Use(
        counter.spent_usd,
        counter.spent_tokens,
        counter.reserved_usd,
        counter.reserved_tokens,
        min(counter.share, 1.0),  # type: ignore[attr-defined]
        counter.subject,
        counter.subjects,  # type: ignore[attr-defined]
        resets_at,
    )


def find_subscription(workspace_id: UUID) -> Subscription | None:
    """The workspace's newest subscription, whatever became of it."""
    return Subscription.objects.for_workspace(workspace_id).exclude(status="incomplete_expired").first()


def list_latest_invoices(workspace_id: UUID) -> ScopedQuerySet[Invoice]:
    """The workspace's latest 24 invoices that Stripe has issued, newest first."""
    return Invoice.objects.for_workspace(workspace_id).exclude(status="draft")[:_SHOWN_INVOICES]
