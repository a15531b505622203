"""How long a search takes in an agent with many chunks, the question's embedding included.

    python -m bench.search_scale PATH/xquad.en.json [--chunks 10000] [--searches 200] [--json]

The chunks are full ones of about 500 tokens, put together from the file's passages, with their real term weights. Their
vectors are random, two each: a scan takes the same time for any vectors, and making real ones would take minutes.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from bench.retrieval import read_dataset
from bench.throwaway import throwaway_agent

DOCUMENT_CHUNKS = 100
WINDOWS = 2


def main() -> None:
    options = _parse_arguments()
    passages, questions = read_dataset(options.dataset)
    with throwaway_agent() as agent:
        fill_agent(agent, passages, options.chunks)
        row = measure(agent, [question for question, _ in questions], options.searches)
        row["chunks"], row["table_mb"] = options.chunks, _table_megabytes()
    if options.json:
        json.dump(row, sys.stdout, indent=1)
        return
    print("| chunks | searches | P50 ms | P95 ms | max ms | first ms | tables MB |\n|---|---|---|---|---|---|---|")
    print(
        f"| {row['chunks']} | {row['searches']} | {row['p50_ms']:.1f} | {row['p95_ms']:.1f} | {row['max_ms']:.1f} "
        f"| {row['first_ms']:.0f} | {row['table_mb']:.0f} |"
    )


def fill_agent(agent: Any, passages: list[str], chunks: int) -> None:
    """Ready documents of 100 chunks each, until there are enough."""
    generator = random.Random(20261120)
    for number in range(chunks // DOCUMENT_CHUNKS):
        _store_document(agent, number, [_compose(generator, passages) for _ in range(DOCUMENT_CHUNKS)])


def measure(agent: Any, questions: list[str], searches: int) -> dict[str, float]:
    from django.db import connection

    from knowledge.retrieval import search

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    begun = time.perf_counter()
    search(agent.pk, questions[0])
    first = time.perf_counter() - begun
    generator = random.Random(7)
    times = []
    for question in generator.sample(questions, searches):
        begun = time.perf_counter()
        assert len(search(agent.pk, question)) == 5
        times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    return {
        "searches": searches,
        "p50_ms": times[len(times) // 2],
        "p95_ms": times[int(len(times) * 0.95)],
        "max_ms": times[-1],
        "first_ms": first * 1000,
    }


def _compose(generator: random.Random, passages: list[str]) -> str:
    sentences = [sentence for passage in generator.sample(passages, 6) for sentence in passage.split(". ")]
    generator.shuffle(sentences)
    words = ". ".join(sentences).split()
    return " ".join(words[:370])


def _store_document(agent: Any, number: int, texts: list[str]) -> None:
    import numpy as np
    from django.db import transaction
    from pgvector import HalfVector

    from knowledge.chunking import ChunkText
    from knowledge.embedding import current_model
    from knowledge.indexing import insert_chunks
    from knowledge.models import Chunk, ChunkVector, Document

    document = Document(
        workspace_id=agent.workspace_id, agent=agent, name=f"{number}.txt", mime_type="text/plain", size=1,
        sha256="0" * 64, storage_key=f"none/{number}", status="ready", language="en", chunk_count=len(texts),
        embedding_model=current_model(),
    )  # fmt: skip
    random_vectors = np.random.default_rng(number).standard_normal((len(texts), WINDOWS, 384)).astype(np.float32)
    random_vectors /= np.linalg.norm(random_vectors, axis=2, keepdims=True)
    with transaction.atomic():
        document.save(force_insert=True)
        insert_chunks(document, [ChunkText(text, None, 500) for text in texts], "en")
        ChunkVector.objects.bulk_create(
            ChunkVector(
                chunk=chunk, agent=agent, document=document, window=window, embedding_model=document.embedding_model,
                embedding=HalfVector(random_vectors[chunk.position, window]),
            )
            for chunk in Chunk.objects.filter(document=document)
            for window in range(WINDOWS)
        )  # fmt: skip


def _table_megabytes() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(oid)) / 1048576.0 FROM pg_class "
            "WHERE relname IN ('knowledge_chunkterms', 'knowledge_chunkvector')"
        )
        return float(cursor.fetchone()[0])


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
