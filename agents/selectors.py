"""Reads about agents. The first argument is the workspace."""

from uuid import UUID

from agents.keys import ChatAgent, make_chat_agent
from agents.models import Agent, AgentVersion, ApiKey
from core.async_db import fetch_all
from core.errors import NotFound
from core.tenancy import ScopedQuerySet

_DRAFT_QUERY = """
SELECT agent.id, agent.workspace_id, version.id, agent.name, agent.slug, version.config
FROM agents_agent agent JOIN agents_agentversion version ON version.id = agent.draft_version_id
WHERE agent.id = %s AND agent.workspace_id = %s
"""


def list_agents(workspace_id: UUID) -> ScopedQuerySet[Agent]:
    """The workspace's agents, newest first, with their draft and live versions."""
    return Agent.objects.for_workspace(workspace_id).select_related("draft_version", "live_version")


def get_agent(workspace_id: UUID, agent_id: UUID) -> Agent:
    """One agent with its versions; NotFound for a foreign or missing id."""
    return list_agents(workspace_id).get_or_404(pk=agent_id)


def list_versions(agent: Agent) -> ScopedQuerySet[AgentVersion]:
    """The agent's versions, newest first, with their authors."""
    return agent.versions.select_related("created_by")


def list_api_keys(agent: Agent) -> ScopedQuerySet[ApiKey]:
    """The agent's keys that may still be used."""
    return agent.api_keys.filter(revoked_at=None)


async def load_draft_agent(workspace_id: UUID, agent_id: UUID) -> ChatAgent:
    """The agent as its builder sees it (never cached: the playground must run what was just saved)."""
    rows = await fetch_all(_DRAFT_QUERY, [agent_id, workspace_id])
    if not rows:
        raise NotFound()
    return make_chat_agent(rows[0])
