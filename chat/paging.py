"""Pages of lists outside Django's views: `?limit=` from 1 to 100, and `?cursor=`, the `next` of the page before."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet

from core.errors import BadRequest

USUAL_LIMIT, LARGEST_LIMIT = 50, 100
_LONGEST_CURSOR = 200


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a reader asks for: how many rows, after which place; `filters` are the other parameters."""

    limit: int
    cursor: str
    filters: dict[str, str]


def read_page_query(query: bytes) -> PageQuery:
    """From a request's query string; a limit that is none counts as the usual one."""
    given = {name: values[-1] for name, values in parse_qs(query.decode("latin-1"), errors="replace").items()}
    asked, cursor = given.pop("limit", ""), given.pop("cursor", "")
    limit = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else USUAL_LIMIT
    return PageQuery(min(max(limit, 1), LARGEST_LIMIT), cursor, given)


def page_by_activity(rows: QuerySet[Any], page: PageQuery) -> tuple[list[Any], str | None]:
    """Conversations last active first, and the cursor of what follows. Raises BadRequest for a forged cursor."""
    if page.cursor:
        moment, row_id = _decode(page.cursor, datetime.fromisoformat, UUID)
        rows = rows.filter(Q(last_message_at__lt=moment) | Q(last_message_at=moment, id__lt=row_id))
    found = list(rows.order_by("-last_message_at", "-id")[: page.limit + 1])
    return _cut(found, page, lambda row: [row.last_message_at.isoformat(), str(row.pk)])


def page_by_id(rows: QuerySet[Any], page: PageQuery) -> tuple[list[Any], str | None]:
    """Rows in the order in which they were made, and the cursor of what follows. Raises BadRequest."""
    if page.cursor:
        (row_id,) = _decode(page.cursor, UUID)
        rows = rows.filter(id__gt=row_id)
    return _cut(list(rows.order_by("id")[: page.limit + 1]), page, lambda row: [str(row.pk)])


def _cut(found: Sequence[Any], page: PageQuery, place_of: Any) -> tuple[list[Any], str | None]:
    shown = list(found[: page.limit])
    return shown, _encode(place_of(shown[-1])) if len(found) > page.limit else None


def _encode(place: list[str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).rstrip(b"=").decode()


def _decode(cursor: str, *kinds: Any) -> list[Any]:
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [kind(part) for kind, part in zip(kinds, place, strict=True)]
    except (ValueError, TypeError, AttributeError):
        raise BadRequest(
            "This cursor is not valid. Start again without one.", code="cursor_invalid", param="cursor"
        ) from None
