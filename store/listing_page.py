"""What a listing's public page shows besides what the API says of it: how ratings spread, what leads on from here."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from accounts.models import User
from agents.config import AgentConfig
from store.cards import describe_page, describe_review
from store.categories import CATEGORIES
from store.models import Creator, Listing, ListingStatus, Payer, PriceKind, RemixPolicy, Visibility
from store.paging import cut_page
from store.selectors import REVIEWS_ORDER, list_reviews
from store.templatetags.store import average_rating

SHOWN_REVIEWS = 10
_LANGUAGES = {"en": "English", "fr": "Français"}


def listing_page(listing: Listing, user: User | None, *, reviews_cursor: str = "") -> dict[str, Any]:
    """The template's context for a listing of `selectors.find_listing`; a fixed number of queries.

    The reviews are those after the cursor. Raises BadRequest for a forged one.
    """
    about = describe_page(listing, user)
    mine = about["my"]
    reviews, following = cut_page(list_reviews(listing), REVIEWS_ORDER, cursor=reviews_cursor, limit=SHOWN_REVIEWS)
    language = config_of(listing).language
    return {
        "listing": listing,
        "about": about,
        "questions": [question for question in about["suggested_questions"] if question.strip()],
        "model_name": about["model"]["name"] or _("Chosen by its creator"),
        "language": _LANGUAGES.get(language) or _("The language of the question"),
        "category": CATEGORIES.get(listing.category),
        "reviews": [describe_review(review) for review in reviews],
        "more_reviews": f"/store/{listing.slug}?{urlencode({'reviews': following})}" if following else "",
        "distribution": _distribution(listing),
        "can_review": mine["can_review"] or mine["review"] is not None,
        **_leads_on(listing, mine["access"]),
    }


def config_of(listing: Listing) -> AgentConfig:
    """The configuration that visitors chat with: that of the release, never the draft's."""
    return AgentConfig.from_json(listing.release.version.config if listing.release else {})


def _leads_on(listing: Listing, access: str | None) -> dict[str, bool]:
    """What the reader may do next, as the buttons say it; the API decides."""
    is_paid = listing.price_kind != PriceKind.FREE
    is_private = listing.visibility == Visibility.PRIVATE
    is_mine = access == "owner"
    may_copy = listing.remix_policy != RemixPolicy.NONE and bool(access or not (is_paid or is_private))
    return {
        "is_mine": is_mine,
        "is_private": is_private,
        "is_paid": is_paid,
        "needs_purchase": is_paid and not is_private and access is None,
        "needs_token": is_private and access is None,
        "needs_account": not is_paid and not is_private and listing.visitors_paid_by == Payer.NOBODY,
        "can_be_remixed": is_mine or may_copy,
    }


def _distribution(listing: Listing) -> list[dict[str, int]]:
    """How many ratings of each number of stars, five first, with their share in percent."""
    counts = dict(list_reviews(listing).order_by().values_list("rating").annotate(count=Count("pk")))
    total = sum(counts.values()) or 1
    return [
        {"stars": stars, "count": counts.get(stars, 0), "percent": round(100 * counts.get(stars, 0) / total)}
        for stars in (5, 4, 3, 2, 1)
    ]


def get_creator(handle: str) -> Creator:
    """The creator with this name, or NotFound."""
    return Creator.objects.get_or_404(handle=handle)


def count_published(creator: Creator) -> dict[str, int]:
    """How many public agents a creator has, and how often they were used and copied. One query."""
    public = Listing.objects.filter(creator=creator, status=ListingStatus.PUBLISHED, visibility=Visibility.PUBLIC)
    return public.aggregate(
        listings=Count("pk"), uses=Sum("use_count", default=0), remixes=Sum("remix_count", default=0)
    )


def structured_data(listing: Listing, address: str, image: str) -> dict[str, Any]:
    """The listing for search engines, as schema.org's SoftwareApplication."""
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "SoftwareApplication",
        "name": listing.name,
        "description": listing.tagline or listing.description[:300],
        "url": address,
        "image": image,
        "applicationCategory": "UtilitiesApplication",
        "operatingSystem": "Web",
        "author": {"@type": "Organization", "name": listing.creator.name},
        "offers": {"@type": "Offer", "price": f"{listing.price / 100:.2f}", "priceCurrency": listing.currency.upper()},
    }
    if listing.rating_count:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": average_rating(listing),
            "ratingCount": listing.rating_count,
        }
    return data
