"""The knowledge API: documents of an agent, their chunks, a search to try."""

from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.workspace_api import WorkspaceView
from core.api import ErrorSerializer, Page, StrictSerializer
from knowledge import selectors, services
from knowledge.errors import FileMissing
from knowledge.models import Chunk, Document, DocumentStatus
from knowledge.retrieval import MAX_QUERY_CHARACTERS, search

MAX_RESULTS = 50
PAGE_PARAMETERS = [
    OpenApiParameter("limit", int, description="Rows a page, from 1 to 100."),
    OpenApiParameter("cursor", str, description="`next` of the page before."),
]


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


class DocumentPageOutput(serializers.Serializer[Any]):
    data = DocumentOutput(many=True)  # type: ignore[assignment]  # a field, not the property
    next = serializers.CharField(allow_null=True)


class ChunkPageOutput(serializers.Serializer[Any]):
    data = ChunkOutput(many=True)  # type: ignore[assignment]  # a field, not the property
    next = serializers.CharField(allow_null=True)


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


def _refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    return {status: OpenApiResponse(ErrorSerializer) for status in (401, 403, 404, *statuses)}


class ChunkPage(Page):
    ordering = "position"


class KnowledgeView(WorkspaceView):
    """Common ground: the document of the path."""

    def document(self, agent_id: UUID, document_id: UUID) -> Document:
        return selectors.get_document(self.principal.workspace_id, agent_id, document_id)


class DocumentsView(KnowledgeView):
    """The agent's documents."""

    policy = {"GET": "knowledge.view", "POST": "knowledge.edit"}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="agents_knowledge_list",
        responses={200: DocumentPageOutput, **_refusals()},
        parameters=PAGE_PARAMETERS,
    )
    def get(self, request: Request, agent_id: UUID) -> Response:
        workspace_id = self.principal.workspace_id
        agent = selectors.get_agent(workspace_id, agent_id)
        page = Page()
        rows = page.paginate_queryset(selectors.list_documents(workspace_id, agent.pk), request, self)
        return page.get_paginated_response(DocumentOutput(rows, many=True).data)

    @extend_schema(
        request={"multipart/form-data": UploadInput},
        responses={202: DocumentOutput, **_refusals(408, 413, 415, 422, 507)},
    )
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Take a file in. It is read afterwards: poll the document until its status is ready or failed."""
        principal = self.principal
        agent = selectors.get_agent(principal.workspace_id, agent_id)
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile):
            raise FileMissing(param="file")
        document = services.add_document(principal=principal, agent=agent, name=file.name or "", file=file)
        return Response(DocumentOutput(document).data, status=202)


class DocumentView(KnowledgeView):
    """One document."""

    policy = {"GET": "knowledge.view", "DELETE": "knowledge.edit"}

    @extend_schema(responses={200: DocumentOutput, **_refusals()})
    def get(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        return Response(DocumentOutput(self.document(agent_id, document_id)).data)

    @extend_schema(responses={204: None, **_refusals()})
    def delete(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        services.delete_document(principal=self.principal, document=self.document(agent_id, document_id))
        return Response(status=204)


class ChunksView(KnowledgeView):
    """The document's chunks in reading order."""

    policy = "knowledge.view"

    @extend_schema(responses={200: ChunkPageOutput, **_refusals()}, parameters=PAGE_PARAMETERS)
    def get(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        document = self.document(agent_id, document_id)
        page = ChunkPage()
        chunks = selectors.list_chunks(self.principal.workspace_id, document)
        rows = page.paginate_queryset(chunks, request, self)
        return page.get_paginated_response(ChunkOutput(rows, many=True).data)


class RetryView(KnowledgeView):
    """Try a failed document again."""

    policy = "knowledge.edit"

    @extend_schema(request=None, responses={202: DocumentOutput, **_refusals(409)})
    def post(self, request: Request, agent_id: UUID, document_id: UUID) -> Response:
        document = services.retry_document(principal=self.principal, document=self.document(agent_id, document_id))
        return Response(DocumentOutput(document).data, status=202)


class SearchView(KnowledgeView):
    """Find passages as the agent does."""

    policy = "knowledge.view"

    @extend_schema(request=SearchInput, responses={200: SearchOutput, **_refusals(400, 422)})
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent = selectors.get_agent(self.principal.workspace_id, agent_id)
        given = SearchInput(data=request.data)
        given.is_valid(raise_exception=True)
        passages = search(agent.pk, given.validated_data["query"], given.validated_data["limit"])
        return Response({"data": PassageOutput(passages, many=True).data})
