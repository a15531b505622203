"""The store's public pages: the storefront, an agent's page, its chat and its picture, a creator's page."""

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

from accounts.models import User
from core.policy import PUBLIC, with_policy
from store.categories import CATEGORIES, Category
from store.days import count_view
from store.listing_page import config_of, count_published, get_creator, listing_page, structured_data
from store.models import Listing, PriceKind, Visibility
from store.moderation import REASONS
from store.paging import USUAL_LIMIT, cut_page
from store.selectors import SORTS, find_listing, front_page, is_cut_short, list_published, order_of
from store.share_image import draw_share_image

SORT_NAMES = (
    ("trending", gettext_lazy("Trending")),
    ("rating", gettext_lazy("Top rated")),
    ("new", gettext_lazy("Newest")),
)
PRICE_NAMES = (("", gettext_lazy("Any price")), ("free", gettext_lazy("Free")), ("paid", gettext_lazy("Paid")))
_LONGEST_QUERY = 100
_IMAGE_CACHE = "public, max-age=86400, stale-while-revalidate=604800"
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
    filters = {"category": category, "price": wanted.price, "query": wanted.query}
    listings, order = list_published(sort=wanted.sort, **filters), order_of(wanted.sort, wanted.query)
    shown, following = cut_page(listings, order, cursor=wanted.cursor, limit=USUAL_LIMIT)
    # A search that leaves something out has more than one page; only its last has to ask.
    is_cut = bool(wanted.cursor) and not following and is_cut_short(**filters)
    return {"listings": shown, "more": wanted.address(cursor=following) if following else "", "is_cut": is_cut}


def _describe_shelf(category: Category | None) -> str:
    if category is None:
        return _("AI agents that people have built for one thing. Try one, and remix it to make it yours.")
    return _("AI agents in “{category}”: try one, and remix it to make it yours.").format(category=category.name)


@with_policy(PUBLIC)
@require_safe
@ensure_csrf_cookie
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything about one agent of the store."""
    listing = find_listing(slug)
    user = _user_of(request)
    reviews_cursor = request.GET.get("reviews", "")
    if request.method == "GET" and not reviews_cursor:
        count_view(listing, request.headers.get("User-Agent", ""))
    meta = meta_of(listing)
    page = {"slug": listing.slug, "description": listing.description, "is_signed_in": user is not None}
    context = {
        **listing_page(listing, user, reviews_cursor=reviews_cursor),
        **meta,
        "structured": structured_data(listing, meta["canonical"], meta["image"]),
        "reasons": REASONS.items(),
        "is_bought": user is not None and request.GET.get("bought") == "1",
        "page": page,
        "messages_js": {"reported": _("Thank you. The operator will look at it."), "anonymous": _("Anonymous")},
    }
    return show(request, "store/detail.html", context)


@with_policy(PUBLIC)
@require_safe
@ensure_csrf_cookie
def chat(request: HttpRequest, slug: str) -> HttpResponse:
    """The agent over the whole window; what it takes to use it is asked for when the session is opened."""
    listing = find_listing(slug)
    user = _user_of(request)
    config = config_of(listing)
    page = {
        "slug": listing.slug,
        "who": str(user.pk) if user else "",
        "is_signed_in": user is not None,
        "is_paid": listing.price_kind != PriceKind.FREE,
        "is_private": listing.visibility == Visibility.PRIVATE,
        "agent": {
            "id": str(listing.agent_id),
            "name": listing.name,
            "appearance": {"color": listing.color, "color_2": listing.color_2, "glyph": listing.glyph},
            "welcome_message": config.welcome_message,
            "suggested_questions": config.suggested_questions,
        },
    }
    return render(request, "store/chat.html", {"listing": listing, "page": page, **meta_of(listing)})


@with_policy(PUBLIC)
@require_safe
@ensure_csrf_cookie
def creator(request: HttpRequest, handle: str) -> HttpResponse:
    """Somebody who publishes in the store, and what they have published."""
    found = get_creator(handle)
    wanted = Wanted.read(request.GET)
    listings = list_published(sort="trending").filter(creator=found)
    shown, following = cut_page(listings, order_of("trending", ""), cursor=wanted.cursor, limit=USUAL_LIMIT)
    address = f"/store/creators/{found.handle}"
    context = {
        "creator": found,
        "listings": shown,
        "more": f"{address}?{urlencode({'cursor': following})}" if following else "",
        "totals": count_published(found),
        "meta_title": found.name,
        "description": found.bio or _("Agents by {name} in the GiLo store.").format(name=found.name),
        "canonical": f"{settings.SITE_URL}{address}",
        "noindex": bool(wanted.cursor) or not shown,
    }
    return show(request, "store/creator.html", context)


@with_policy(PUBLIC)
@require_safe
def share_image(request: HttpRequest, slug: str) -> HttpResponse:
    """The picture that link previews show of a listing."""
    listing = find_listing(slug)
    response = HttpResponse(draw_share_image(listing), content_type="image/png")
    response["Cache-Control"] = _IMAGE_CACHE
    return response


def _user_of(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def meta_of(listing: Listing) -> dict[str, Any]:
    """What search engines and link previews read of a listing's pages."""
    return {
        "meta_title": listing.name,
        "description": listing.tagline or " ".join(listing.description.split())[:200] or listing.name,
        "canonical": listing.address,
        "image": f"{listing.address}/og.png?v={int(listing.updated_at.timestamp())}",
        "noindex": listing.visibility == Visibility.PRIVATE,
    }
