"""The mail to a workspace's owners when an agent's budget is nearly used up."""

from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.mails import mail_owners
from agents.models import Agent, ApiKey
from billing.errors import describe_amount
from billing.models import Budget, BudgetCounter, Scope

_TIME = "%Y-%m-%d %H:%M UTC"


def tell_owners(counter: BudgetCounter, **_: Any) -> None:
    """Receiver of `billing.signals.budget_alert`. Raises SMTPException or OSError: the alert stays due."""
    agent = Agent.objects.for_workspace(counter.budget.workspace_id).filter(pk=counter.budget.agent_id).first()
    if agent is not None:
        mail_owners(agent.workspace_id, "billing/email/budget_alert", lambda: _describe(counter, agent))


def _describe(counter: BudgetCounter, agent: Agent) -> dict[str, Any]:
    share, spent, limit = _fullest(counter)
    return {
        "agent": agent.name,
        "share": round(share * 100),
        "scope": counter.budget.get_scope_display(),
        "subject": _name_subject(counter),
        "limit": describe_amount(limit, counter.budget.period),
        "spent": describe_amount(spent),
        "resets_at": counter.resets_at.strftime(_TIME) if counter.resets_at else "",
        "link": f"{settings.SITE_URL}/agents/{agent.pk}?tab=deploy#limits",
    }


def _fullest(counter: BudgetCounter) -> tuple[float, Any, Any]:
    """(share, spent, limit) of the cap, dollars or tokens, that is used up most."""
    budget: Budget = counter.budget
    pairs = [(counter.spent_usd, budget.limit_usd), (counter.spent_tokens, budget.limit_tokens)]
    return max((float(spent / limit), spent, limit) for spent, limit in pairs if limit)


def _name_subject(counter: BudgetCounter) -> str:
    if counter.budget.scope == Scope.API_KEY:
        return _name_key(UUID(counter.subject))
    return counter.subject


def _name_key(key_id: UUID) -> str:
    """As it is called now: by the newest of the keys that replaced it."""
    key = heir = ApiKey.objects.filter(pk=key_id).first()
    while heir is not None:
        key = heir
        heir = ApiKey.objects.filter(replaces=key).order_by("-created_at").first()
    return key.name if key is not None else ""
