"""The knowledge API: documents of an agent, their chunks, a search to try."""

from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.workspace_api import WorkspaceView
from agents.models import Agent
from agents.selectors import get_agent
from core.api import ErrorSerializer, Page, StrictSerializer
from knowledge import selectors, services
from knowledge.errors import FileMissing
from knowledge.models import Chunk, Document, DocumentStatus
from knowledge.retrieval import MAX_QUERY_CHARACTERS, search

MAX_RESULTS = 50


class DocumentErrorOutput(serializers.Serializer[Any]):
    """Why a document failed, or why its last attempt did."""

    code = serializers.CharField()
    message = serializers.CharField()


class DocumentOutput(serializers.ModelSerializer[Document]):
    """A document as the API shows it."""

    status = serializers.ChoiceField(choices=DocumentStatus.choices)
    error = serializers.SerializerMethodField()
    pages = serializers.IntegerField(source="page_count", allow_null=True)
    chunks = serializers.IntegerField(source="chunk_count")
    progress = serializers.FloatField(min_value=0, max_value=1, help_text="From 0 to 1, where 1 is ready.")

    class Meta:
        model = Document
        fields = [
            "id", "name", "size", "mime_type", "status", "error", "pages", "chunks", "progress", "next_attempt_at",
            "created_at",
        ]  # fmt: skip

    @extend_schema_field(DocumentErrorOutput(allow_null=True))
    def get_error(self, document: Document) -> dict[str, str] | None:
        return {"code": document.error_code, "message": document.error_message} if document.error_code else None


class ChunkOutput(serializers.ModelSerializer[Chunk]):
    """A chunk's text and place."""

    tokens = serializers.IntegerField(source="token_count")

    class Meta:
        model = Chunk
        fields = ["id", "position", "page", "content", "tokens"]


class UploadInput(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="PDF, DOCX, TXT, Markdown, CSV, JSON or HTML.")


class SearchInput(StrictSerializer):
    query = serializers.CharField(max_length=MAX_QUERY_CHARACTERS)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_RESULTS, default=5)


class PassageOutput(serializers.Serializer[Any]):
    """One found passage. Scores order the passages of one search; they mean nothing across searches."""

    index = serializers.IntegerField()
    content = serializers.CharField()
    score = serializers.FloatField()
    document_id = serializers.UUIDField()
    chunk_id = serializers.UUIDField()
    filename = serializers.CharField()
    page = serializers.IntegerField(allow_null=True)


class SearchOutput(serializers.Serializer[Any]):
    data = PassageOutput(many=True)  # type: ignore[assignment]  # a field, not the property


class ChunkPage(Page):
    ordering = "position"


class KnowledgeView(WorkspaceView):
    """Common ground: the agent of the path, and its document."""

    def get_agent(self) -> Agent:
        return get_agent(self.workspace_id, self.kwargs["agent_id"])

    def get_document(self) -> Document:
        return selectors.get_document(self.workspace_id, self.kwargs["agent_id"], self.kwargs["document_id"])


class DocumentsView(KnowledgeView):
    """The agent's documents."""

    policy = {"GET": "knowledge.view", "POST": "knowledge.edit"}
    parser_classes = [MultiPartParser]

    @extend_schema(responses=DocumentOutput(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's documents, newest first."""
        return self.answer_page(selectors.list_documents(self.workspace_id, self.get_agent().pk), DocumentOutput)

    @extend_schema(
        request={"multipart/form-data": UploadInput},
        responses={202: DocumentOutput, 408: ErrorSerializer, 507: ErrorSerializer},
    )
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Take a file in. It is read afterwards: poll the document until its status is ready or failed."""
        agent, file = self.get_agent(), request.FILES.get("file")
        if not isinstance(file, UploadedFile):
            raise FileMissing(param="file")
        document = services.add_document(principal=self.principal, agent=agent, name=file.name or "", file=file)
        return Response(DocumentOutput(document).data, status=status.HTTP_202_ACCEPTED)


class DocumentView(KnowledgeView):
    """One document."""

    policy = {"GET": "knowledge.view", "DELETE": "knowledge.edit"}

    @extend_schema(responses=DocumentOutput)
    def get(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        """One document, and how far it is."""
        return Response(DocumentOutput(self.get_document()).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        """Delete the document: answers no longer use it."""
        services.delete_document(principal=self.principal, document=self.get_document())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChunksView(KnowledgeView):
    """The document's chunks in reading order."""

    policy = "knowledge.view"
    pagination_class = ChunkPage

    @extend_schema(responses=ChunkOutput(many=True))
    def get(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        """The document's chunks in reading order."""
        return self.answer_page(selectors.list_chunks(self.workspace_id, self.get_document()), ChunkOutput)


class RetryView(KnowledgeView):
    """Try a failed document again."""

    policy = "knowledge.edit"

    @extend_schema(request=None, responses={202: DocumentOutput, 409: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        """Try a failed document again."""
        document = services.retry_document(principal=self.principal, document=self.get_document())
        return Response(DocumentOutput(document).data, status=status.HTTP_202_ACCEPTED)


class SearchView(KnowledgeView):
    """Find passages as the agent does."""

    policy = "knowledge.view"

    @extend_schema(request=SearchInput, responses=SearchOutput)
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Find passages as the agent does."""
        agent = self.get_agent()
        passages = search(agent.pk, **self.read(SearchInput))
        return Response({"data": PassageOutput(passages, many=True).data})
