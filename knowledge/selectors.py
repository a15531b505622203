"""Reads about documents. The first argument is the workspace."""

from uuid import UUID

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from core.tenancy import ScopedQuerySet
from knowledge.models import Chunk, Document


def list_documents(workspace_id: UUID, agent_id: UUID) -> ScopedQuerySet[Document]:
    """The agent's documents, newest first."""
    return Document.objects.for_workspace(workspace_id).filter(agent_id=agent_id)


def get_document(workspace_id: UUID, agent_id: UUID, document_id: UUID) -> Document:
    """One document of this agent, or NotFound."""
    return list_documents(workspace_id, agent_id).get_or_404(pk=document_id)


def count_bytes(workspace_id: UUID) -> int:
    """How many bytes of documents the workspace holds."""
    return int(Document.objects.for_workspace(workspace_id).aggregate(total=Coalesce(Sum("size"), 0))["total"])


def list_chunks(workspace_id: UUID, document: Document) -> QuerySet[Chunk]:
    """The document's chunks in reading order."""
    return Chunk.objects.for_workspace(workspace_id).filter(document=document).order_by("position")
