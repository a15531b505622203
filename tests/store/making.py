"""Listings for tests, made through the store's own services."""

from typing import Any

from accounts.models import Workspace
from agents.models import Agent
from store.models import Listing
from store.services import create_listing, publish_listing
from tests.factories import make_agent, make_workspace

LOOK = {"color": "#7c3aed", "color_2": "#06b6d4"}


def make_draft(workspace: Workspace | None = None, *, agent: Agent | None = None, **fields: Any) -> Listing:
    """A listing that nobody but its workspace sees."""
    agent = agent or make_agent(workspace or make_workspace()[0], name=fields.get("name", "Guide"))
    return create_listing(agent=agent, **{"name": agent.name, "category": "support", **LOOK, **fields})


def make_listing(workspace: Workspace | None = None, **fields: Any) -> Listing:
    """A published listing."""
    listing = make_draft(workspace, **fields)
    publish_listing(listing=listing, actor=None)
    listing.refresh_from_db()
    return listing
