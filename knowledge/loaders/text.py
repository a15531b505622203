"""Plain text and Markdown, whatever the encoding."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from knowledge.loaders.code_pages import choose_latin, is_latin_page
from knowledge.loaders.types import LoadError, Section

_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_SAMPLE_BYTES = 64 * 1024


def load(path: Path) -> Iterator[Section]:
    """The whole text as one section; Markdown stays as it is: models read it."""
    yield Section(read_text(path))


def read_text(path: Path) -> str:
    """The file as text with lines ended by a line feed. Raises LoadError for what is no text."""
    content = path.read_bytes()
    encoding = detect_encoding(content)
    try:
        text = content.decode(encoding, errors="strict" if encoding.startswith("utf") else "replace")
    except UnicodeDecodeError as error:
        raise LoadError(
            "parse_failed", f"The text is not valid {encoding.upper()} (at byte {error.start}). Save it as UTF-8."
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def detect_encoding(content: bytes) -> str:
    """A Python codec's name: by the byte order mark, UTF-8 if it fits, UTF-16 by its zeros, else the likeliest."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    zeros_even, zeros_odd = content[:4096:2].count(0), content[1:4096:2].count(0)
    if zeros_even or zeros_odd:
        return "utf-16-le" if zeros_odd > zeros_even else "utf-16-be"
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        start = max(0, error.start - _SAMPLE_BYTES // 2)  # what comes before the first accent tells nothing
        sample = content[start : start + _SAMPLE_BYTES]
        return _guess_code_page(sample)


def _guess_code_page(sample: bytes) -> str:
    # Of scripts the library is a good judge; among Latin pages it takes French for Czech, Finnish for Icelandic.
    page, is_explained = choose_latin(sample)
    if is_explained:
        return page
    best = from_bytes(sample).best()
    return page if best is None or is_latin_page(best.encoding) else best.encoding
