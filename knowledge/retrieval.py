"""Find the passages for a question: by words (BM25) and by meaning (vectors), joined by reciprocal rank.

Both are exact scans over one agent's rows: a few thousand to some ten thousand narrow rows take milliseconds, miss
nothing, and need no index that slows down writing.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from django.db import connection
from pgvector import HalfVector

from core.async_db import run_in_thread
from knowledge import lexical
from knowledge.embedding import get_embedder
from knowledge.errors import EmbeddingRejected, EmbeddingUnavailable
from llm.types import Passage

logger = logging.getLogger(__name__)
Mode = Literal["hybrid", "words", "vectors"]
Ranking = list[tuple[UUID, float]]  # chunk and score, best first
MAX_QUERY_CHARACTERS = 4000
_CANDIDATES = 100
_RANK_CONSTANT = 5  # reciprocal rank fusion: the smaller, the more the first places count (measured: docs/knowledge.md)

_TERM_COUNTS = "SELECT term, chunks FROM knowledge_agentterm WHERE agent_id = %s AND term = ANY(%s)"
_LANGUAGES = "SELECT DISTINCT language FROM knowledge_document WHERE agent_id = %s AND status = 'ready'"
# Nearly all documents are ready: naming the others costs less, ten thousand times, than joining.
_READY = "document_id NOT IN (SELECT id FROM knowledge_document WHERE agent_id = %(agent)s AND status <> 'ready')"
_CHOSEN = "(%(documents)s::uuid[] IS NULL OR document_id = ANY(%(documents)s::uuid[]))"
_BY_WORDS = f"""
SELECT chunk_id, -(terms <#> %(terms)s::sparsevec) FROM knowledge_chunkterms
WHERE agent_id = %(agent)s AND {_READY} AND {_CHOSEN}
ORDER BY terms <#> %(terms)s::sparsevec, chunk_id LIMIT {_CANDIDATES}
"""  # noqa: S608 - constants only
_BY_VECTORS = f"""
SELECT chunk_id, -(embedding <#> %(vector)s::halfvec) FROM knowledge_chunkvector
WHERE agent_id = %(agent)s AND embedding_model = %(model)s AND {_READY} AND {_CHOSEN}
ORDER BY embedding <#> %(vector)s::halfvec, chunk_id LIMIT {2 * _CANDIDATES}
"""  # noqa: S608 - constants only
_PASSAGES = """
SELECT chunk.id, chunk.document_id, document.name, chunk.page, chunk.content
FROM knowledge_chunk chunk JOIN knowledge_document document ON document.id = chunk.document_id
WHERE chunk.id = ANY(%s)
"""


def search(
    agent_id: UUID,
    query: str,
    limit: int = 5,
    *,
    mode: Mode = "hybrid",
    documents: Sequence[UUID] | None = None,
) -> list[Passage]:
    """The best passages of the agent's ready documents, best first, numbered from 1. `documents`: only of these.

    Scores lie between 0 and 1 and only order passages within one search. When the embedding service does not answer,
    words alone decide. An empty question finds nothing. The service is asked before the database, so that no
    connection waits for it.
    """
    query = query[:MAX_QUERY_CHARACTERS].replace("\x00", "").strip()
    if not query:
        return []
    chosen = None if documents is None else list(documents)
    meaning = _embed_query(query) if mode != "words" else None
    rankings = []
    if mode != "vectors":
        rankings.append(_rank_by_words(agent_id, query, chosen))
    if mode != "words":
        rankings.append(_rank_by_vectors(agent_id, *meaning, chosen) if meaning else [])
    return _load_passages(_fuse(rankings)[:limit])


async def search_passages(
    agent_id: UUID, query: str, limit: int = 5, documents: Sequence[UUID] | None = None
) -> list[Passage]:
    """`search`, off the event loop."""
    return await run_in_thread(search, agent_id, query, limit, documents=documents)


def _rank_by_words(agent_id: UUID, query: str, documents: list[UUID] | None) -> Ranking:
    languages = [row[0] for row in _fetch(_LANGUAGES, [agent_id])]
    if not languages:
        return []
    terms = lexical.query_terms(query, languages)
    counts = dict(_fetch(_TERM_COUNTS, [agent_id, [*terms, lexical.CHUNK_COUNTER]]))
    weights = lexical.weigh_query(terms, counts, counts.get(lexical.CHUNK_COUNTER, 0))
    if not weights:
        return []
    parameters = {"agent": agent_id, "documents": documents, "terms": lexical.to_sparse_text(weights)}
    rows = _fetch(_BY_WORDS, parameters)
    return [(chunk_id, score) for chunk_id, score in rows if score > 0]


def _embed_query(query: str) -> tuple[str, str] | None:
    """The model's name and the question's vector as PostgreSQL reads it; None when there is none to be had now."""
    embedder = get_embedder()
    try:
        vector = embedder.embed_query(query)
    except (EmbeddingUnavailable, EmbeddingRejected) as error:
        logger.warning("search by words only: %s", error.message)
        return None
    return embedder.name, HalfVector(vector).to_text()


def _rank_by_vectors(agent_id: UUID, model: str, vector: str, documents: list[UUID] | None) -> Ranking:
    parameters = {"agent": agent_id, "documents": documents, "model": model, "vector": vector}
    best: dict[UUID, float] = {}
    for chunk_id, score in _fetch(_BY_VECTORS, parameters):
        best.setdefault(chunk_id, score)  # a chunk is as near as the nearest of its windows
    return list(best.items())


def _fuse(rankings: list[Ranking]) -> list[tuple[UUID, float]]:
    """Chunk and score, best first. Places decide; where they tie, how close the scores came to the best ones."""
    best = len(rankings) / (_RANK_CONSTANT + 1)
    scores: dict[UUID, float] = defaultdict(float)
    closeness: dict[UUID, float] = defaultdict(float)
    for ranking in rankings:
        for rank, (chunk_id, score) in enumerate(ranking, 1):
            scores[chunk_id] += 1 / (_RANK_CONSTANT + rank) / best
            closeness[chunk_id] += score / (abs(ranking[0][1]) or 1)
    return sorted(scores.items(), key=lambda item: (-round(item[1], 9), -closeness[item[0]]))


def _load_passages(ranked: list[tuple[UUID, float]]) -> list[Passage]:
    rows = {row[0]: row[1:] for row in _fetch(_PASSAGES, [[chunk_id for chunk_id, _ in ranked]])} if ranked else {}
    passages: list[Passage] = []
    for chunk_id, score in ranked:
        if chunk_id in rows:  # else it was deleted a moment ago
            document_id, name, page, content = rows[chunk_id]
            index = len(passages) + 1
            passages.append(Passage(index, str(document_id), name, page, content, round(score, 4), str(chunk_id)))
    return passages


def _fetch(statement: str, parameters: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
