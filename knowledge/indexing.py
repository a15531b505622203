"""Write chunks and what finds them by words: term weights per chunk, term counts per agent."""

from collections import Counter
from itertools import islice
from uuid import UUID

from django.db import connection
from pgvector import SparseVector

from knowledge import lexical
from knowledge.chunking import ChunkText
from knowledge.models import AgentTerm, Chunk, ChunkTerms, Document

_INSERT_ROWS = 200
_COUNTED_TERMS = 10_000

_COUNT_TERMS = f"""
INSERT INTO {AgentTerm._meta.db_table} (agent_id, term, chunks)
SELECT %s, term, chunks FROM unnest(%s::int[], %s::int[]) AS new(term, chunks)
ON CONFLICT (agent_id, term) DO UPDATE SET chunks = {AgentTerm._meta.db_table}.chunks + EXCLUDED.chunks
"""  # noqa: S608 - a table's own name


def insert_chunks(document: Document, texts: list[ChunkText], language: str) -> None:
    """Store all chunks of a document. Within the caller's transaction."""
    found: Counter[int] = Counter()
    numbered = enumerate(texts)
    while batch := list(islice(numbered, _INSERT_ROWS)):
        found.update(_insert_batch(document, batch, language))
    _count_terms(document.agent_id, found, len(texts), sign=1)


def uncount_document(document: Document) -> None:
    """Take the document's chunks out of the agent's term counts, before they are deleted. Within a transaction."""
    _recount(document, sign=-1)


def count_document(document: Document) -> None:
    """Count the chunks of a document that came with its term weights (`knowledge.copying`). Within a transaction."""
    _recount(document, sign=1)


def _recount(document: Document, *, sign: int) -> None:
    found: Counter[int] = Counter()
    rows = ChunkTerms.objects.filter(document=document).values_list("terms", flat=True)
    chunks = 0
    for terms in rows.iterator(chunk_size=_INSERT_ROWS):
        found.update(index + 1 for index in terms.indices())
        chunks += 1
    if chunks:
        _count_terms(document.agent_id, found, chunks, sign=sign)


def _insert_batch(document: Document, batch: list[tuple[int, ChunkText]], language: str) -> Counter[int]:
    rows = [
        Chunk(
            document=document, agent_id=document.agent_id, position=position, page=text.page, content=text.content,
            token_count=text.tokens,
        )
        for position, text in batch
    ]  # fmt: skip
    weights = [lexical.weigh_terms(text.content, language) for _, text in batch]
    Chunk.objects.bulk_create(rows)
    ChunkTerms.objects.bulk_create(
        ChunkTerms(chunk=row, agent_id=document.agent_id, document=document, terms=_to_vector(weight))
        for row, weight in zip(rows, weights, strict=True)
    )
    return Counter(term for weight in weights for term in weight)


def _to_vector(weights: dict[int, float]) -> SparseVector:
    return SparseVector({term - 1: weight for term, weight in weights.items()}, lexical.DIMENSIONS)


def _count_terms(agent_id: UUID, found: Counter[int], chunks: int, *, sign: int) -> None:
    # Last in its transaction: documents of one agent wait here for each other, and nowhere else.
    found[lexical.CHUNK_COUNTER] = chunks
    terms = iter(found)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"knowledge:{agent_id}"])
        # A few at a time: to sort and write a million holds up the other threads for a second.
        while some := sorted(islice(terms, _COUNTED_TERMS)):
            cursor.execute(_COUNT_TERMS, [agent_id, some, [sign * found[term] for term in some]])
