"""Remixes: a copy of what a listing runs, in another workspace, and where it came from over the generations."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from accounts.models import User
from agents.config import AgentConfig
from agents.services import create_agent
from knowledge.copying import copy_documents
from store.days import add_to_day
from store.errors import NotPublished, PurchaseRequired, RemixNotAllowed
from store.models import Listing, ListingStatus, PriceKind, Remix, RemixPolicy
from store.sessions import Access, find_access

# What of a configuration goes along, and what never does: a model endpoint is the creator's, with a key behind it.
COPIED = frozenset(
    {
        "instructions", "temperature", "max_tokens", "welcome_message", "suggested_questions", "knowledge_enabled",
        "language", "appearance", "openai_system_messages", "openai_temperature",
    }
)  # fmt: skip
DROPPED = frozenset({"endpoint_id", "model"})  # a model of the platform's is kept (`copy_config`)
MOST_GENERATIONS = 100
_LINEAGE = """
WITH RECURSIVE line(id, generation) AS (
    SELECT %(remix)s::uuid, 1
    UNION ALL
    SELECT remix.parent_id, line.generation + 1 FROM store_remix remix JOIN line ON remix.id = line.id
    WHERE remix.parent_id IS NOT NULL AND line.generation < %(most)s
)
SELECT line.generation, remix.source_name, remix.source_handle,
    CASE WHEN listing.status = 'published' AND listing.visibility = 'public' THEN listing.slug END
FROM line JOIN store_remix remix ON remix.id = line.id LEFT JOIN store_listing listing ON listing.id = remix.listing_id
ORDER BY line.generation
"""


@transaction.atomic
def remix_listing(*, listing: Listing, actor: User, workspace_id: UUID, name: str = "") -> Remix:
    """Copy what the listing runs into a new agent of the workspace; with its documents where the creator allows it.

    Raises NotPublished, RemixNotAllowed, PurchaseRequired, QuotaExceeded.
    """
    _require_allowed(listing, actor)
    release = listing.release
    if release is None:
        raise NotPublished()
    agent = create_agent(
        workspace_id=workspace_id,
        actor=actor,
        name=name or listing.name,
        description=listing.tagline,
        config=copy_config(AgentConfig.from_json(release.version.config)),
    )
    with_knowledge = listing.remix_policy == RemixPolicy.KNOWLEDGE
    if with_knowledge:
        copy_documents(source=listing.agent, target=agent, documents=release.documents)
    remix = Remix.objects.create(
        listing=listing,
        agent=agent,
        parent=Remix.objects.filter(agent=listing.agent_id).first(),
        release_number=release.number,
        with_knowledge=with_knowledge,
        source_name=listing.name,
        source_handle=listing.creator.handle,
    )
    if workspace_id != listing.workspace_id:  # a creator's own copies say nothing
        Listing.objects.filter(pk=listing.pk).update(remix_count=F("remix_count") + 1)
        add_to_day(listing.pk, remixes=1)
    return remix


def copy_config(config: AgentConfig) -> AgentConfig:
    """The configuration as another workspace may have it: without what belongs to the creator's own."""
    kept = {name: value for name, value in config.as_json().items() if name in COPIED}
    copied = AgentConfig.from_json(kept)
    return replace(copied, model=config.model) if config.endpoint_id is None else copied


def find_lineage(remix_id: UUID) -> list[dict[str, Any]]:
    """What the remix was made from, the nearest first; `slug` is null where there is no public page any more."""
    with connection.cursor() as cursor:
        cursor.execute(_LINEAGE, {"remix": remix_id, "most": MOST_GENERATIONS})
        rows = cursor.fetchall()
    return [
        {"generation": generation, "name": name, "handle": handle, "slug": slug}
        for generation, name, handle, slug in rows
    ]


def _require_allowed(listing: Listing, actor: User) -> None:
    if listing.status != ListingStatus.PUBLISHED:
        raise NotPublished()
    right = find_access(listing, actor)
    if right is not None and right.access == Access.OWNER:
        return
    if listing.remix_policy == RemixPolicy.NONE:
        raise RemixNotAllowed()
    if right is None:
        raise PurchaseRequired() if listing.price_kind != PriceKind.FREE else RemixNotAllowed()
