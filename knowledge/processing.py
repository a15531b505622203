"""From a stored file to a searchable document: read → chunk → embed → ready.

Two kinds of transactions, each behind the lease: one writes all chunks with their terms, then each batch of vectors is
its own. So a worker that dies loses at most one batch, the next one goes on after it, and the outcome is the same.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from pgvector import HalfVector

from knowledge.chunking import ChunkText, split_sections, split_windows
from knowledge.embedding import Embedder, get_embedder
from knowledge.errors import EmbeddingRejected, EmbeddingUnavailable
from knowledge.indexing import insert_chunks
from knowledge.jobs import Lease, LeaseLost, claim_next, do_others_wait, retry_delay
from knowledge.lexical import detect_language
from knowledge.loaders.types import LoadError, Section
from knowledge.models import Chunk, ChunkVector, Document, DocumentStatus
from knowledge.parsing import parse_file
from knowledge.sniffing import kind_of
from knowledge.tasks import wake_worker

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 5  # for what should not happen; an embedding service that is down is waited for as long as it takes
TURN_SECONDS = 5.0  # of embedding, after which another workspace's document comes first
_EMBED_CHUNKS = 8


def process_next() -> bool:
    """Work on one due document until it is ready, failed, or must wait; False when none is due."""
    claimed = claim_next()
    if claimed is None:
        return False
    document, lease = claimed
    try:
        _process(document, lease)
    except LeaseLost:
        logger.info("document %s: the lease went to somebody else, or the document is gone", document.pk)
    return True


def _process(document: Document, lease: Lease) -> None:
    try:
        if not document.chunk_count:
            _read(document, lease)
        _embed(document, lease)
    except LoadError as error:
        lease.release(status=DocumentStatus.FAILED, error_code=error.code, error_message=error.message[:500])
    except EmbeddingUnavailable as error:
        _try_later(document, lease, error.code, error.message)
    except EmbeddingRejected as error:
        _fail_embedding(document, lease, error)
    except LeaseLost:
        raise
    except (OperationalError, InterfaceError):
        connection.close()  # the lease runs out and the document is taken up again when the database is back
        logger.warning("document %s: the database went away", document.pk, exc_info=True)
    except Exception:  # whatever a file may provoke must not end the worker; it is logged, shown and tried again
        logger.exception("document %s: unexpected failure", document.pk)
        _fail_or_retry(document, lease)


def _read(document: Document, lease: Lease) -> None:
    lease.write(status=DocumentStatus.PARSING, error_code="", error_message="")
    with (
        _local_copy(document) as path,
        parse_file(path, kind_of(document.mime_type).name, while_waiting=lease.renew) as sections,
    ):
        counter = _PageCounter(sections)
        chunks = []
        for chunk in split_sections(counter):  # a text without pages is one section, and may take minutes
            chunks.append(chunk)
            lease.keep()
    if not any(character.isalnum() for chunk in chunks for character in chunk.content):
        raise LoadError("no_text", _no_text_message(document))
    _store_chunks(document, lease, chunks, counter.pages)


class _PageCounter:
    """Passes sections on and counts their pages."""

    def __init__(self, sections: Iterator[Section]) -> None:
        self._sections = sections
        self.pages: int | None = None

    def __iter__(self) -> Iterator[Section]:
        for section in self._sections:
            if section.page is not None:
                self.pages = section.page
            yield section


def _store_chunks(document: Document, lease: Lease, texts: list[ChunkText], pages: int | None) -> None:
    language = detect_language(" ".join(text.content for text in texts[:20]))
    with transaction.atomic():
        lease.write(
            status=DocumentStatus.EMBEDDING, page_count=pages, chunk_count=len(texts), chunks_embedded=0,
            language=language, crashes=0,
        )  # fmt: skip
        insert_chunks(document, texts, language)
        lease.renew()  # it began to run before all that was written
    document.chunk_count, document.language = len(texts), language


def _embed(document: Document, lease: Lease) -> None:
    """Go on where the last vectors end, until all are there or, the turn being over, somebody else has waited."""
    embedder = get_embedder()
    turn_ends = time.monotonic() + TURN_SECONDS
    position = _first_without_vectors(document, embedder.name)
    while batch := list(_chunks_from(document, position)):
        vectors = _make_vectors(document, batch, embedder)
        position = batch[-1].position + 1
        with transaction.atomic():
            lease.write(chunks_embedded=position, crashes=0, error_code="", error_message="")
            ChunkVector.objects.bulk_create(vectors, ignore_conflicts=True)
        is_over = time.monotonic() >= turn_ends and position < document.chunk_count
        if is_over and do_others_wait(document.workspace_id):
            lease.release(attempts=0)
            wake_worker()
            return
    with transaction.atomic():
        lease.release(
            status=DocumentStatus.READY, embedding_model=embedder.name, chunks_embedded=document.chunk_count,
            attempts=0, next_attempt_at=None, error_code="", error_message="",
        )  # fmt: skip
        ChunkVector.objects.filter(document=document).exclude(embedding_model=embedder.name).delete()


def _first_without_vectors(document: Document, model: str) -> int:
    # Batches are whole and in order, so all that lies before the last vector is there too.
    last = ChunkVector.objects.filter(document=document, embedding_model=model).aggregate(last=Max("chunk__position"))
    return 0 if last["last"] is None else int(last["last"]) + 1


def _chunks_from(document: Document, position: int) -> QuerySet[Chunk]:
    return Chunk.objects.filter(document=document, position__gte=position).order_by("position")[:_EMBED_CHUNKS]


def _make_vectors(document: Document, chunks: list[Chunk], embedder: Embedder) -> list[ChunkVector]:
    windows = [(chunk, number, text) for chunk in chunks for number, text in enumerate(split_windows(chunk.content))]
    vectors = embedder.embed([text for _, _, text in windows])
    return [
        ChunkVector(
            chunk=chunk, agent_id=document.agent_id, document=document, window=number, embedding_model=embedder.name,
            embedding=HalfVector(vector),
        )
        for (chunk, number, _), vector in zip(windows, vectors, strict=True)
    ]  # fmt: skip


def _try_later(document: Document, lease: Lease, code: str, message: str) -> None:
    lease.release(
        error_code=code,
        error_message=str(message)[:500],
        next_attempt_at=timezone.now() + retry_delay(document.attempts),
        attempts=min(document.attempts, 1000),
    )


def _fail_embedding(document: Document, lease: Lease, error: EmbeddingRejected) -> None:
    if document.status == DocumentStatus.READY:
        _try_later(document, lease, error.code, error.message)  # words still find it while the operator mends this
    else:
        lease.release(status=DocumentStatus.FAILED, error_code=error.code, error_message=str(error.message)[:500])


def _fail_or_retry(document: Document, lease: Lease) -> None:
    code, message = "internal_error", "Something went wrong on our side while the document was read."
    try:
        if document.attempts < MAX_ATTEMPTS:
            _try_later(document, lease, code, message)
        else:
            lease.release(status=DocumentStatus.FAILED, error_code=code, error_message=message)
    except DatabaseError:
        connection.close()
        logger.exception("document %s: its failure could not be stored", document.pk)


def _no_text_message(document: Document) -> str:
    if document.mime_type == "application/pdf":
        return (
            "The PDF holds no text, only pictures of it. Run it through text recognition (OCR), then upload it again."
        )
    return "The file holds no text."


@contextmanager
def _local_copy(document: Document) -> Iterator[Path]:
    """The stored file as a path, copied when the storage is remote."""
    try:
        yield Path(default_storage.path(document.storage_key))
        return
    except NotImplementedError:
        pass
    with tempfile.NamedTemporaryFile() as copy, default_storage.open(document.storage_key) as stored:
        shutil.copyfileobj(stored, copy)
        copy.flush()
        yield Path(copy.name)
