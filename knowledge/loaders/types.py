"""What a loader gives and how it fails. Loaders run in a child process: no Django, no network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_PAGES = 5_000
MAX_TEXT_CHARACTERS = 30_000_000


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text in reading order; `page` counts from 1 where the format has pages."""

    text: str
    page: int | None = None


class LoadError(Exception):
    """Why a file gives no text: a code for programs, words for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


Loader = Callable[[Path], Iterator[Section]]
