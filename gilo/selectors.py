"""Reads for the frame and the dashboard: what a workspace has and how much of its plan it has used."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import Workspace
from agents.models import Agent, AgentStatus
from agents.selectors import list_agents
from billing.models import Resource
from billing.plans import Plan, plan_of, windows_of
from billing.quotas import limit_of, read_use
from chat.models import Conversation, Run
from chat.transports.admission import limiter
from core.ids import first_uuid7
from core.ratelimit import DAY_SECONDS

SHOWN_AGENTS = 100


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of one limit is used."""

    used: int
    limit: int | None  # None: no limit

    @property
    def tone(self) -> str:
        """The bar's class: a warning from 80 % on, an alarm when nothing is left."""
        if self.limit is None:
            return ""
        if self.used >= self.limit:
            return "bar--bad"
        return "bar--warn" if self.used * 5 >= self.limit * 4 else ""


class PlanUsage:
    """A workspace's plan, and how much of it is used. Each quota is one query, made when it is first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.details: Plan = plan_of(workspace.plan)

    @property
    def plan(self) -> str:
        """The name that people read."""
        return str(self.details.name)

    @cached_property
    def requests(self) -> Quota:
        """Those of programs and pages today (UTC)."""
        return Quota(_count_requests_today(self._workspace), self.details.requests_per_day)

    @cached_property
    def agents(self) -> Quota:
        return self._read(Resource.AGENTS)

    @cached_property
    def knowledge(self) -> Quota:
        """In bytes of documents."""
        return self._read(Resource.KNOWLEDGE)

    @cached_property
    def members(self) -> Quota:
        return self._read(Resource.MEMBERS)

    def _read(self, resource: str) -> Quota:
        return Quota(read_use(self._workspace.pk, resource), limit_of(self.details, resource))


def _count_requests_today(workspace: Workspace) -> int:
    """As the limit counts them. A process that was just started has not counted the day yet; the stored runs tell."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    # The ids of runs begin with their time, so the index of each agent's runs finds the day's.
    runs = Run.objects.filter(
        agent__workspace=workspace, id__gte=first_uuid7(midnight), api_key_id__isnull=False, is_platform_paid=False
    )
    days = [window for window in windows_of(workspace.plan) if window.seconds == DAY_SECONDS]
    return max(runs.count(), *async_to_sync(limiter.peek)(str(workspace.pk), tuple(days)), 0)


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
    conversations = Conversation.objects.filter(agent__workspace_id=workspace_id)  # by the agents' index
    return Totals(conversations=conversations.count(), **agents)
