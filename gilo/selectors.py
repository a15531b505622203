"""Reads for the frame and the dashboard: what a workspace has and how much of its plan it has used."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from agents.models import Agent, AgentStatus
from agents.selectors import list_agents
from chat.models import Conversation, Run

SHOWN_AGENTS = 100


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of one limit is used."""

    used: int
    limit: int

    @property
    def tone(self) -> str:
        """The bar's class: a warning from 80 % on, an alarm when nothing is left."""
        if self.used >= self.limit:
            return "bar--bad"
        return "bar--warn" if self.used * 5 >= self.limit * 4 else ""


@dataclass(frozen=True, slots=True)
class PlanUsage:
    """The plan's name and its quotas today (UTC)."""

    plan: str
    agents: Quota
    requests: Quota


FREE_AGENTS = 5
FREE_REQUESTS_A_DAY = 1_000


def load_plan_usage(workspace_id: UUID) -> PlanUsage:
    """Two counts. Every workspace is on the free plan until billing comes."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return PlanUsage(
        plan="Free",
        agents=Quota(Agent.objects.for_workspace(workspace_id).count(), FREE_AGENTS),
        requests=Quota(
            Run.objects.for_workspace(workspace_id).filter(started_at__gte=midnight).count(), FREE_REQUESTS_A_DAY
        ),
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """The dashboard's tiles."""

    agents: int
    deployed: int
    conversations: int


def list_agents_with_activity(workspace_id: UUID) -> list[Any]:
    """The workspace's agents for the dashboard, the ones last worked with first, in one query.

    Each row carries `conversation_count` and `last_activity` (the last message, else the last change).
    """
    conversations = Conversation.objects.filter(agent=OuterRef("pk")).order_by().values("agent")
    rows = list_agents(workspace_id).annotate(
        conversation_count=Coalesce(Subquery(conversations.annotate(n=Count("pk")).values("n")), 0),
        last_activity=Greatest(
            Subquery(conversations.annotate(last=Max("last_message_at")).values("last")),
            "updated_at",
            "draft_version__created_at",
        ),
    )
    return list(rows.order_by("-last_activity")[:SHOWN_AGENTS])


def count_totals(workspace_id: UUID) -> Totals:
    """Two counts."""
    agents = Agent.objects.for_workspace(workspace_id).aggregate(
        agents=Count("pk"), deployed=Count("pk", filter=Q(status=AgentStatus.DEPLOYED))
    )
    return Totals(conversations=Conversation.objects.for_workspace(workspace_id).count(), **agents)
