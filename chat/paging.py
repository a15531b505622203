"""Pages of lists outside Django's views: `?limit=` from 1 to 100, and `?cursor=`, the `next` of the page before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.db.models import Q, QuerySet

from core.paging import decode_cursor, encode_cursor, read_limit, read_moment

USUAL_LIMIT = 50


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a reader asks for: how many rows, after which place; `filters` are the other parameters."""

    limit: int
    cursor: str
    filters: dict[str, str]


def read_page_query(query: bytes) -> PageQuery:
    """From a request's query string; a limit that is none counts as the usual one."""
    given = {name: values[-1] for name, values in parse_qs(query.decode("latin-1"), errors="replace").items()}
    limit, cursor = read_limit(given.pop("limit", ""), USUAL_LIMIT), given.pop("cursor", "")
    return PageQuery(limit, cursor, given)


def page_by_activity(rows: QuerySet[Any], page: PageQuery) -> tuple[list[Any], str | None]:
    """Conversations last active first, and the cursor of what follows. Raises BadRequest for a forged cursor."""
    if page.cursor:
        moment, row_id = decode_cursor(page.cursor, read_moment, UUID)
        rows = rows.filter(Q(last_message_at__lt=moment) | Q(last_message_at=moment, id__lt=row_id))
    found = list(rows.order_by("-last_message_at", "-id")[: page.limit + 1])
    return _cut(found, page, lambda row: (row.last_message_at, row.pk))


def page_by_id(rows: QuerySet[Any], page: PageQuery) -> tuple[list[Any], str | None]:
    """Rows in the order in which they were made, and the cursor of what follows. Raises BadRequest."""
    if page.cursor:
        (row_id,) = decode_cursor(page.cursor, UUID)
        rows = rows.filter(id__gt=row_id)
    return _cut(list(rows.order_by("id")[: page.limit + 1]), page, lambda row: (row.pk,))


def _cut(found: Sequence[Any], page: PageQuery, place_of: Any) -> tuple[list[Any], str | None]:
    shown = list(found[: page.limit])
    return shown, encode_cursor(*place_of(shown[-1])) if len(found) > page.limit else None
