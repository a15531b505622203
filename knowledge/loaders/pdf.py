"""PDF by PDFium: the text of each page."""

from collections.abc import Iterator
from pathlib import Path

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD

from knowledge.loaders.right_to_left import order_letters
from knowledge.loaders.types import MAX_PAGES, LoadError, Section


def load(path: Path) -> Iterator[Section]:
    """One section per page that has text."""
    document = _open(path)
    try:
        pages = len(document)
        if pages > MAX_PAGES:
            raise LoadError(
                "too_many_pages", f"The PDF has {pages} pages; the limit is {MAX_PAGES}. Split it into smaller files."
            )
        for number in range(pages):
            yield Section(_read_page(document, number), number + 1)
    finally:
        document.close()


def _open(path: Path) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD or "password" in str(error).lower():
            raise LoadError(
                "file_encrypted", "The PDF is protected by a password. Save it without one, then upload it again."
            ) from error
        raise LoadError("parse_failed", "The PDF is damaged and cannot be opened.") from error


def _read_page(document: pypdfium2.PdfDocument, number: int) -> str:
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return ""  # a damaged page: the others still count
    try:
        text_page = page.get_textpage()
        try:
            # U+FFFE stands where PDFium joined a hyphenated word
            text = order_letters(text_page, text_page.get_text_range())
            return text.replace("\r\n", "\n").replace("\ufffe", "")
        finally:
            text_page.close()
    finally:
        page.close()
