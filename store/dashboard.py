"""The creator's dashboard: figures of all listings together, and the chart that shows them by day."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from store.models import Listing, ListingDay, PriceKind
from store.selectors import list_mine

METRICS: dict[str, Promise] = {
    "uses": _("Conversations"),
    "views": _("Views"),
    "remixes": _("Remixes"),
    "revenue": _("Revenue"),
}
WIDTH, HEIGHT, _TOP, _BOTTOM, _LEFT = 800, 220, 12, 30, 64
_GRID_LINES = 4


def list_with_figures(workspace_id: UUID, days: int) -> list[Listing]:
    """The workspace's listings, each with what the last `days` days brought: `recent_uses`, `recent_revenue`, ..."""
    first = timezone.now().date() - timedelta(days=days - 1)
    recent = Q(days__day__gte=first)
    sums = {f"recent_{name}": Coalesce(Sum(f"days__{name}", filter=recent), 0) for name in (*METRICS, "sales")}
    return list(list_mine(workspace_id).annotate(**sums))


def conversion_of(listing: Any) -> float | None:
    """The part of the recent views after which somebody paid or, where nothing is paid, began to chat."""
    reached = listing.recent_uses if listing.price_kind == PriceKind.FREE else listing.recent_sales
    return min(reached / listing.recent_views, 1.0) if listing.recent_views else None


def sum_revenue(listings: Sequence[Any]) -> list[tuple[str, int]]:
    """What the listings of `list_with_figures` brought: one sum for each currency in which something is sold."""
    sums: dict[str, int] = {}
    for listing in listings:
        if listing.price or listing.recent_revenue:
            sums[listing.currency] = sums.get(listing.currency, 0) + listing.recent_revenue
    return sorted(sums.items(), key=lambda item: -item[1])


def describe_workspace_days(workspace_id: UUID, days: int, currency: str) -> list[dict[str, Any]]:
    """The sums over all listings for each of the last `days` days (UTC), empty ones included; revenue only of what is
    sold in this currency. One query."""
    first = timezone.now().date() - timedelta(days=days - 1)
    rows = ListingDay.objects.filter(listing__workspace=workspace_id, day__gte=first).values("day").order_by("day")
    of_currency = {"revenue": Q(listing__currency=currency)}
    sums = {f"sum_{name}": Coalesce(Sum(name, filter=of_currency.get(name)), 0) for name in METRICS}
    summed: Any = rows.annotate(**sums)
    found = {row["day"]: row for row in summed}
    shown = [first + timedelta(days=at) for at in range(days)]
    return [
        {"day": day.isoformat(), **{name: found[day][f"sum_{name}"] if day in found else 0 for name in METRICS}}
        for day in shown
    ]


def list_unlisted_agents(workspace_id: UUID) -> list[Agent]:
    """The workspace's agents without a listing, for "publish another"."""
    agents = Agent.objects.for_workspace(workspace_id).filter(listing=None)
    return list(agents.select_related("draft_version").order_by("-updated_at")[:24])


def metric_named(name: str) -> str:
    """The metric that an address asks for, else the first."""
    return name if name in METRICS else next(iter(METRICS))


def draw_chart(counts: Sequence[dict[str, Any]], metric: str) -> dict[str, Any]:
    """A bar for each day in a picture of WIDTH by HEIGHT: bars {x, y, width, height, day, value} and grid lines."""
    days = [{**count, "day": date.fromisoformat(count["day"])} for count in counts]
    top = _round_up(max((day[metric] for day in days), default=0))
    room = HEIGHT - _TOP - _BOTTOM
    step = (WIDTH - _LEFT) / max(len(days), 1)
    bars = []
    for at, day in enumerate(days):
        height = round(room * max(day[metric], 0) / top, 1)
        x = round(_LEFT + at * step + step * 0.14, 1)
        place = {"x": x, "y": round(_TOP + room - height, 1), "width": round(step * 0.72, 1), "height": height}
        bars.append({**place, "day": day["day"], "value": day[metric]})
    lines = [
        {"y": round(_TOP + room * (1 - at / _GRID_LINES), 1), "value": top * at // _GRID_LINES}
        for at in range(0, _GRID_LINES + 1, 2)
    ]
    return {
        "width": WIDTH, "height": HEIGHT, "left": _LEFT, "base": HEIGHT - 8, "bars": bars, "lines": lines,
        "is_empty": not any(day[metric] for day in days),
        "first": days[0]["day"] if days else "", "last": days[-1]["day"] if days else "", "days": days,
    }  # fmt: skip


def _round_up(value: int) -> int:
    """The next number that makes round grid lines: 4, 8, 20, 40, 80, 200, ..."""
    power = 1
    while True:
        for step in (4, 8, 20):
            if value <= step * power:
                return step * power
        power *= 10
