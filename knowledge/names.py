"""File names for people: kept as they are written, made harmless to show. Never used as a path."""

import unicodedata
from pathlib import PurePosixPath

MAX_NAME_BYTES = 255
# They turn the direction of the text around them, so that "fdp.exe" can be shown as "exe.pdf".
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(raw: str) -> str:
    """The last part of the path, without control and direction characters, at most 255 bytes, extension kept."""
    last = raw.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if not _is_dangerous(character))
    name = unicodedata.normalize("NFC", " ".join(kept.split())).strip(". ") or "document"
    return _shorten(name)


def extension_of(name: str) -> str:
    """The extension in lower case without its dot, "" when there is none."""
    return PurePosixPath(name).suffix.lower().lstrip(".")


def _is_dangerous(character: str) -> bool:
    return character in _DIRECTION_MARKS or unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    room = MAX_NAME_BYTES - len(suffix.encode())
    return name[: len(name) - len(suffix)].encode()[:room].decode(errors="ignore") + suffix
