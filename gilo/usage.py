"""What the usage page shows: shares with the names of agents and keys, the bars of its chart, the rows of its CSV."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from agents.models import Agent, ApiKey
from billing.usage import DIMENSIONS, Share, list_details, sum_usage
from chat.models import Channel
from llm.types import OFFLINE_ID

SHOWN_SHARES = 20
_CHART_WIDTH, _CHART_HEIGHT, _GAP = 720.0, 140.0, 3.0
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


@dataclass(frozen=True, slots=True)
class Bar:
    """A day in the chart: where its bar stands, and what it says."""

    day: date
    x: str
    y: str
    width: str
    height: str
    share: Share | None


def period_of(name: str, today: date) -> tuple[date, date]:
    """First and last day of "month" (the one that is under way), "last_month" or "30" days; others are "month"."""
    first = today.replace(day=1)
    if name == "last_month":
        last = first - timedelta(days=1)
        return last.replace(day=1), last
    if name == "30":
        return today - timedelta(days=29), today
    return first, today


def name_shares(workspace_id: UUID, by: str, shares: Iterable[Share]) -> list[tuple[str, Share]]:
    """Shares with words in place of ids; at most one query. What was deleted since says so."""
    found = list(shares)
    names = _names(workspace_id, by, [share.name for share in found])
    return [(names.get(share.name, share.name), share) for share in found]


def _names(workspace_id: UUID, by: str, ids: list[str]) -> dict[str, str]:
    if by == "channel":
        return {value: str(label) for value, label in Channel.choices}
    if by == "model":
        return {"": _("No model"), OFFLINE_ID: _("Demo model")}
    if by not in {"agent", "key"}:
        return {}
    model: Any = Agent if by == "agent" else ApiKey
    known = model.objects.for_workspace(workspace_id).filter(pk__in=[one for one in ids if one])
    names = {str(pk): str(name) for pk, name in known.values_list("pk", "name")}
    gone = _("Deleted agent") if by == "agent" else _("Deleted key")
    return {one: names.get(one, gone) if one else _("Without a key") for one in ids}


def draw_bars(shares: Iterable[Share], since: date, until: date) -> list[Bar]:
    """One bar for each day, as high as its cost is, or its runs where nothing cost anything."""
    by_day = {share.name: share for share in shares}
    days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    costs = any(share.cost_usd for share in by_day.values())
    heights = {day: _measure(by_day.get(str(day)), costs) for day in days}
    highest = max(heights.values(), default=0.0) or 1.0
    step = _CHART_WIDTH / len(days)
    return [
        _bar(day, number * step, step - _GAP, heights[day] / highest * _CHART_HEIGHT, by_day.get(str(day)))
        for number, day in enumerate(days)
    ]


def _measure(share: Share | None, costs: bool) -> float:
    if share is None:
        return 0.0
    return float(share.cost_usd) if costs else float(share.runs)


def _bar(day: date, x: float, width: float, height: float, share: Share | None) -> Bar:
    # As text: a template in French would write decimal commas, which SVG does not read.
    height = max(height, 2.0 if share else 0.0)
    return Bar(day, f"{x:.1f}", f"{_CHART_HEIGHT - height:.1f}", f"{width:.1f}", f"{height:.1f}", share)


def total_of(shares: Iterable[Share]) -> Share:
    """All of them together."""
    total = Share("", 0, 0, 0, Decimal(0), 0)
    for share in shares:
        total = Share(
            "",
            total.runs + share.runs,
            total.input_tokens + share.input_tokens,
            total.output_tokens + share.output_tokens,
            total.cost_usd + share.cost_usd,
            total.billed + share.billed,
        )
    return total


def load_shares(workspace_id: UUID, since: date, until: date) -> dict[str, list[Share]]:
    """What was used, by each dimension: one query each."""
    return {by: sum_usage(workspace_id, by, since, until) for by in DIMENSIONS}


class _Echo:
    def write(self, line: str) -> str:
        return line


def write_csv(workspace_id: UUID, since: date, until: date) -> Iterator[str]:
    """The lines of the CSV: one for each day, agent, channel, model and key."""
    writer = csv.writer(_Echo())
    rows = list(list_details(workspace_id, since, until))
    agents = _names(workspace_id, "agent", [row["agent"] for row in rows])
    keys = _names(workspace_id, "key", [row["key"] for row in rows])
    yield writer.writerow(
        ["day", "agent", "agent_id", "channel", "model", "key", "key_id", "runs", "input_tokens", "output_tokens",
         "cost_usd", "billed_usd"]
    )  # fmt: skip
    for row in rows:
        yield writer.writerow(
            [row["day"], _plain(agents[row["agent"]]), row["agent"], row["channel"], _plain(row["model"]),
             _plain(keys[row["key"]]), row["key"], row["runs"], row["input"], row["output"], row["cost_usd"],
             Decimal(row["billed"]) / 1000]
        )  # fmt: skip


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
