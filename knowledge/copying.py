"""Copy documents into another agent as they are: text, term weights and vectors, without reading them again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import connection, transaction

from agents.models import Agent
from billing.models import Resource
from billing.quotas import take
from core.ids import uuid7
from knowledge.indexing import count_document
from knowledge.models import Document, DocumentStatus

_PAIRS = "unnest(%(old)s::uuid[], %(new)s::uuid[]) AS pair(old, new)"
_FRESH = """
JOIN knowledge_chunk old_chunk ON old_chunk.id = source.chunk_id
JOIN knowledge_chunk fresh ON fresh.document_id = pair.new AND fresh.position = old_chunk.position"""
_CHUNKS = f"""
INSERT INTO knowledge_chunk (id, document_id, agent_id, position, page, content, token_count)
SELECT gen_random_uuid(), pair.new, %(agent)s, source.position, source.page, source.content, source.token_count
FROM {_PAIRS} JOIN knowledge_chunk source ON source.document_id = pair.old
"""  # noqa: S608 - constants of ours
_TERMS = f"""
INSERT INTO knowledge_chunkterms (chunk_id, agent_id, document_id, terms)
SELECT fresh.id, %(agent)s, pair.new, source.terms
FROM {_PAIRS} JOIN knowledge_chunkterms source ON source.document_id = pair.old {_FRESH}
"""  # noqa: S608
_VECTORS = f"""
INSERT INTO knowledge_chunkvector (chunk_id, agent_id, document_id, "window", embedding_model, embedding)
SELECT fresh.id, %(agent)s, pair.new, source."window", source.embedding_model, source.embedding
FROM {_PAIRS} JOIN knowledge_chunkvector source ON source.document_id = pair.old {_FRESH}
"""  # noqa: S608


@transaction.atomic
def copy_documents(*, source: Agent, target: Agent, documents: Sequence[UUID]) -> list[Document]:
    """Copy those of the documents that are ready into the target agent, and count them in its workspace's quota.

    Raises QuotaExceeded before anything is copied. Files that were copied for a transaction that fails later are
    deleted with the other orphans.
    """
    originals = _lock_ready(source, documents)
    if not originals:
        return []
    take(workspace_id=target.workspace_id, resource=Resource.KNOWLEDGE, amount=sum(row.size for row in originals))
    copies = [_make_copy(original, target) for original in originals]
    Document.objects.bulk_create(copies)
    _copy_rows(originals, copies, target)
    for copy in copies:
        count_document(copy)
    _copy_files(originals, copies)
    return copies


def _lock_ready(source: Agent, documents: Sequence[UUID]) -> list[Document]:
    """The originals; nobody deletes one while it is copied."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM knowledge_document WHERE agent_id = %s AND id = ANY(%s) AND status = %s FOR SHARE",
            [source.pk, list(documents), DocumentStatus.READY],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(Document.objects.filter(pk__in=ids).order_by("created_at", "id"))


def _make_copy(original: Document, target: Agent) -> Document:
    document_id = uuid7()
    return Document(
        id=document_id,
        workspace_id=target.workspace_id,
        agent=target,
        name=original.name,
        mime_type=original.mime_type,
        size=original.size,
        sha256=original.sha256,
        storage_key=f"documents/{target.workspace_id}/{document_id}",
        language=original.language,
        status=DocumentStatus.READY,
        page_count=original.page_count,
        chunk_count=original.chunk_count,
        chunks_embedded=original.chunks_embedded,
        embedding_model=original.embedding_model,
    )


def _copy_rows(originals: list[Document], copies: list[Document], target: Agent) -> None:
    parameters: dict[str, Any] = {
        "old": [original.pk for original in originals],
        "new": [copy.pk for copy in copies],
        "agent": target.pk,
    }
    with connection.cursor() as cursor:
        for statement in (_CHUNKS, _TERMS, _VECTORS):
            cursor.execute(statement, parameters)


def _copy_files(originals: list[Document], copies: list[Document]) -> None:
    stored: list[str] = []
    try:
        for original, copy in zip(originals, copies, strict=True):
            with default_storage.open(original.storage_key) as file:
                stored.append(default_storage.save(copy.storage_key, file))
    except BaseException:  # whatever it was: the rows are not kept, so the files must not be, either
        for key in stored:
            default_storage.delete(key)
        raise
