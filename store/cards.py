"""Listings as the API shows them: cards in lists, and the whole page with its lineage and the reader's own place."""

from typing import Any
from uuid import UUID

from accounts.models import User
from agents.config import AgentConfig
from knowledge.models import Document
from store.icons import icon_url
from store.models import Creator, Listing, Release, Remix, Review
from store.remixing import find_lineage
from store.reviews import can_review
from store.selectors import list_releases
from store.sessions import find_access

SHOWN_RELEASES = 10


def describe_card(listing: Listing) -> dict[str, Any]:
    """What a list shows; the listing comes with its creator."""
    return {
        "id": str(listing.pk),
        "slug": listing.slug,
        "name": listing.name,
        "tagline": listing.tagline,
        "category": listing.category,
        "tags": listing.tags,
        "color": listing.color,
        "color_2": listing.color_2,
        "glyph": listing.glyph,
        "icon_url": icon_url(listing),
        "visibility": listing.visibility,
        "price": describe_price(listing),
        "rating": describe_rating(listing),
        "use_count": listing.use_count,
        "remix_count": listing.remix_count,
        "creator": describe_creator(listing.creator),
        "published_at": listing.published_at,
    }


def describe_price(listing: Listing) -> dict[str, Any]:
    """The amount is in minor units of the currency."""
    return {
        "kind": listing.price_kind,
        "amount": listing.price,
        "currency": listing.currency,
        "pack_messages": listing.pack_messages,
    }


def describe_rating(listing: Listing) -> dict[str, Any]:
    """The mean of all ratings to two places; null without any."""
    count = listing.rating_count
    return {"average": round(listing.rating_sum / count, 2) if count else None, "count": count}


def describe_creator(creator: Creator) -> dict[str, Any]:
    return {"handle": creator.handle, "name": creator.name, "is_verified": creator.is_verified}


def describe_release(release: Release) -> dict[str, Any]:
    return {"number": release.number, "changelog": release.changelog, "created_at": release.created_at}


def describe_review(review: Review) -> dict[str, Any]:
    """A review as everybody reads it; of its writer only the name."""
    return {
        "id": str(review.pk),
        "author": review.user.display_name if review.user.name else "",
        "rating": review.rating,
        "text": review.text,
        "reply": review.reply,
        "replied_at": review.replied_at,
        "created_at": review.created_at,
        "updated_at": review.updated_at,
    }


def describe_page(listing: Listing, user: User | None) -> dict[str, Any]:
    """Everything about a listing of `selectors.find_listing`, and the reader's own place. A fixed number of queries."""
    config = AgentConfig.from_json(listing.release.version.config if listing.release else {})
    remix = Remix.objects.filter(agent=listing.agent_id).select_related("listing").first()
    return {
        **describe_card(listing),
        "description": listing.description,
        "features": listing.features,
        "model": {"name": config.model, **_describe_knowledge(listing, config)},
        "welcome_message": config.welcome_message,
        "suggested_questions": list(config.suggested_questions),
        "remix_policy": listing.remix_policy,
        "visitors_paid_by": listing.visitors_paid_by,
        "release": describe_release(listing.release) if listing.release else None,
        "releases": [describe_release(release) for release in list_releases(listing)[:SHOWN_RELEASES]],
        "remixed_from": _describe_source(remix) if remix else None,
        "lineage": find_lineage(remix.pk) if remix else [],
        "my": _describe_mine(listing, user),
    }


def describe_mine(listing: Listing) -> dict[str, Any]:
    """A listing of `selectors.list_mine`, as its creator sees it."""
    return {
        **describe_card(listing),
        "agent_id": str(listing.agent_id),
        "status": listing.status,
        "taken_down_reason": listing.taken_down_reason,
        "description": listing.description,
        "features": listing.features,
        "remix_policy": listing.remix_policy,
        "visitors_paid_by": listing.visitors_paid_by,
        "release": describe_release(listing.release) if listing.release else None,
        "has_changes": has_changes(listing),
        "created_at": listing.created_at,
        "updated_at": listing.updated_at,
    }


def has_changes(listing: Listing) -> bool:
    """Whether publishing a listing of `selectors.list_mine` anew would change what it runs."""
    release = listing.release
    if release is None:
        return True
    current = listing.agent.live_version_id or listing.agent.draft_version_id
    ready: list[UUID] = listing.ready_documents  # type: ignore[attr-defined]
    return release.version_id != current or not set(ready) <= set(release.documents)


def _describe_knowledge(listing: Listing, config: AgentConfig) -> dict[str, Any]:
    released: list[UUID] = listing.release.documents if listing.release and config.knowledge_enabled else []
    count = Document.objects.filter(agent=listing.agent_id, pk__in=released).count() if released else 0
    return {"knowledge": count > 0, "documents": count}


def _describe_source(remix: Remix) -> dict[str, Any]:
    source = remix.listing
    slug = source.slug if source is not None and source.is_public else None
    return {"name": remix.source_name, "handle": remix.source_handle, "slug": slug}


def _describe_mine(listing: Listing, user: User | None) -> dict[str, Any]:
    if user is None:
        return {"review": None, "access": None, "can_review": False}
    review = listing.reviews.filter(user=user).select_related("user").first()
    right = find_access(listing, user)
    return {
        "review": describe_review(review) | {"status": review.status} if review else None,
        "access": right.access if right else None,
        "can_review": can_review(listing, user),
    }
