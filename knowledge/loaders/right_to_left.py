"""Letters of Arabic and Hebrew PDFs in reading order.

PDFium turns what is drawn from the left into reading order letter by letter. Where one drawn sign stands for several
letters (lam with alef, a letter with its vowel, with some programs a whole word) it turns these round too, and they
come out backwards: such groups are turned back here. It leaves Unicode's own ligatures in order.
"""

import ctypes
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

import pypdfium2
from pypdfium2.raw import FPDFText_GetCharBox, FPDFText_GetTextIndexFromCharIndex, FPDFText_GetUnicode

_LETTERS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_RIGHT_TO_LEFT = re.compile(f"[{_LETTERS}]")
_TURNABLE = re.compile(f"[ {_LETTERS}]")
_UNIT = 2  # bytes: PDFium counts in UTF-16


def order_letters(text_page: pypdfium2.PdfTextPage, text: str) -> str:
    """The page's whole text with the letters of each sign in reading order. Text without such letters costs nothing."""
    if not _RIGHT_TO_LEFT.search(text):
        return text
    units = bytearray(text.encode("utf-16-le", "surrogatepass"))
    for first, letters in _find_signs(text_page):
        place = FPDFText_GetTextIndexFromCharIndex(text_page, first) * _UNIT
        drawn = letters.encode("utf-16-le")
        if is_backwards(letters) and units[place : place + len(drawn)] == drawn:
            units[place : place + len(drawn)] = letters[::-1].encode("utf-16-le")
    return units.decode("utf-16-le", "surrogatepass")


def is_backwards(letters: str) -> bool:
    """Whether the letters of one sign were turned round: all were, but for Unicode's own ligatures."""
    return letters not in _ligatures()


def _find_signs(text_page: pypdfium2.PdfTextPage) -> Iterator[tuple[int, str]]:
    """(number of its first letter, letters) of each sign that stands for several: these share one box."""
    characters = [(number, chr(FPDFText_GetUnicode(text_page, number))) for number in range(text_page.count_chars())]
    for turnable, run in groupby(characters, key=lambda item: bool(_TURNABLE.match(item[1]))):
        if not turnable:
            continue
        for box, sign in groupby(run, key=lambda item: _box_of(text_page, item[0])):
            numbers, letters = zip(*sign, strict=True)
            if box and len(letters) > 1:
                yield numbers[0], "".join(letters)


def _box_of(text_page: pypdfium2.PdfTextPage, number: int) -> tuple[float, ...] | None:
    """Left, right, bottom, top; None where nothing is drawn."""
    sides = [ctypes.c_double() for _ in range(4)]
    found = FPDFText_GetCharBox(text_page, number, *sides)
    box = tuple(side.value for side in sides)
    return box if found and box[0] < box[1] else None


@lru_cache(maxsize=1)
def _ligatures() -> frozenset[str]:
    """What Unicode's own signs for several Arabic or Hebrew letters stand for."""
    codes = [*range(0xFB1D, 0xFE00), *range(0xFE70, 0xFEFD)]
    return frozenset(whole for code in codes if len(whole := unicodedata.normalize("NFKC", chr(code))) > 1)
