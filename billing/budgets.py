"""Budgets on the hot path: reserve before the model is called, settle after; exact, whoever else writes meanwhile.

Chat's group commit writes many turns in one statement. The counters' changes ride in it: `reserve` and `settle` make
rows, `BUDGET_CTES` applies them. A turn that does not fit violates a constraint, so the whole statement rolls back;
the writer tries the turns one by one, and exactly those fail that do not fit. `exceeded_from` says which cap it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # of what is counted in total

# A scalar for a query in which `agent` is the agent's row: its caps for `parse_caps`, NULL when it has none.
CAPS_SUBQUERY = """
(SELECT json_agg(json_build_array(id, scope, api_key_id, period)) FROM billing_budget
 WHERE billing_budget.agent_id = agent.id AND billing_budget.is_active)
"""

# The columns of the rows that `reserve` and `settle` make, for json_to_recordset.
RESERVING_COLUMNS = (
    "counter uuid, budget uuid, subject text, starts timestamptz, resets timestamptz, usd numeric, tokens bigint"
)
SETTLING_COLUMNS = "counter uuid, reserved_usd numeric, reserved_tokens bigint, spent_usd numeric, spent_tokens bigint"

# Common table expressions for a statement that has `reserving` and `settling`, with these columns, before them.
# A row in them counts each time that it is written: keep out what a repeated statement has written before.
# One statement must not change a row twice, so a counter that is reserved and settled at once is changed in one step.
# Counters are locked in the order of their ids, so that two processes never wait for each other. The limit is read
# from the budget: a cap that was changed holds from the next turn on.
BUDGET_CTES = f"""
reservations AS MATERIALIZED (
    SELECT counter, budget, subject, starts, resets, sum(usd) AS usd, sum(tokens)::bigint AS tokens
    FROM reserving GROUP BY counter, budget, subject, starts, resets
), settlements AS MATERIALIZED (
    SELECT counter, sum(reserved_usd) AS reserved_usd, sum(reserved_tokens)::bigint AS reserved_tokens,
        sum(spent_usd) AS spent_usd, sum(spent_tokens)::bigint AS spent_tokens
    FROM settling GROUP BY counter
), locked_counters AS MATERIALIZED (
    SELECT id FROM billing_budgetcounter
    WHERE id IN (SELECT counter FROM reservations UNION ALL SELECT counter FROM settlements)
    ORDER BY id FOR UPDATE
), reserved_counters AS (
    INSERT INTO billing_budgetcounter AS mine (id, budget_id, subject, starts_at, resets_at, reserved_usd,
        reserved_tokens, spent_usd, spent_tokens, room_usd, room_tokens)
    SELECT r.counter, r.budget, r.subject, r.starts, r.resets,
        r.usd, r.tokens, 0, 0, budget.limit_usd - r.usd, budget.limit_tokens - r.tokens
    FROM reservations r JOIN billing_budget budget ON budget.id = r.budget
    WHERE (SELECT count(*) FROM locked_counters) >= 0
    ORDER BY r.counter
    ON CONFLICT (id) DO UPDATE SET
        (reserved_usd, reserved_tokens, spent_usd, spent_tokens, room_usd, room_tokens, alerted_at) = (
            SELECT now.reserved_usd, now.reserved_tokens, now.spent_usd, now.spent_tokens,
                EXCLUDED.room_usd + EXCLUDED.reserved_usd - now.spent_usd - now.reserved_usd,
                EXCLUDED.room_tokens + EXCLUDED.reserved_tokens - now.spent_tokens - now.reserved_tokens,
                CASE WHEN now.spent_usd >= {ALERT_SHARE} * (EXCLUDED.room_usd + EXCLUDED.reserved_usd)
                    OR now.spent_tokens >= {ALERT_SHARE} * (EXCLUDED.room_tokens + EXCLUDED.reserved_tokens)
                THEN COALESCE(mine.alerted_at, statement_timestamp()) ELSE mine.alerted_at END
            FROM (
                SELECT
                    greatest(mine.reserved_usd - COALESCE(sum(s.reserved_usd), 0), 0)
                        + EXCLUDED.reserved_usd AS reserved_usd,
                    greatest(mine.reserved_tokens - COALESCE(sum(s.reserved_tokens), 0)::bigint, 0)
                        + EXCLUDED.reserved_tokens AS reserved_tokens,
                    mine.spent_usd + COALESCE(sum(s.spent_usd), 0) AS spent_usd,
                    mine.spent_tokens + COALESCE(sum(s.spent_tokens), 0)::bigint AS spent_tokens
                FROM settlements s WHERE s.counter = mine.id
            ) now
        )
), settled_counters AS (
    UPDATE billing_budgetcounter mine SET
        reserved_usd = greatest(mine.reserved_usd - s.reserved_usd, 0),
        reserved_tokens = greatest(mine.reserved_tokens - s.reserved_tokens, 0),
        spent_usd = mine.spent_usd + s.spent_usd,
        spent_tokens = mine.spent_tokens + s.spent_tokens,
        room_usd = CASE WHEN budget.limit_usd IS NOT NULL THEN greatest(0,
            budget.limit_usd - mine.spent_usd - s.spent_usd - greatest(mine.reserved_usd - s.reserved_usd, 0)) END,
        room_tokens = CASE WHEN budget.limit_tokens IS NOT NULL THEN greatest(0, budget.limit_tokens
            - mine.spent_tokens - s.spent_tokens - greatest(mine.reserved_tokens - s.reserved_tokens, 0)) END,
        alerted_at = CASE WHEN mine.spent_usd + s.spent_usd >= {ALERT_SHARE} * budget.limit_usd
            OR mine.spent_tokens + s.spent_tokens >= {ALERT_SHARE} * budget.limit_tokens
            THEN COALESCE(mine.alerted_at, statement_timestamp()) ELSE mine.alerted_at END
    FROM settlements s, billing_budget budget
    WHERE (SELECT count(*) FROM locked_counters) >= 0
        AND mine.id = s.counter AND budget.id = mine.budget_id
        AND NOT EXISTS (SELECT FROM reservations r WHERE r.counter = s.counter)
)"""  # noqa: S608 - nothing of a user's in it


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
    end_user: str,
    conversation_id: UUID,
    usd: Decimal,
    tokens: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The rows of `reserving` for a turn that may cost up to `usd` dollars and `tokens` tokens.

    A turn without a key, or without an end user, is not counted by the caps on these.
    """
    rows = []
    for cap in caps:
        subject = _subject_of(cap, api_key_id, end_user, conversation_id)
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


