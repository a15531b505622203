"""Reads about usage: by day, agent, channel, model or key; and what was billed beyond the plan. Workspace first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Count, F, IntegerField, QuerySet, Sum, Value, When
from django.db.models.functions import Cast, Coalesce, TruncDate

from billing.metering import MILLS_PER_CENT, PRICES
from billing.models import Customer, Meter, UsageRecord

DIMENSIONS = {
    "day": TruncDate("at", tzinfo=UTC),
    "agent": Cast("agent_id", CharField()),
    "channel": F("channel"),
    "model": F("model"),
    "key": Coalesce(Cast("api_key_id", CharField()), Value("")),
}
# Thousandths of a dollar that one record costs beyond the plan.
_BILLED = Sum(
    Case(
        *(When(meter=meter, then=Value(price)) for meter, price in PRICES.items()),
        default=Value(0),
        output_field=IntegerField(),
    )
)


@dataclass(frozen=True, slots=True)
class Share:
    """What one day, agent, channel, model or key used. `billed` is in thousandths of a dollar."""

    name: str
    runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    billed: int


@dataclass(frozen=True, slots=True)
class MonthOverage:
    """What a month cost beyond the plan, in thousandths of a dollar; `cap` is the customer's own."""

    counts: dict[str, int]
    total: int
    cap: int
    is_enabled: bool


def sum_usage(workspace_id: UUID, by: str, since: date, until: date) -> list[Share]:
    """What the runs from `since` to `until` (days, UTC, both included) used, in one query: the dearest first, days in
    their order. `by` is one of DIMENSIONS."""
    rows: Any = _records(workspace_id, since, until).values(name=DIMENSIONS[by]).annotate(**_SUMS)
    order = ("name",) if by == "day" else ("-cost_usd", "-runs", "name")
    return [_share(row) for row in rows.order_by(*order)]


def list_details(workspace_id: UUID, since: date, until: date) -> Iterable[dict[str, Any]]:
    """The same by all dimensions at once, for a spreadsheet: one row for each combination, by day."""
    fields = [name for name, expression in DIMENSIONS.items() if isinstance(expression, F)]
    derived = {name: expression for name, expression in DIMENSIONS.items() if name not in fields}
    grouped: Any = _records(workspace_id, since, until).values(*fields, **derived).annotate(**_SUMS)
    rows: Iterable[dict[str, Any]] = grouped.order_by(*DIMENSIONS).iterator(chunk_size=2_000)
    return rows


def read_overage(workspace_id: UUID, month: date) -> MonthOverage:
    """What a month (its first day, UTC) cost beyond the plan: the sum of its records. Two queries."""
    last = (month.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    metered = _records(workspace_id, month, last).exclude(meter="")
    found = dict(metered.order_by().values_list("meter").annotate(n=Count("pk")))
    counts = {meter: found.get(meter, 0) for meter in Meter.values}
    customer = Customer.objects.for_workspace(workspace_id).first() or Customer()
    return MonthOverage(
        counts=counts,
        total=sum(PRICES[meter] * count for meter, count in counts.items()),
        cap=customer.spending_cap * MILLS_PER_CENT,
        is_enabled=customer.overage_enabled,
    )


_SUMS: dict[str, Any] = {
    "runs": Count("pk"),
    "input": Sum("input_tokens"),
    "output": Sum("output_tokens"),
    "cost_usd": Sum("cost_usd"),
    "billed": _BILLED,
}


def _records(workspace_id: UUID, since: date, until: date) -> QuerySet[UsageRecord]:
    start = datetime(since.year, since.month, since.day, tzinfo=UTC)
    end = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
    return UsageRecord.objects.for_workspace(workspace_id).filter(at__gte=start, at__lt=end).order_by()


def _share(row: dict[str, Any]) -> Share:
    return Share(str(row["name"]), row["runs"], row["input"], row["output"], row["cost_usd"], row["billed"])
