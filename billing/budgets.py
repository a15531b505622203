"""Budgets on the hot path: reserve before the model is called, settle after; exact, whoever else writes meanwhile.

Chat's group commit writes many turns in one statement. The counters' changes ride in it: `taking` and `settle` make
rows, `COUNT_ONE_CTE` or `COUNT_MANY_CTES` applies them. A turn that does not fit violates a constraint, so the whole
statement rolls back; the writer tries the turns one by one, and exactly those fail that do not fit. `exceeded_from`
says which cap it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

import orjson
import psycopg

from billing.errors import BudgetExceeded
from billing.models import ROOM_TOKENS, ROOM_USD
from core.async_db import fetch_all

ALERT_SHARE = "0.8"
_SUBJECT_LENGTH = 255
_SMALLEST_USD = Decimal("0.00000001")
_NOTHING = Decimal(0)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # of what is counted in total

# A scalar for a query in which `agent` is the agent's row: its caps for `parse_caps`, NULL when it has none.
CAPS_SUBQUERY = """
(SELECT json_agg(json_build_array(id, scope, api_key_id, period)) FROM billing_budget
 WHERE billing_budget.agent_id = agent.id AND billing_budget.is_active)
"""

# Makes the counters of `reserve`'s rows, given as JSON, where they are missing. Counters must be there before turns are
# counted: to change a row that is known to be there costs half of what "insert or else change" costs.
OPEN_COUNTERS = """
INSERT INTO billing_budgetcounter (id, budget_id, subject, starts_at, resets_at,
    reserved_usd, reserved_tokens, spent_usd, spent_tokens, room_usd, room_tokens)
SELECT DISTINCT row.counter, row.budget, row.subject, row.starts, row.resets,
    0, 0, 0, 0, budget.limit_usd, budget.limit_tokens
FROM json_to_recordset($1::json) AS row(
    counter uuid, budget uuid, subject text, starts timestamptz, resets timestamptz)
JOIN billing_budget budget ON budget.id = row.budget
ORDER BY row.counter
ON CONFLICT (id) DO NOTHING
"""

# The columns of the rows that `taking` and `settle` make, for json_to_recordset. `reserved` is what is added to the
# reservations, below zero when one is given back.
COUNTING_COLUMNS = (
    "counter uuid, takes boolean, reserved_usd numeric, reserved_tokens bigint, spent_usd numeric, spent_tokens bigint"
)
# What a select list makes of them: one row for each counter, because one statement must not change a row twice.
COUNTING_SUMS = """counter, bool_or(takes) AS takes, sum(reserved_usd) AS reserved_usd,
        sum(reserved_tokens)::bigint AS reserved_tokens, sum(spent_usd) AS spent_usd,
        sum(spent_tokens)::bigint AS spent_tokens"""


def _room(unit: str) -> str:
    """What is left of a cap; only who takes of it can find it too small."""
    reserved = f"greatest(mine.reserved_{unit} + counting.reserved_{unit}, 0)"
    room = f"budget.limit_{unit} - mine.spent_{unit} - counting.spent_{unit} - {reserved}"
    return f"""reserved_{unit} = {reserved},
        spent_{unit} = mine.spent_{unit} + counting.spent_{unit},
        room_{unit} = CASE WHEN counting.takes OR budget.limit_{unit} IS NULL THEN {room}
            ELSE greatest({room}, 0) END"""


# Common table expressions for a statement that has `counting` (COUNTING_SUMS) before them. A row counts each time that
# it is written: keep out what a repeated statement has written before. The limit is read from the budget: a cap that
# was changed holds from the next turn on.
_COUNTED = f"""
counted AS (
    UPDATE billing_budgetcounter mine SET
        {_room("usd")},
        {_room("tokens")},
        alerted_at = CASE WHEN mine.spent_usd + counting.spent_usd >= {ALERT_SHARE} * budget.limit_usd
            OR mine.spent_tokens + counting.spent_tokens >= {ALERT_SHARE} * budget.limit_tokens
            THEN COALESCE(mine.alerted_at, statement_timestamp()) ELSE mine.alerted_at END
    FROM counting, billing_budget budget
    WHERE mine.id = counting.counter AND budget.id = mine.budget_id"""  # noqa: S608 - nothing of a user's in it
COUNT_ONE_CTE = f"{_COUNTED}\n)"
# Several counters are locked in the order of their ids, so that two processes never wait for each other.
COUNT_MANY_CTES = f"""
locked_counters AS MATERIALIZED (
    SELECT id FROM billing_budgetcounter WHERE id IN (SELECT counter FROM counting) ORDER BY id FOR UPDATE
), {_COUNTED} AND (SELECT count(*) FROM locked_counters) >= 0
)"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Cap:
    """An active budget as the hot path knows it. Its limits stay in the database, where they are held."""

    budget_id: UUID
    scope: str
    api_key_id: UUID | None
    period: str


def parse_caps(stored: Sequence[Sequence[Any]] | None) -> tuple[Cap, ...]:
    """From what `CAPS_SUBQUERY` brought."""
    return tuple(
        Cap(UUID(budget_id), scope, UUID(api_key_id) if api_key_id else None, period)
        for budget_id, scope, api_key_id, period in stored or ()
    )


