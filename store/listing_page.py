"""What a listing's public page shows besides the listing: the release that runs, its model, what people say."""

from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _

from agents.config import AgentConfig
from store.models import Listing, Payer, PriceKind, RemixPolicy, Visibility
from store.selectors import list_releases, list_reviews
from store.templatetags.store import average_rating

SHOWN_REVIEWS, SHOWN_RELEASES = 10, 10
_LANGUAGES = {"en": "English", "fr": "Français"}


def describe_page(listing: Listing) -> dict[str, Any]:
    """The page's parts that are the same for everybody; a fixed number of queries."""
    config = config_of(listing)
    return {
        "listing": listing,
        "questions": [question for question in config.suggested_questions if question.strip()],
        "model_name": config.model or _("Chosen by its creator"),
        "documents": len(listing.release.documents) if listing.release and config.knowledge_enabled else 0,
        "language": _LANGUAGES.get(config.language) or _("The language of the question"),
        "releases": list(list_releases(listing)[:SHOWN_RELEASES]),
        "reviews": list(list_reviews(listing)[:SHOWN_REVIEWS]),
        "distribution": _distribution(listing),
        "is_private": listing.visibility == Visibility.PRIVATE,
        "is_paid": listing.price_kind != PriceKind.FREE,
        "can_be_remixed": listing.remix_policy != RemixPolicy.NONE,
        "needs_account": listing.visitors_paid_by == Payer.NOBODY,
    }


def config_of(listing: Listing) -> AgentConfig:
    """The configuration that visitors chat with: that of the release, never the draft's."""
    release = listing.release
    return AgentConfig.from_json(release.version.config if release else {})


def _distribution(listing: Listing) -> list[dict[str, int]]:
    """How many ratings of each number of stars, five first, with their share in percent."""
    counts = dict(list_reviews(listing).order_by().values_list("rating").annotate(count=Count("pk")))
    total = sum(counts.values()) or 1
    return [
        {"stars": stars, "count": counts.get(stars, 0), "percent": round(100 * counts.get(stars, 0) / total)}
        for stars in (5, 4, 3, 2, 1)
    ]


def structured_data(listing: Listing, address: str) -> dict[str, Any]:
    """The listing for search engines, as schema.org's SoftwareApplication."""
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "SoftwareApplication",
        "name": listing.name,
        "description": listing.tagline or listing.description[:300],
        "url": address,
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
