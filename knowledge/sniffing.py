"""What a file really is: its content decides, its name only chooses among kinds of text."""

from dataclasses import dataclass
from typing import IO

import puremagic

from knowledge.errors import ArchiveRefused, TypeMismatch
from knowledge.loaders.docx import check_archive
from knowledge.loaders.types import LoadError
from knowledge.names import extension_of

_HEAD_BYTES = 16 * 1024
_CONTROL_BYTES = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b\x0b\x08")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file that can be read: the loader's name and the media type."""

    name: str
    mime_type: str


PDF = Kind("pdf", "application/pdf")
DOCX = Kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
HTML = Kind("html", "text/html")
TEXT = Kind("text", "text/plain")
MARKDOWN = Kind("markdown", "text/markdown")
CSV = Kind("csv", "text/csv")
JSON = Kind("json", "application/json")

_BY_EXTENSION = {
    "pdf": PDF, "docx": DOCX, "html": HTML, "htm": HTML, "xhtml": HTML, "md": MARKDOWN, "markdown": MARKDOWN,
    "txt": TEXT, "text": TEXT, "log": TEXT, "rst": TEXT, "csv": CSV, "tsv": CSV, "json": JSON, "jsonl": JSON,
    "ndjson": JSON,
}  # fmt: skip
_BY_MIME = {kind.mime_type: kind for kind in _BY_EXTENSION.values()}
_TEXT_KINDS = {HTML, TEXT, MARKDOWN, CSV, JSON}
# What browsers and mail programs open as such, whatever the name says.
_FOREIGN_TYPES = ("image/", "audio/", "video/", "font/", "application/x-", "application/vnd.", "application/zip")


def kind_of(mime_type: str) -> Kind:
    """The kind of a stored document."""
    return _BY_MIME[mime_type]


def detect_kind(file: IO[bytes], size: int, name: str) -> Kind:
    """The file's kind. Raises TypeMismatch when name and content disagree, ArchiveRefused for a DOCX bomb."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    claimed = _BY_EXTENSION.get(extension_of(name))
    found = _detect_binary(file, size, head)
    file.seek(0)
    if found is None and _is_text(head):
        found = _choose_text_kind(head, claimed, has_extension=bool(extension_of(name)))
    if found is None or (claimed is not None and claimed != found):
        raise TypeMismatch()
    return found


def _detect_binary(file: IO[bytes], size: int, head: bytes) -> Kind | None:
    if head.lstrip(b"\x00\t\n\r\f \xef\xbb\xbf").startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        try:
            return DOCX if check_archive(file, size) else None
        except LoadError as error:
            raise ArchiveRefused(error.message, code=error.code) from error
    return None


def _is_text(head: bytes) -> bool:
    if _is_foreign(head):
        return False
    if head.startswith(_BYTE_ORDER_MARKS) or _looks_like_utf16(head):
        return True
    return not _CONTROL_BYTES.intersection(head)


def _is_foreign(head: bytes) -> bool:
    try:
        matches = puremagic.magic_string(head)
    except puremagic.PureError:
        return False
    return any(match.confidence >= 0.5 and match.mime_type.startswith(_FOREIGN_TYPES) for match in matches[:1])


def _looks_like_utf16(head: bytes) -> bool:
    even, odd = head[::2], head[1::2]
    if len(odd) < 8:
        return False
    zeros = sorted([even.count(0) / len(even), odd.count(0) / len(odd)])
    return zeros[0] == 0 and zeros[1] > 0.5 and not _CONTROL_BYTES.intersection(head.replace(b"\x00", b""))


def _choose_text_kind(head: bytes, claimed: Kind | None, *, has_extension: bool) -> Kind | None:
    if claimed in _TEXT_KINDS:
        return claimed
    if claimed is not None or has_extension:
        return None
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return HTML
    return JSON if start[:1] in (b"{", b"[") else TEXT