def _subject_of(cap: Cap, api_key_id: UUID | None, end_user: str, conversation_id: UUID) -> str | None:
    if cap.scope == "agent":
        return ""
    if cap.scope == "conversation":
        return str(conversation_id)
    if cap.scope == "end_user":
        return end_user[:_SUBJECT_LENGTH] or None
    if api_key_id is None or (cap.api_key_id is not None and cap.api_key_id != api_key_id):
        return None
    return str(api_key_id)


@lru_cache(maxsize=4096)
def counter_id(budget_id: UUID, subject: str, starts_at: datetime) -> UUID:
    """The counter's id: the same in every process, without asking the database."""
    return uuid5(budget_id, f"{starts_at.isoformat()} {subject}")


def period_at(period: str, now: datetime) -> tuple[datetime, datetime | None]:
    """When the period that `now` (aware) is in began, and when it ends (None: never); days and months are UTC's."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight, midnight + timedelta(days=1)
    if period == "month":
        first = midnight.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    return _BEGINNING, None


def as_reservation(rows: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """What a run keeps of its reservation until it is settled: [[counter id, dollars, tokens], ...]."""
    return [[str(row["counter"]), row["usd"], row["tokens"]] for row in rows]


def settle(reservation: Iterable[Sequence[Any]] | None, *, usd: Decimal, tokens: int) -> list[dict[str, Any]]:
    """The rows of `settling` for a run that kept this reservation and cost this much. Costs above it are kept, too."""
    spent = {"spent_usd": _as_money(usd), "spent_tokens": tokens}
    return [
        {"counter": counter, "reserved_usd": reserved_usd, "reserved_tokens": reserved_tokens, **spent}
        for counter, reserved_usd, reserved_tokens in reservation or ()
    ]


def _as_money(usd: Decimal) -> str:
    """As the columns hold it, so that what is given back is exactly what was taken."""
    return str(max(usd, Decimal(0)).quantize(_SMALLEST_USD, ROUND_UP))


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
