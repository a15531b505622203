"""The store's public pages: the storefront, and everything about one agent."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from core.policy import PUBLIC, with_policy
from store.categories import CATEGORIES, Category
from store.listing_page import describe_page, structured_data
from store.models import Listing, Visibility
from store.paging import USUAL_LIMIT, cut_page
from store.selectors import SORTS, find_listing, front_page, list_published, order_of

SORT_NAMES = (
    ("trending", gettext_lazy("Trending")),
    ("rating", gettext_lazy("Top rated")),
    ("new", gettext_lazy("New")),
)
PRICE_NAMES = (("", gettext_lazy("Any price")), ("free", gettext_lazy("Free")), ("paid", gettext_lazy("Paid")))
_LONGEST_QUERY = 100
_SIGNED_IN_LAYOUT, _PUBLIC_LAYOUT = "layouts/app.html", "layouts/public.html"


def show(request: HttpRequest, template: str, page: dict[str, Any], **kwargs: Any) -> HttpResponse:
    """A page of the store in the frame that fits the reader: the app's when signed in, else the public one."""
    layout = _SIGNED_IN_LAYOUT if request.user.is_authenticated else _PUBLIC_LAYOUT
    return render(request, template, {"layout": layout, "site": settings.SITE_URL, **page}, **kwargs)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address of the storefront asks for; what is not known there counts as not said."""

    query: str
    category: Category | None
    price: str
    sort: str
    cursor: str
    is_front: bool

    @classmethod
    def read(cls, given: QueryDict) -> Self:
        query = " ".join(given.get("q", "").replace("\x00", "").split())[:_LONGEST_QUERY]
        category = CATEGORIES.get(given.get("category", ""))
        price = given.get("price", "") if given.get("price") in {"free", "paid"} else ""
        sort = given.get("sort", "") if given.get("sort") in SORTS else ""
        cursor = given.get("cursor", "")
        return cls(
            query, category, price, sort or "trending", cursor, not (query or category or price or sort or cursor)
        )

    def address(self, **changes: str) -> str:
        """The storefront's address that asks for this."""
        category = self.category.id if self.category else ""
        sort = "" if self.sort == "trending" else self.sort
        said = {"q": self.query, "category": category, "price": self.price, "sort": sort, **changes}
        said = {name: value for name, value in said.items() if value}
        return f"/store?{urlencode(said)}" if said else "/store"


@with_policy(PUBLIC)
@require_safe
@ensure_csrf_cookie
def storefront(request: HttpRequest) -> HttpResponse:
    """The store: sections to browse, or what a search, a category and the filters leave."""
    wanted = Wanted.read(request.GET)
    page: dict[str, Any] = {"sections": front_page()} if wanted.is_front else _find(wanted)
    is_shelf = wanted.category is not None and wanted.address() == f"/store?category={wanted.category.id}"
    title = str(wanted.category.name) if wanted.category else _("GiLo store")
    context = {
        **page,
        "wanted": wanted,
        "query": wanted.query,
        "category": wanted.category,
        "price": wanted.price,
        "sort": wanted.sort,
        "categories": CATEGORIES.values(),
        "sorts": SORT_NAMES,
        "prices": PRICE_NAMES,
        "meta_title": title,
        "description": _describe_shelf(wanted.category),
        "canonical": f"{settings.SITE_URL}{wanted.address() if is_shelf else '/store'}",
        "noindex": not (wanted.is_front or is_shelf),
    }
    return show(request, "store/storefront.html", context)


def _find(wanted: Wanted) -> dict[str, Any]:
    category = wanted.category.id if wanted.category else ""
    listings = list_published(sort=wanted.sort, category=category, price=wanted.price, query=wanted.query)
    order = order_of(wanted.sort, wanted.query)
    shown, following = cut_page(listings, order, cursor=wanted.cursor, limit=USUAL_LIMIT)
    return {"listings": shown, "more": wanted.address(cursor=following) if following else ""}


def _describe_shelf(category: Category | None) -> str:
    if category is None:
        return _("AI agents that people have built for one thing. Try them without an account, or remix them.")
    return _("AI agents for {category}: try them without an account, or remix them.").format(category=category.name)


@with_policy(PUBLIC)
@require_safe
@ensure_csrf_cookie
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything about one agent of the store."""
    listing = find_listing(slug)
    meta = meta_of(listing)
    page = {"slug": listing.slug, "description": listing.description, "is_signed_in": request.user.is_authenticated}
    context = {
        **describe_page(listing),
        **meta,
        "category": CATEGORIES.get(listing.category),
        "structured": structured_data(listing, meta["canonical"]),
        "is_mine": _is_mine(request, listing),
        "page": page,
        "messages_js": {"reported": _("Thank you. The operator will look at it.")},
    }
    return show(request, "store/detail.html", context)


def _is_mine(request: HttpRequest, listing: Listing) -> bool:
    principal = getattr(request, "principal", None)
    return principal is not None and principal.workspace_id == listing.workspace_id


def meta_of(listing: Listing) -> dict[str, Any]:
    """What search engines and link previews read of a listing's pages."""
    return {
        "meta_title": listing.name,
        "description": listing.tagline or " ".join(listing.description.split())[:200] or listing.name,
        "canonical": f"{settings.SITE_URL}/store/{listing.slug}",
        "noindex": listing.visibility == Visibility.PRIVATE,
    }
