"""How a run ended: its status, the reason, and which sources the answer used."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.errors import GiloError

COMPLETE = "complete"
PARTIAL = "partial"
FAILED = "failed"
CANCELLED = "cancelled"
_MARK = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")


class AnswerEmpty(GiloError):
    status = 502
    code = "model_empty"
    message = "The model answered with nothing. Ask again, or choose another model."
    retryable = True


class Interrupted(GiloError):
    status = 503
    code = "interrupted"
    message = "The answer was interrupted when a server stopped. What came before is kept; ask again for the rest."
    retryable = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run. `error` is set unless it is complete or was cancelled."""

    status: str
    finish_reason: str
    error: GiloError | None = None


def outcome_of_error(error: GiloError, text: str) -> Outcome:
    """A run that broke off: partial when some of the answer is there, else failed."""
    return Outcome(PARTIAL if text else FAILED, "error", error)


def find_marks(content: str) -> Iterator[tuple[int, int, list[int]]]:
    """(start, end, numbers) of each `[1]` or `[1, 2]` in the text."""
    for mark in _MARK.finditer(content):
        yield mark.start(), mark.end(), [int(number) for number in mark[1].split(",")]


def used_citations(content: str, citations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The citations whose number stands in the answer; all of them if it names none."""
    if not citations:
        return citations
    named = {number for _, _, numbers in find_marks(content) for number in numbers}
    return [citation for citation in citations if citation["index"] in named] or citations
