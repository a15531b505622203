"""Documents as whole texts, for those who read instead of search. On the event loop: one statement each.

Chunks overlap, so a text is put together from them without saying twice what two of them hold.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from core.async_db import fetch_all
from core.errors import NotFound

MAX_TEXT_BYTES = 1024 * 1024
_CUT = "\n\n[The rest of the document is left out.]"

_DOCUMENTS = """
SELECT id, name, mime_type, page_count FROM knowledge_document
WHERE workspace_id = %s AND agent_id = %s AND status = 'ready' AND (%s::uuid IS NULL OR id < %s)
ORDER BY id DESC LIMIT %s
"""
_DOCUMENT = """
SELECT id, name, mime_type, page_count FROM knowledge_document
WHERE workspace_id = %s AND agent_id = %s AND status = 'ready' AND id = %s
"""
# As many chunks as fill the limit, and one more, which tells that something is left out.
_CHUNKS = """
SELECT page, content FROM (
    SELECT page, content, position,
        sum(octet_length(content)) OVER (ORDER BY position) - octet_length(content) AS before
    FROM knowledge_chunk WHERE document_id = %s
) chunk WHERE before <= %s ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class ReadableDocument:
    """A document that is ready."""

    id: UUID
    name: str
    mime_type: str
    page_count: int | None


async def list_readable(
    workspace_id: UUID, agent_id: UUID, limit: int, after: UUID | None = None
) -> list[ReadableDocument]:
    """The agent's documents that are ready, newest first, those after the document `after`."""
    rows = await fetch_all(_DOCUMENTS, [workspace_id, agent_id, after, after, limit])
    return [ReadableDocument(*row) for row in rows]


async def read_document(workspace_id: UUID, agent_id: UUID, document_id: UUID) -> tuple[ReadableDocument, str]:
    """The document and its text, at most `MAX_TEXT_BYTES` of UTF-8; NotFound when it is missing or not ready."""
    rows = await fetch_all(_DOCUMENT, [workspace_id, agent_id, document_id])
    if not rows:
        raise NotFound()
    # Twice the limit: what overlaps is not counted twice in the text.
    chunks = await fetch_all(_CHUNKS, [document_id, 2 * MAX_TEXT_BYTES])
    return ReadableDocument(*rows[0]), cut_text(join_chunks((page, content) for page, content in chunks))


def join_chunks(chunks: Iterable[tuple[int | None, str]]) -> str:
    """One text from chunks (page, content) in reading order."""
    parts: list[str] = []
    before: tuple[int | None, str] = (None, "")
    for page, content in chunks:
        shared = _overlap(before[1], content) if page == before[0] else 0
        if shared:
            parts.append(content[shared:])
        else:
            parts.append(f"\n\n{content}" if parts else content)
        before = (page, content)
    return "".join(parts)


def cut_text(text: str) -> str:
    """The text, cut at the limit with a word about it."""
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text
    return encoded[: MAX_TEXT_BYTES - len(_CUT.encode())].decode(errors="ignore") + _CUT


def _overlap(before: str, after: str) -> int:
    """How many characters at the end of the one begin the other: whole words, as chunks are cut."""
    word = after.split(maxsplit=1)[0] if after.strip() else ""
    at = before.find(word) if word else -1
    while at >= 0:
        if after.startswith(before[at:]):
            return len(before) - at
        at = before.find(word, at + 1)
    return 0
