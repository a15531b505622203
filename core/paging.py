"""Cursors: the place in a list after which the next page begins, as text that its reader hands back unchanged."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson

from core.errors import CursorInvalid

LARGEST_LIMIT = 100
_LONGEST_CURSOR = 200


def read_limit(asked: str, usual: int) -> int:
    """How many rows; what is no number counts as the usual one."""
    limit = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else usual
    return min(max(limit, 1), LARGEST_LIMIT)


def encode_cursor(*place: Any) -> str:
    """A place of JSON values and moments."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in place]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: Any) -> list[Any]:
    """The parts of a place, each made by its kind. Raises CursorInvalid for a forged cursor."""
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [kind(part) for kind, part in zip(kinds, place, strict=True)]
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise CursorInvalid() from None


def read_moment(text: str) -> datetime:
    """A moment of a cursor, in UTC: PostgreSQL does not know every offset that Python does.

    Raises ValueError for one without its zone (nobody knows when that is), OverflowError beyond the years there are.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)
