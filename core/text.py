"""Text that can be stored and compared."""

import unicodedata
from typing import Any


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL and UTF-8 can hold every string in this JSON value: no NUL, no lone surrogate."""
    if isinstance(value, str):
        return "\x00" not in value and (
            value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
        )
    if isinstance(value, dict):
        return all(is_storable(key) and is_storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(is_storable(item) for item in value)
    return True


def fold(name: str) -> str:
    """The form under which names are compared: NFKC, case folded, spaces joined."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
