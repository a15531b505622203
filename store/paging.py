"""Pages of the storefront: `?limit=` from 1 to 100 and `?cursor=`, by a number or a moment and then by id.

DRF's cursor counts an offset among equal values, which is no way through ten thousand listings with the score 0.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet

from core.errors import BadRequest

USUAL_LIMIT, LARGEST_LIMIT = 24, 100
_LONGEST_CURSOR = 200


@dataclass(frozen=True, slots=True)
class Order:
    """The column that a list is ordered by, falling, and how its values are read from a cursor."""

    column: str
    read: Callable[[Any], Any]


def read_limit(asked: str) -> int:
    """How many rows; what is no number counts as the usual one."""
    limit = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else USUAL_LIMIT
    return min(max(limit, 1), LARGEST_LIMIT)


def read_moment(text: str) -> datetime:
    """A moment of a cursor. Raises ValueError for one without its zone: nobody knows when that is."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


def cut_page(rows: QuerySet[Any], order: Order, *, cursor: str, limit: int) -> tuple[list[Any], str | None]:
    """The rows after the cursor's place, and the cursor of what follows. Raises BadRequest for a forged cursor."""
    column = order.column
    if cursor:
        value, row_id = _decode(cursor, order)
        # The first condition says nothing new, but it is one that an index can start from.
        place = Q(**{f"{column}__lt": value}) | Q(**{column: value}, id__lt=row_id)
        rows = rows.filter(place, **{f"{column}__lte": value})
    found = list(rows.order_by(f"-{column}", "-id")[: limit + 1])
    shown = found[:limit]
    return shown, _encode(getattr(shown[-1], column), shown[-1].pk) if len(found) > limit else None


def _encode(value: Any, row_id: UUID) -> str:
    place = [value.isoformat() if isinstance(value, datetime) else value, row_id]
    return base64.urlsafe_b64encode(orjson.dumps(place)).rstrip(b"=").decode()


def _decode(cursor: str, order: Order) -> tuple[Any, UUID]:
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError
        value, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return order.read(value), UUID(row_id)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise BadRequest(
            "This cursor is not valid. Start again without one.", code="cursor_invalid", param="cursor"
        ) from None