def reserve(
    caps: Iterable[Cap],
    *,
    api_key_id: UUID | None,
    key_family: Sequence[UUID] = (),
    end_user: str,
    conversation_id: UUID,
    usd: Decimal,
    tokens: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """What a turn that may cost up to `usd` dollars and `tokens` tokens takes: a row for each cap that counts it.

    A turn without a key, or without an end user, is not counted by the caps on these. `key_family` are the keys that
    the key replaced or that replace it: to a cap they are one key.
    """
    rows = []
    keys = () if api_key_id is None else (api_key_id, *key_family)
    for cap in caps:
        subject = _subject_of(cap, keys, end_user, conversation_id)
        if subject is not None:
            starts, resets = period_at(cap.period, now)
            rows.append(
                {
                    "counter": counter_id(cap.budget_id, subject, starts),
                    "budget": cap.budget_id,
                    "subject": subject,
                    "starts": starts,
                    "resets": resets,
                    "usd": _as_money(usd),
                    "tokens": tokens,
                }
            )
    return rows


def _subject_of(cap: Cap, keys: Sequence[UUID], end_user: str, conversation_id: UUID) -> str | None:
    if cap.scope == "agent":
        return ""
    if cap.scope == "conversation":
        return str(conversation_id)
    if cap.scope == "end_user":
        return end_user[:_SUBJECT_LENGTH] or None
    if not keys:
        return None
    if cap.api_key_id is None:
        return str(min(keys))  # the oldest: ids are in the order of time, so a rotation never changes it
    return str(cap.api_key_id) if cap.api_key_id in keys else None


@lru_cache(maxsize=4096)
def counter_id(budget_id: UUID, subject: str, starts_at: datetime) -> UUID:
    """The counter's id: the same in every process, without asking the database."""
    return uuid5(budget_id, f"{starts_at.isoformat()} {subject}")


def period_at(period: str, now: datetime) -> tuple[datetime, datetime | None]:
    """When the period that `now` (aware) is in began, and when it ends (None: never); days and months are UTC's."""
    return _period_of_day(period, now.astimezone(UTC).date())


@lru_cache(maxsize=64)
def _period_of_day(period: str, day: date) -> tuple[datetime, datetime | None]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if period == "day":
        return midnight, midnight + timedelta(days=1)
    if period == "month":
        first = midnight.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    return _BEGINNING, None


def as_reservation(rows: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """What a run keeps of its reservation until it is settled: [[counter id, dollars, tokens], ...]."""
    return [[row["counter"], row["usd"], row["tokens"]] for row in rows]


def taking(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `counting` for a turn's reservation, the rows of `reserve`."""
    return [
        _count(row["counter"], takes=True, usd=row["usd"], tokens=row["tokens"], spent_usd="0", spent_tokens=0)
        for row in rows
    ]


def settle(reservation: Iterable[Sequence[Any]] | None, *, usd: Decimal, tokens: int) -> list[dict[str, Any]]:
    """The rows of `counting` for a run that kept this reservation and cost this much. Costs above it are kept, too."""
    spent = _as_money(usd)
    return [
        _count(counter, takes=False, usd=f"-{held_usd}", tokens=-held_tokens, spent_usd=spent, spent_tokens=tokens)
        for counter, held_usd, held_tokens in reservation or ()
    ]


def _count(
    counter: UUID | str, *, takes: bool, usd: str, tokens: int, spent_usd: str, spent_tokens: int
) -> dict[str, Any]:
    return {
        "counter": counter, "takes": takes, "reserved_usd": usd, "reserved_tokens": tokens, "spent_usd": spent_usd,
        "spent_tokens": spent_tokens,
    }  # fmt: skip


def _as_money(usd: Decimal) -> str:
    """As the columns hold it, so that what is given back is exactly what was taken."""
    return str(max(usd, _NOTHING).quantize(_SMALLEST_USD, ROUND_UP))


def is_over_budget(error: Exception) -> bool:
    """Whether a statement failed because a reservation in it does not fit."""
    return isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name in {ROOM_USD, ROOM_TOKENS}


_EXCEEDED_QUERY = """
SELECT budget.scope, budget.period, r.resets,
    CASE WHEN budget.limit_usd < COALESCE(counter.spent_usd + counter.reserved_usd, 0) + r.usd
         THEN budget.limit_usd END,
    budget.limit_tokens,
    budget.limit_usd < COALESCE(counter.spent_usd + counter.reserved_usd, 0) + r.usd
        OR budget.limit_tokens < COALESCE(counter.spent_tokens + counter.reserved_tokens, 0) + r.tokens AS is_over
FROM json_to_recordset(%s::json) AS r(counter uuid, budget uuid, resets timestamptz, usd numeric, tokens bigint)
JOIN billing_budget budget ON budget.id = r.budget
LEFT JOIN billing_budgetcounter counter ON counter.id = r.counter
ORDER BY is_over DESC NULLS LAST, r.resets DESC NULLS FIRST
LIMIT 1
"""


async def exceeded_from(rows: list[dict[str, Any]], now: datetime) -> BudgetExceeded:
    """The error for a turn whose reservation (the rows of `reserve`) did not fit, in one read.

    Of several caps that are used up, the one that starts anew last.
    """
    found = await fetch_all(_EXCEEDED_QUERY, [orjson.dumps(rows).decode()])
    if not found:
        return BudgetExceeded()
    scope, period, resets_at, limit_usd, limit_tokens, _ = found[0]
    return BudgetExceeded(
        scope=scope,
        period=period,
        amount=limit_usd if limit_usd is not None else limit_tokens,
        resets_at=resets_at,
        retry_after=None if resets_at is None else max(int((resets_at - now).total_seconds()) + 1, 1),
    )
