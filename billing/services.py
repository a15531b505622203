"""Writes about budgets and about what is allowed beyond the plan: keyword-only, one transaction each.

Permission is the route's declared policy.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_noop

from accounts.models import Workspace
from billing.errors import PaymentsNotConfigured, TooManyBudgets
from billing.models import Budget, Customer
from billing.plans import plan_of
from billing.stripe import is_configured
from core.errors import ValidationFailed

NO_OVERAGE = gettext_noop("Your plan has no paid requests beyond its own. Choose one that has.")
MOST_BUDGETS = 20  # of one agent: each is checked on every turn


@transaction.atomic
def create_budget(*, workspace_id: UUID, agent_id: UUID, **fields: Any) -> Budget:
    """A new cap; it holds from the next turn on, in other processes within half a second.

    Raises TooManyBudgets, and ValidationFailed for one that caps nothing.
    """
    _require_limit(fields)
    # One workspace's budgets are made one after the other, so that the count holds.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
    if Budget.objects.for_workspace(workspace_id).filter(agent_id=agent_id).count() >= MOST_BUDGETS:
        raise TooManyBudgets()
    return Budget.objects.create(workspace_id=workspace_id, agent_id=agent_id, **fields)


@transaction.atomic
def update_budget(*, budget: Budget, **changes: Any) -> Budget:
    """Change limits, or switch the cap on or off. What was used so far in the period stays counted."""
    budget = Budget.objects.select_for_update().get_or_404(pk=budget.pk)
    for name, value in changes.items():
        setattr(budget, name, value)
    _require_limit({"limit_usd": budget.limit_usd, "limit_tokens": budget.limit_tokens})
    budget.save(update_fields=[*changes, "updated_at"])
    return budget


def delete_budget(*, budget: Budget) -> None:
    """Delete the cap with its counters. Turns that are under way go on."""
    budget.delete()


def delete_budgets_of(*, agent_id: UUID) -> None:
    """Delete an agent's budgets, when the agent goes."""
    Budget.objects.filter(agent_id=agent_id).delete()


def _require_limit(fields: dict[str, Any]) -> None:
    if fields.get("limit_usd") is None and fields.get("limit_tokens") is None:
        message = gettext_noop("Set a limit in dollars, in tokens, or both.")
        raise ValidationFailed(message, code="limit_required", param="limit_usd")


@transaction.atomic
def set_overage(*, workspace: Workspace, is_enabled: bool, cap: int) -> Customer:
    """Let requests beyond the plan in at a price, for at most `cap` cents a month, or refuse them again.

    It holds for the next request, elsewhere within half a second. Raises ValidationFailed where the plan has none, and
    PaymentsNotConfigured on a server that sells nothing.
    """
    if is_enabled and not plan_of(workspace.plan).has_overage:
        raise ValidationFailed(NO_OVERAGE, code="no_overage", param="is_enabled")
    if is_enabled and not is_configured():
        raise PaymentsNotConfigured()
    customer, _ = Customer.objects.get_or_create(workspace=workspace)
    customer.overage_enabled, customer.spending_cap = is_enabled, cap
    customer.save(update_fields=["overage_enabled", "spending_cap", "updated_at"])
    return customer
