"""What happened to a listing on each day (UTC): counted up by whatever happens, read by its creator."""

import re
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from store.models import Listing, ListingDay, PriceKind, ReviewStatus

_COUNTS = ("views", "uses", "messages", "remixes", "sales")
COLUMNS = (*_COUNTS, "revenue")
MOST_DAYS = 365
# Whoever fetches pages for others: crawlers, link previews, monitors, programs.
_BOTS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|facebookexternalhit|embedly|whatsapp|telegram|monitor|uptime|headless"
    r"|lighthouse|curl|wget|python|java/|go-http|okhttp|axios|node-fetch|libwww",
    re.IGNORECASE,
)


def add_to_day(listing_id: UUID, **amounts: int) -> None:
    """Add to today's counts of a listing: `add_to_day(id, sales=1, revenue=450)`; the names are those of COLUMNS."""
    if not set(amounts) <= set(COLUMNS):
        raise ValueError(f"no such counts: {sorted(set(amounts) - set(COLUMNS))}")
    changes = [
        f"{name} = " + (f"greatest(day.{name} + %s, 0)" if name in _COUNTS else f"day.{name} + %s") for name in amounts
    ]
    # What is taken back on a day without the thing itself (a refund) leaves a count at 0; revenue may be negative.
    first = [max(amounts.get(name, 0), 0) if name in _COUNTS else amounts.get(name, 0) for name in COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO store_listingday AS day (listing_id, day, {', '.join(COLUMNS)})"  # noqa: S608 - ours
            f" VALUES (%s, %s, {', '.join(['%s'] * len(COLUMNS))})"
            f" ON CONFLICT (listing_id, day) DO UPDATE SET {', '.join(changes)}",
            [listing_id, _today(), *first, *amounts.values()],
        )


def count_view(listing: Listing, user_agent: str) -> None:
    """Count a view of the listing's page, unless a program asked for it."""
    if user_agent and not _BOTS.search(user_agent):
        add_to_day(listing.pk, views=1)


def describe_days(listing: Listing, days: int) -> dict[str, Any]:
    """The counts of the last `days` days, those without anything included, and their sums. Two queries.

    A day's `rating` is the mean of those that there were by its end. `conversion` is the part of views after which
    somebody paid, or, where nothing is paid, began to chat.
    """
    first = _today() - timedelta(days=days - 1)
    found = {row.day: row for row in ListingDay.objects.filter(listing=listing, day__gte=first)}
    shown = [_describe_day(first + timedelta(days=at), found) for at in range(days)]
    _add_ratings(listing, shown)
    totals = {name: sum(day[name] for day in shown) for name in COLUMNS}
    reached = totals["uses" if listing.price_kind == PriceKind.FREE else "sales"]
    conversion = min(round(reached / totals["views"], 4), 1.0) if totals["views"] else None
    return {"totals": totals, "days": shown, "conversion": conversion, "currency": listing.currency}


def _describe_day(day: date, found: dict[date, ListingDay]) -> dict[str, Any]:
    row = found.get(day)
    return {"day": day.isoformat(), **{name: getattr(row, name) if row else 0 for name in COLUMNS}}


def _add_ratings(listing: Listing, shown: list[dict[str, Any]]) -> None:
    """Give each day its `rating`, None before the first one."""
    visible = listing.reviews.filter(status=ReviewStatus.VISIBLE).order_by()
    by_day = visible.annotate(day=TruncDate("created_at")).values_list("day")
    written = sorted(by_day.annotate(count=Count("pk"), sum=Sum("rating")))
    count = total = 0
    for day in shown:
        while written and written[0][0].isoformat() <= day["day"]:
            _, more, stars = written.pop(0)
            count, total = count + more, total + stars
        day["rating"] = round(total / count, 2) if count else None


def _today() -> date:
    return timezone.now().date()
