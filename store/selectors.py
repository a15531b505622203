"""Reads of the store. What is public needs no workspace; what is a creator's starts with it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q, QuerySet

from accounts.models import User
from core.errors import NotFound
from core.paging import read_moment
from core.tenancy import ScopedQuerySet
from knowledge.models import Document, DocumentStatus
from store.categories import CATEGORIES, Category
from store.models import (
    Creator,
    Listing,
    ListingStatus,
    PriceKind,
    Purchase,
    PurchaseStatus,
    Release,
    Review,
    ReviewStatus,
    Visibility,
)
from store.paging import Order
from store.search import has_unranked, match_listings

SHOWN_IN_SECTION = 12
_MOST_IN_LIBRARY = 50
SORTS: dict[str, Order] = {
    "trending": Order("trending_score", float),
    "rating": Order("rating_score", float),
    "new": Order("published_at", read_moment),
}
BY_SCORE = Order("score", float)
REVIEWS_ORDER = Order("created_at", read_moment)
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
    listings = _filter_published(category, price).order_by(f"-{order_of(sort, '').column}", "-id")
    return match_listings(listings, query) if query.strip() else listings


def is_cut_short(*, category: str = "", price: str = "", query: str = "") -> bool:
    """Whether `list_published` leaves matches of the query out: of a word that is everywhere, it has the most used."""
    return bool(query.strip()) and has_unranked(_filter_published(category, price), query)


def _filter_published(category: str, price: str) -> QuerySet[Listing]:
    listings = _published()
    if category:
        listings = listings.filter(category=category)
    if price:
        is_free = Q(price_kind=PriceKind.FREE)
        listings = listings.filter(is_free if price == "free" else ~is_free)
    return listings


def order_of(sort: str, query: str) -> Order:
    """The order in which `list_published` answers; an unknown sort counts as "trending"."""
    return BY_SCORE if query.strip() else SORTS.get(sort, SORTS["trending"])


def front_page() -> FrontPage:
    """The sections of the storefront. Four queries, however many listings there are."""
    shelves = {sort: list_published(sort=sort) for sort in SORTS}
    shelves["rating"] = shelves["rating"].filter(rating_count__gt=0)
    sections = {sort: list(listings[:SHOWN_IN_SECTION]) for sort, listings in shelves.items()}
    rows = _published().order_by().values_list("category").annotate(count=Count("pk"))
    counts: dict[str, int] = dict(rows)
    return FrontPage(**sections, categories=[(shelf, counts.get(shelf.id, 0)) for shelf in CATEGORIES.values()])


def find_listing(slug: str) -> Listing:
    """A published listing, with its creator, release and model; a private one, too: its page asks for a token.

    Raises NotFound, whether it was taken down, unpublished, or never was.
    """
    return _pages().get_or_404(slug=slug, status=ListingStatus.PUBLISHED)


def find_icon(slug: str) -> str:
    """The uploaded icon's key in the file storage: of drafts, too, which their creator looks at. Raises NotFound."""
    shown = Listing.objects.filter(slug=slug).exclude(status=ListingStatus.TAKEN_DOWN)
    key = shown.values_list("icon_key", flat=True).first()
    if not key:
        raise NotFound()
    return key


def list_mine(workspace_id: UUID) -> ScopedQuerySet[Listing]:
    """The workspace's listings in whatever state, newest first, each with the ids of its agent's `ready_documents`."""
    ready = Document.objects.filter(agent=OuterRef("agent"), status=DocumentStatus.READY).order_by("created_at")
    mine: Any = _pages().for_workspace(workspace_id).annotate(ready_documents=ArraySubquery(ready.values("pk")))
    listings: ScopedQuerySet[Listing] = mine.order_by("-created_at")
    return listings


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


def read_library(user: User) -> dict[str, list[Listing]]:
    """What a person has opened, bought and reviewed, the latest first; what was taken out of the store is left out."""
    shown = Listing.objects.filter(status=ListingStatus.PUBLISHED).select_related("creator").defer(*_NOT_ON_CARDS)
    kinds = {
        "used": shown.filter(uses__user=user).order_by("-uses__opened_at"),
        "bought": shown.filter(pk__in=_bought_by(user)).order_by("-published_at"),
        "reviewed": shown.filter(reviews__user=user).order_by("-reviews__created_at"),
    }
    return {name: list(rows[:_MOST_IN_LIBRARY]) for name, rows in kinds.items()}


def _bought_by(user: User) -> QuerySet[Any]:
    paid = (PurchaseStatus.ACTIVE, PurchaseStatus.PAST_DUE)
    return Purchase.objects.filter(user=user, status__in=paid).values("listing")


def _published() -> QuerySet[Listing]:
    public = Listing.objects.filter(status=ListingStatus.PUBLISHED, visibility=Visibility.PUBLIC)
    return public.select_related("creator").defer(*_NOT_ON_CARDS)


def _pages() -> ScopedQuerySet[Listing]:
    return Listing.objects.select_related("creator", "agent", "release__version").defer("search")
