"""Reads about agents. The first argument is the workspace."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from agents.keys import AGENT_COLUMNS, ChatAgent, make_chat_agent
from agents.models import Agent, AgentVersion, ApiKey, KeyKind
from core.async_db import fetch_all
from core.errors import NotFound
from core.tenancy import ScopedQuerySet

_DRAFT_QUERY = f"""
SELECT workspace.plan, {AGENT_COLUMNS}
FROM agents_agent agent JOIN agents_agentversion version ON version.id = agent.draft_version_id
JOIN accounts_workspace workspace ON workspace.id = agent.workspace_id
WHERE agent.id = %s AND agent.workspace_id = %s
"""  # noqa: S608 - constants of ours

_CARD_QUERY = f"""
SELECT {AGENT_COLUMNS},
    agent.description, version.number, agent.is_serving AND agent.live_version_id IS NOT NULL
FROM agents_agent agent
JOIN agents_agentversion version ON version.id = COALESCE(agent.live_version_id, agent.draft_version_id)
WHERE agent.id = %s
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class AgentCard:
    """What an agent says of itself to other programs: to all of them once it is deployed and switched on."""

    agent: ChatAgent
    description: str
    version: int
    is_public: bool


def list_agents(workspace_id: UUID) -> ScopedQuerySet[Agent]:
    """The workspace's agents, newest first, with their draft and live versions."""
    return Agent.objects.for_workspace(workspace_id).select_related("draft_version", "live_version")


def count_agents(workspace_id: UUID) -> int:
    """How many agents the workspace has."""
    return Agent.objects.for_workspace(workspace_id).count()


def count_older(agent: Agent) -> int:
    """How many of its workspace's agents are older: after a downgrade, the oldest keep their place in the plan."""
    older = Q(created_at__lt=agent.created_at) | Q(created_at=agent.created_at, pk__lt=agent.pk)
    return Agent.objects.for_workspace(agent.workspace_id).filter(older).count()


def get_agent(workspace_id: UUID, agent_id: UUID) -> Agent:
    """One agent with its versions; NotFound for a foreign or missing id."""
    return list_agents(workspace_id).get_or_404(pk=agent_id)


def list_versions(agent: Agent) -> ScopedQuerySet[AgentVersion]:
    """The agent's versions, newest first, with their authors."""
    return agent.versions.select_related("created_by")


def list_api_keys(agent: Agent) -> ScopedQuerySet[ApiKey]:
    """The agent's keys that are not revoked, but for its hosted page's and its listing's: these go with the page."""
    return agent.api_keys.filter(revoked_at=None).exclude(kind__in=(KeyKind.HOSTED, KeyKind.STORE))


def find_serving_key(**which: Any) -> ApiKey | None:
    """The key that opens its agent now; None where there is none, it has ended, or the agent is switched off."""
    is_alive = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    keys = ApiKey.objects.select_related("agent__draft_version", "agent__live_version")
    return keys.filter(is_alive, agent__is_serving=True, **which).first()


async def load_draft_agent(workspace_id: UUID, agent_id: UUID) -> tuple[ChatAgent, str]:
    """The agent as its builder sees it (never cached: the playground must run what was just saved), and the plan."""
    rows = await fetch_all(_DRAFT_QUERY, [agent_id, workspace_id])
    if not rows:
        raise NotFound()
    plan, *agent = rows[0]
    return make_chat_agent(agent), plan


async def load_card(agent_id: UUID) -> AgentCard:
    """The agent's card whatever its workspace: who may see it is the caller's matter. NotFound when it is missing."""
    rows = await fetch_all(_CARD_QUERY, [agent_id])
    if not rows:
        raise NotFound()
    *agent, description, number, is_public = rows[0]
    return AgentCard(make_chat_agent(agent), description, number, is_public)
