"""Reads of the store. What is public needs no workspace; what is a creator's starts with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from core.tenancy import ScopedQuerySet
from store.categories import CATEGORIES, Category
from store.models import Creator, Listing, ListingStatus, PriceKind, Release, Review, ReviewStatus, Visibility
from store.paging import Order
from store.search import match_listings

SHOWN_IN_SECTION = 12
SORTS: dict[str, Order] = {
    "trending": Order("trending_score", float),
    "rating": Order("rating_score", float),
    "new": Order("published_at", datetime.fromisoformat),
}
BY_SCORE = Order("score", float)
# What a card does not show; the search's words would be the most of a row.
_NOT_ON_CARDS = ("search", "description", "features", "taken_down_reason")


@dataclass(frozen=True, slots=True)
class FrontPage:
    """What the storefront opens with; `categories` with how many listings each has."""

    trending: list[Listing]
    rating: list[Listing]
    new: list[Listing]
    categories: list[tuple[Category, int]]


def list_published(*, sort: str, category: str = "", price: str = "", query: str = "") -> QuerySet[Listing]:
    """What everybody sees, in the order of a sort of SORTS; with a query the best matches first.

    A page of it is cut by `store.paging.cut_page` with `order_of(sort, query)`, one query whatever its length.
    """
    listings = _published().order_by(f"-{order_of(sort, '').column}", "-id")
    if category:
        listings = listings.filter(category=category)
    if price:
        is_free = price == PriceKind.FREE
        listings = listings.filter(price_kind=PriceKind.FREE) if is_free else listings.exclude(price_kind="free")
    return match_listings(listings, query) if query.strip() else listings


def order_of(sort: str, query: str) -> Order:
    """The order in which `list_published` answers; an unknown sort counts as "trending"."""
    return BY_SCORE if query.strip() else SORTS.get(sort, SORTS["trending"])


def front_page() -> FrontPage:
    """The sections of the storefront. Four queries, however many listings there are."""
    sections = {sort: list(list_published(sort=sort)[:SHOWN_IN_SECTION]) for sort in SORTS}
    rows = _published().order_by().values_list("category").annotate(count=Count("pk"))
    counts: dict[str, int] = dict(rows)
    return FrontPage(**sections, categories=[(shelf, counts.get(shelf.id, 0)) for shelf in CATEGORIES.values()])


def find_listing(slug: str) -> Listing:
    """A published listing, with its creator, release and model; a private one, too: its page asks for a token.

    Raises NotFound, whether it was taken down, unpublished, or never was.
    """
    return _pages().get_or_404(slug=slug, status=ListingStatus.PUBLISHED)


def list_mine(workspace_id: UUID) -> ScopedQuerySet[Listing]:
    """The workspace's listings in whatever state, newest first."""
    return _pages().for_workspace(workspace_id).order_by("-created_at")


def get_mine(workspace_id: UUID, listing_id: UUID) -> Listing:
    """One listing of this workspace, or NotFound."""
    return list_mine(workspace_id).get_or_404(pk=listing_id)


def find_creator(workspace_id: UUID) -> Creator | None:
    """The workspace as the store shows it; None before its first listing."""
    return Creator.objects.for_workspace(workspace_id).first()


def list_releases(listing: Listing) -> ScopedQuerySet[Release]:
    """What was published, the latest first."""
    return listing.releases.select_related("version")


def list_reviews(listing: Listing) -> ScopedQuerySet[Review]:
    """What everybody may read, the latest first, with who wrote it."""
    return listing.reviews.filter(status=ReviewStatus.VISIBLE).select_related("user")


def get_token(listing: Listing, token_id: UUID) -> Any:
    """One access token of this listing, or NotFound."""
    return listing.access_tokens.select_related("grant").get_or_404(pk=token_id)


def _published() -> QuerySet[Listing]:
    public = Listing.objects.filter(status=ListingStatus.PUBLISHED, visibility=Visibility.PUBLIC)
    return public.select_related("creator").defer(*_NOT_ON_CARDS)


def _pages() -> ScopedQuerySet[Listing]:
    return Listing.objects.select_related("creator", "agent", "release__version").defer("search")
