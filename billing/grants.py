"""Grants: the right to use something so many times, until then; counted exactly, taken away at once.

Whoever makes a grant says what it opens: an access token, a purchase, a day's allowance. A visitor's token names it
(`agents.visitor_tokens`), and each message takes one use of it and of every grant above it, all or none.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db.models import F
from django.utils import timezone

from billing.errors import AllowanceUsedUp, GrantEnded, GrantUsedUp
from billing.models import GRANT_ROOM, Grant
from core.async_db import fetch_all

# The grant and all above it, from the bottom up: everybody locks them in this order.
_CHAIN = """
WITH RECURSIVE chain(id, parent_id, place) AS (
    SELECT id, parent_id, 0 FROM billing_grant WHERE id = %s
    UNION ALL
    SELECT above.id, above.parent_id, chain.place + 1 FROM billing_grant above JOIN chain ON above.id = chain.parent_id
)"""
_IS_ALIVE = "(revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()))"
_LOCKED = f"""{_CHAIN}, locked AS MATERIALIZED (
    SELECT mine.id, {_IS_ALIVE} AS is_alive FROM billing_grant mine JOIN chain USING (id)
    ORDER BY chain.place FOR UPDATE OF mine
)"""  # noqa: S608 - constants of ours
_TAKE = f"""{_LOCKED}, used AS (
    UPDATE billing_grant SET uses = uses + 1, last_used_at = clock_timestamp()
    WHERE id IN (SELECT id FROM locked) AND (SELECT bool_and(is_alive) FROM locked)
    RETURNING id
)
SELECT count(*) FROM used
"""  # noqa: S608
_READ = f"""{_CHAIN}
SELECT count(*), min(expires_at) FROM billing_grant WHERE id IN (SELECT id FROM chain)
"""  # noqa: S608
_LIVE = f"SELECT id FROM billing_grant WHERE id = ANY(%s) AND {_IS_ALIVE}"  # noqa: S608


def return_uses(grants: str) -> str:
    """The SQL of common table expressions that give uses back, of these grants and of all above them.

    `grants` is a SELECT of ids, one row for each use. Rows are locked from the bottom up, as everybody locks them.
    """
    return f"""
uses_to_return AS MATERIALIZED (
    SELECT mine.id, held.uses FROM billing_grant mine JOIN (
        WITH RECURSIVE chain(id, parent_id, place) AS (
            SELECT taken.id, taken.parent_id, 0 FROM ({grants}) held(id) JOIN billing_grant taken USING (id)
            UNION ALL
            SELECT above.id, above.parent_id, chain.place + 1
            FROM billing_grant above JOIN chain ON above.id = chain.parent_id
        ) SELECT id, count(*) AS uses, max(place) AS place FROM chain GROUP BY id
    ) held USING (id) ORDER BY held.place, mine.id FOR UPDATE OF mine
), uses_returned AS (
    UPDATE billing_grant SET uses = greatest(billing_grant.uses - held.uses, 0) FROM uses_to_return held
    WHERE billing_grant.id = held.id
)"""  # noqa: S608


_RETURN = f"WITH {return_uses('SELECT %s::uuid')} SELECT count(*) FROM uses_to_return"  # noqa: S608


def create_grant(
    *, most_uses: int | None = None, expires_at: datetime | None = None, parent: Grant | None = None
) -> Grant:
    """A new right; None means without end."""
    return Grant.objects.create(most_uses=most_uses, expires_at=expires_at, parent=parent)


def ensure_allowance(*, grant_id: UUID, most_uses: int, expires_at: datetime, parent_id: UUID | None = None) -> None:
    """A grant whose id follows from what it is for: made where it is missing, whoever else makes it at that moment."""
    allowance = Grant(id=grant_id, most_uses=most_uses, expires_at=expires_at, parent_id=parent_id)
    Grant.objects.bulk_create([allowance], ignore_conflicts=True)


def extend_grant(*, grant_id: UUID, expires_at: datetime | None = None, more_uses: int = 0) -> None:
    """Move a grant's end, or add uses to it. One that was revoked stays so."""
    changes: dict[str, Any] = {"updated_at": timezone.now()}
    if expires_at is not None:
        changes["expires_at"] = expires_at
    if more_uses:
        changes["most_uses"] = F("most_uses") + more_uses
    Grant.objects.filter(pk=grant_id).update(**changes)


def revoke_grant(*, grant_id: UUID) -> None:
    """Take the right away: the next message is refused, and a stream that is under way ends within seconds."""
    now = timezone.now()
    Grant.objects.filter(pk=grant_id, revoked_at=None).update(revoked_at=now, updated_at=now)


async def take_use(grant_id: UUID) -> None:
    """One use of the grant and of all above it, or of none. Raises GrantUsedUp, AllowanceUsedUp, GrantEnded."""
    try:
        rows = await fetch_all(_TAKE, [grant_id])
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != GRANT_ROOM:
            raise
        raise await _describe_used_up(grant_id) from None
    if not rows[0][0]:
        raise GrantEnded()


async def return_use(grant_id: UUID) -> None:
    """Give back what `take_use` took: nothing began. A run that fails gives it back as it ends (`return_uses`)."""
    await fetch_all(_RETURN, [grant_id])


async def find_live_grants(grant_ids: Collection[UUID]) -> set[UUID]:
    """Those of these that are neither revoked nor over, whether or not uses are left."""
    return {row[0] for row in await fetch_all(_LIVE, [list(grant_ids)])}


async def _describe_used_up(grant_id: UUID) -> GrantUsedUp | AllowanceUsedUp:
    """A grant within others is an allowance, which starts anew; one that stands alone is used up for good."""
    links, expires_at = (await fetch_all(_READ, [grant_id]))[0]
    if links < 2 or expires_at is None:
        return GrantUsedUp()
    return AllowanceUsedUp(retry_after=max(int((expires_at - datetime.now(UTC)).total_seconds()) + 1, 1))
