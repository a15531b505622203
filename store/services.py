"""Writes about listings: keyword-only, one transaction each. Permission is the route's declared policy."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_noop

from accounts.models import User, Workspace
from agents.config import AgentConfig
from agents.listing_keys import pin_listing_key, revoke_listing_key
from agents.models import Agent
from agents.services import require_editable
from core.errors import ValidationFailed
from core.ids import uuid7
from knowledge.models import Document, DocumentStatus
from store.errors import AlreadyListed, HandleTaken, HasPurchases, ListingTakenDown, NotPublished, PayoutsNotReady
from store.models import Creator, Listing, ListingStatus, PriceKind, PurchaseStatus, Release
from store.search import index_listing

_SLUG_LENGTH, _HANDLE_LENGTH = 70, 30
# What decides who may chat: sessions that were opened before a change of these must be opened anew.
_GATES = ("visibility", "price_kind", "visitors_paid_by")


@transaction.atomic
def create_listing(*, agent: Agent, **fields: Any) -> Listing:
    """A draft listing of the agent; nobody but its workspace sees it. `fields` are those of the model.

    The first listing of a workspace makes it a creator. Without colours and glyph it looks like the agent. Raises
    AlreadyListed.
    """
    creator = _ensure_creator(agent.workspace_id)
    look = AgentConfig.from_json(agent.draft_version.config if agent.draft_version else {}).appearance
    listing_id = uuid7()
    listing = Listing(
        id=listing_id,
        workspace_id=agent.workspace_id,
        creator=creator,
        agent=agent,
        slug=_make_slug(fields["name"], listing_id, _SLUG_LENGTH),
        **{**asdict(look), **fields},
    )
    try:
        with transaction.atomic():
            listing.save(force_insert=True)
    except IntegrityError:
        raise AlreadyListed() from None
    index_listing(listing)
    return listing


@transaction.atomic
def update_listing(*, listing: Listing, changes: dict[str, Any]) -> Listing:
    """Change what the listing says of itself, its price or who may use it. What it runs changes by publishing alone.

    Raises PayoutsNotReady for a price on a published listing whose creator cannot be paid, and ValidationFailed for
    another currency than the one in which it was sold.
    """
    locked = lock_listing(listing)
    _keep_currency(locked, changes)
    gates = [getattr(locked, name) for name in _GATES]
    for name, value in changes.items():
        setattr(locked, name, value)
    if locked.status == ListingStatus.PUBLISHED:
        _require_payouts(locked)
        if gates != [getattr(locked, name) for name in _GATES]:
            revoke_listing_key(agent=locked.agent)
            open_listing(locked)
    locked.save(update_fields=[*changes, "key", "updated_at"])
    index_listing(locked)
    return locked


@transaction.atomic
def publish_listing(*, listing: Listing, actor: User | None, changelog: str = "", with_unread: bool = False) -> Release:
    """Publish the agent as it is now: its live version (the draft before any deploy) with its ready documents.

    Visitors get it with their next message. `with_unread` takes documents along that a worker has yet to read. Raises
    ListingTakenDown, PayoutsNotReady, OverQuota.
    """
    locked = lock_listing(listing)
    require_editable(locked.agent)
    if locked.status == ListingStatus.TAKEN_DOWN:
        raise ListingTakenDown()
    _require_payouts(locked)
    release = _add_release(locked, actor, changelog, with_unread=with_unread)
    locked.release = release
    open_listing(locked, actor)
    locked.status = ListingStatus.PUBLISHED
    locked.published_at = locked.published_at or timezone.now()
    locked.save(update_fields=["release", "key", "status", "published_at", "updated_at"])
    return release


@transaction.atomic
def unpublish_listing(*, listing: Listing) -> Listing:
    """Take the listing out of the store; who chats with it is cut off. Raises NotPublished."""
    locked = lock_listing(listing)
    if locked.status != ListingStatus.PUBLISHED:
        raise NotPublished()
    return close_listing(locked, ListingStatus.UNPUBLISHED)


def open_listing(locked: Listing, actor: User | None = None) -> None:
    """Give the listing a key for its release, unsaved: the one it has, or a new one that its visitors follow."""
    if locked.release is not None:
        release = locked.release
        locked.key = pin_listing_key(
            agent=locked.agent, version=release.version, documents=release.documents, actor=actor
        )


def close_listing(locked: Listing, status: str, reason: str = "") -> Listing:
    """End the listing's key and set its status. Within the caller's transaction, which has locked it."""
    revoke_listing_key(agent=locked.agent)
    if status == ListingStatus.UNPUBLISHED:
        locked.key = None  # one that is taken down keeps it, as a sign that it was in the store
    locked.status, locked.taken_down_reason = status, reason
    locked.save(update_fields=["key", "status", "taken_down_reason", "updated_at"])
    return locked


@transaction.atomic
def delete_listing(*, listing: Listing) -> None:
    """Delete the listing with its reviews, releases and tokens; the agent stays. Raises HasPurchases."""
    locked = lock_listing(listing)
    require_no_buyers(locked)
    revoke_listing_key(agent=locked.agent)
    locked.delete()


def require_no_buyers(listing: Listing) -> None:
    """Raise HasPurchases while somebody still has what they paid for: to delete it would be to keep their money."""
    paid = Q(grant__most_uses=None, status__in=(PurchaseStatus.ACTIVE, PurchaseStatus.PAST_DUE))
    left = Q(grant__uses__lt=F("grant__most_uses"))
    has_time = Q(grant__expires_at=None) | Q(grant__expires_at__gt=timezone.now())
    open_now = Q(paid | left, has_time, grant__isnull=False, grant__revoked_at=None)
    if listing.purchases.filter(open_now | Q(status=PurchaseStatus.DISPUTED)).exists():  # which the buyer may yet lose
        raise HasPurchases()


@transaction.atomic
def update_creator(*, workspace_id: UUID, **changes: str) -> Creator:
    """Change the handle, the name or the words about a creator, who is made here if need be. Raises HandleTaken."""
    creator = _ensure_creator(workspace_id)
    for name, value in changes.items():
        setattr(creator, name, value)
    try:
        with transaction.atomic():
            creator.save(update_fields=[*changes, "updated_at"])
    except IntegrityError:
        raise HandleTaken(param="handle") from None
    return creator


def lock_listing(listing: Listing) -> Listing:
    """The listing as it is now, locked until the transaction ends. Raises NotFound."""
    return Listing.objects.select_for_update(of=("self",)).select_related("agent", "creator").get_or_404(pk=listing.pk)


def _add_release(listing: Listing, actor: User | None, changelog: str, *, with_unread: bool) -> Release:
    agent = Agent.objects.select_for_update(of=("self",), no_key=True).get(pk=listing.agent_id)
    version = agent.live_version or agent.draft_version
    if version is None:
        raise IntegrityError(f"agent {agent.pk} has no version")
    last = listing.releases.order_by("-number").values_list("number", flat=True).first() or 0
    documents = Document.objects.filter(agent=agent).order_by("created_at")
    chosen = documents if with_unread else documents.filter(status=DocumentStatus.READY)
    return Release.objects.create(
        listing=listing,
        number=last + 1,
        version=version,
        documents=list(chosen.values_list("pk", flat=True)),
        changelog=changelog,
        created_by=actor,
    )


def _keep_currency(listing: Listing, changes: dict[str, Any]) -> None:
    """What was earned is one sum: it stays in one currency. A listing that becomes free keeps it, too."""
    if changes.get("currency", listing.currency) == listing.currency:
        return
    if listing.purchases.filter(paid_at__isnull=False).exists():
        if changes.get("price_kind") != PriceKind.FREE:
            raise ValidationFailed(
                gettext_noop("The currency stays the one in which this agent was sold."), param="price.currency"
            )
        changes["currency"] = listing.currency


def _require_payouts(listing: Listing) -> None:
    if listing.price_kind != PriceKind.FREE and not listing.creator.stripe_charges_enabled:
        raise PayoutsNotReady()


def _ensure_creator(workspace_id: UUID) -> Creator:
    found = Creator.objects.for_workspace(workspace_id).first()
    if found:
        return found
    workspace = Workspace.objects.get(pk=workspace_id)
    creator_id = uuid7()
    handles = (slugify(workspace.name)[:_HANDLE_LENGTH], _make_slug(workspace.name, creator_id, _HANDLE_LENGTH))
    for handle in filter(None, handles):
        # Whoever comes first at the same moment makes the row; a handle that is taken leaves the second one.
        creator = Creator(id=creator_id, workspace=workspace, handle=handle, name=workspace.name)
        Creator.objects.bulk_create([creator], ignore_conflicts=True)
        found = Creator.objects.for_workspace(workspace_id).first()
        if found:
            return found
    raise IntegrityError(f"no handle for workspace {workspace_id}")


def _make_slug(name: str, row_id: UUID, length: int) -> str:
    # The id's random tail keeps them unique without a look-up.
    base = slugify(name)[:length].strip("-") or "agent"
    return f"{base}-{row_id.hex[-8:]}"
