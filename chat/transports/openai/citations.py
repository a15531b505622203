"""The answer's sources as annotations, each at the mark `[n]` that names it. Places count characters (code points).

OpenAI's clients know `url_citation` alone in chat completions, and `file_citation` in responses. A document has no
public address: its URL is the URN of its id, and `file_citation` beside it says the rest.
"""

from collections.abc import Iterator
from typing import Any

from chat.runtime.outcome import find_marks

Citation = dict[str, Any]


def annotate_completion(content: str, citations: list[Citation]) -> list[dict[str, Any]]:
    """The annotations of a chat completion's message."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": start,
                "end_index": end,
                "title": _title(citation),
                "url": f"urn:uuid:{citation['document_id']}",
            },
            "file_citation": _describe_file(citation),
        }
        for start, end, citation in place_citations(content, citations)
    ]


def annotate_response(content: str, citations: list[Citation]) -> list[dict[str, Any]]:
    """The annotations of a response's text; `index` is the place of the mark."""
    return [
        {"type": "file_citation", "index": start, "start_index": start, "end_index": end, **_describe_file(citation)}
        for start, end, citation in place_citations(content, citations)
    ]


def place_citations(content: str, citations: list[Citation]) -> Iterator[tuple[int, int, Citation]]:
    """(start, end, citation) for each mark in the text; at its end for an answer that names none of its sources."""
    by_number = {citation["index"]: citation for citation in citations}
    placed = False
    for start, end, numbers in find_marks(content) if citations else ():
        for number in numbers:
            if number in by_number:
                placed = True
                yield start, end, by_number[number]
    if not placed:
        yield from ((len(content), len(content), citation) for citation in citations)


def _title(citation: Citation) -> str:
    return citation["filename"] if citation["page"] is None else f"{citation['filename']}, p. {citation['page']}"


def _describe_file(citation: Citation) -> dict[str, Any]:
    return {
        "file_id": citation["document_id"],
        "filename": citation["filename"],
        "number": citation["index"],
        "page": citation["page"],
        "score": citation["score"],
        "snippet": citation["snippet"],
    }
