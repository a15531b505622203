"""Pages of the storefront: `?limit=` from 1 to 100 and `?cursor=`, by a number or a moment and then by id.

DRF's cursor counts an offset among equal values, which is no way through ten thousand listings with the score 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from core.paging import decode_cursor, encode_cursor

USUAL_LIMIT = 24


@dataclass(frozen=True, slots=True)
class Order:
    """The column that a list is ordered by, falling, and how its values are read from a cursor."""

    column: str
    read: Callable[[Any], Any]


def cut_page(rows: QuerySet[Any], order: Order, *, cursor: str, limit: int) -> tuple[list[Any], str | None]:
    """The rows after the cursor's place, and the cursor of what follows. Raises BadRequest for a forged cursor."""
    column = order.column
    if cursor:
        value, row_id = decode_cursor(cursor, order.read, UUID)
        # The first condition says nothing new, but it is one that an index can start from.
        place = Q(**{f"{column}__lt": value}) | Q(**{column: value}, id__lt=row_id)
        rows = rows.filter(place, **{f"{column}__lte": value})
    found = list(rows.order_by(f"-{column}", "-id")[: limit + 1])
    shown = found[:limit]
    return shown, encode_cursor(getattr(shown[-1], column), shown[-1].pk) if len(found) > limit else None
