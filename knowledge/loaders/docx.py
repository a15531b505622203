"""DOCX: the words of the document, its tables and notes, read as a stream of XML; not the headers of its pages.

Only the XML parts that hold text are read, with entities, DTDs and the network switched off; pictures, templates and
links to the outside are never looked at. `check_archive` is the door: it runs at upload, before anything is stored.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lxml import etree  # type: ignore[import-untyped]

from knowledge.loaders.types import LoadError, Section

MAX_ENTRIES = 10_000
MAX_INFLATED_BYTES = 100 * 1024 * 1024
_MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
_BLOCK = 256 * 1024
_END_RECORD = b"PK\x05\x06"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_WORD = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
MAIN_PART = "word/document.xml"
_OTHER_PARTS = ("word/footnotes.xml", "word/endnotes.xml")


def load(path: Path) -> Iterator[Section]:
    """The text as one section; headings become Markdown headings, table rows `a | b | c`."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            texts = [_read_part(archive, name) for name in (MAIN_PART, *_OTHER_PARTS) if name in names]
    except (zipfile.BadZipFile, etree.XMLSyntaxError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise LoadError("parse_failed", f"The document is damaged: {error}.") from error
    yield Section("\n\n".join(text for text in texts if text))


def check_archive(file: IO[bytes], size: int) -> bool:
    """Whether this zip is a Word document. Raises LoadError for a bomb; takes under a second and little memory.

    The archive's own numbers are not believed: the directory's size bounds the entries, and each entry is inflated
    (into nothing) until it ends or the sum passes the limit.
    """
    _check_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            names = {entry.filename for entry in entries}
            if MAIN_PART not in names or "[Content_Types].xml" not in names:
                return False
            _check_inflated(archive, entries)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, ValueError) as error:
        raise LoadError("archive_invalid", f"The document is damaged: {error}.") from error
    return True


def _check_directory(file: IO[bytes], size: int) -> None:
    file.seek(max(0, size - 66_000))
    tail = file.read(66_000)
    place = tail.rfind(_END_RECORD)
    record = tail[place : place + 22]
    if place < 0 or len(record) < 22:
        raise LoadError("archive_invalid", "The document is damaged: its end is missing.")
    entries = int.from_bytes(record[10:12], "little")
    directory_bytes = int.from_bytes(record[12:16], "little")
    if entries > MAX_ENTRIES or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise _bomb(f"it holds more than {MAX_ENTRIES} parts")
    file.seek(0)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _bomb(f"it holds more than {MAX_ENTRIES} parts")
    if sum(entry.file_size for entry in entries) > MAX_INFLATED_BYTES:
        raise _bomb(f"it unpacks to more than {MAX_INFLATED_BYTES // 1024**2} MB")


def _check_inflated(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    left = MAX_INFLATED_BYTES
    for entry in entries:
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            left -= _measure_inflated(archive, entry, left)


def _measure_inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> int:
    # zipfile would stop at the size that the directory declares, so the raw stream is read past it.
    source, inflater = _raw_stream(archive, entry), zlib.decompressobj(-15)
    seen, left, data = 0, entry.compress_size, b""
    while not inflater.eof:
        if not data:
            data = source.read(min(_BLOCK, left))
            left -= len(data)
        if not data:
            break
        seen += len(inflater.decompress(data, _BLOCK))
        data = inflater.unconsumed_tail
        if seen > min(limit, entry.file_size):
            raise _bomb("it unpacks to more than it may, or than it says")
    return seen


def _raw_stream(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    file = archive.fp
    assert file is not None
    file.seek(entry.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("a part's header is missing")
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    return file


def _bomb(reason: str) -> LoadError:
    return LoadError("archive_limit", f"The document was refused: {reason}.")


def _read_part(archive: zipfile.ZipFile, name: str) -> str:
    pieces: list[str] = []
    with archive.open(name) as part:
        events = etree.iterparse(
            part, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        for event, element in events:
            tag = element.tag if isinstance(element.tag, str) else ""
            local = tag.removeprefix(_WORD).removeprefix(_STRICT_WORD)
            if local != tag:
                pieces.append(_start_text(element, local) if event == "start" else _end_text(element, local))
            if event == "end" and local in {"p", "tr"}:
                element.clear()
    return _tidy("".join(pieces))


def _start_text(element: etree._Element, local: str) -> str:
    if local == "pStyle":
        style = (element.get(f"{_WORD}val") or element.get(f"{_STRICT_WORD}val") or "").lower()
        digit = style[-1:]
        return f"{'#' * int(digit)} " if style.startswith("heading") and digit in "123456" else ""
    return {"tab": "\t", "br": "\n", "cr": "\n"}.get(local, "")


def _end_text(element: etree._Element, local: str) -> str:
    if local == "t":
        return element.text or ""
    return {"p": "\n\n", "tc": "\t|", "tr": "\n"}.get(local, "")


def _tidy(text: str) -> str:
    lines: list[str] = []
    for raw in text.replace("\n\n\t|", " | ").split("\n"):
        line = raw.strip(" \t|") if "|" in raw else raw.strip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip()
