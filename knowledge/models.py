"""Documents that an agent knows, their chunks, and what finds a chunk: term weights and vectors.

Document (also the job: status, lease, attempts) ─< Chunk ─< ChunkVector     one row per window that the model sees
                                                  └─ ChunkTerms              term weights, one row per chunk
                                            Agent ─< AgentTerm               in how many chunks a term occurs

What a search scans (terms, vectors) is kept apart from the text, in narrow rows that PostgreSQL never moves out of
line (migration 0001 sets `toast_tuple_target`), so that reading ten thousand of them takes milliseconds.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, SparseVectorField

from accounts.models import Workspace
from agents.models import Agent
from core.models import Identified, Timestamped
from core.tenancy import ScopedQuerySet


class DocumentStatus(models.TextChoices):
    QUEUED = "queued", _("Queued")
    PARSING = "parsing", _("Reading")
    EMBEDDING = "embedding", _("Indexing")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


# Failures that trying again cannot mend.
PERMANENT_CODES = frozenset({"file_encrypted", "no_text", "too_many_pages", "csv_limit"})
UNFINISHED = (DocumentStatus.QUEUED, DocumentStatus.PARSING, DocumentStatus.EMBEDDING)


class Document(Timestamped):
    """One uploaded file of one agent, and the work that is left to do on it.

    Whoever works on it holds the lease: `lease_token` proves it, `leased_until` bounds it. `error_*` without the
    status `failed` means that an attempt failed and another follows at `next_attempt_at`.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="documents")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=255)
    mime_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=200)
    language = models.CharField(max_length=2, blank=True)
    status = models.CharField(max_length=10, choices=DocumentStatus.choices, default=DocumentStatus.QUEUED)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    page_count = models.PositiveIntegerField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    chunks_embedded = models.PositiveIntegerField(default=0)
    embedding_model = models.CharField(max_length=120, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["agent", "-created_at"], name="knowledge_by_agent"),
            models.Index(fields=["workspace", "created_at"], condition=Q(status__in=UNFINISHED), name="knowledge_open"),
            models.Index(fields=["workspace", "-claimed_at"], name="knowledge_claims"),
            models.Index(fields=["embedding_model"], condition=Q(status="ready"), name="knowledge_ready_model"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def progress(self) -> float:
        """How much of the work is done, 0 to 1. Reading counts for a tenth, the vectors for the rest."""
        if self.status == DocumentStatus.READY:
            return 1.0
        if not self.chunk_count:
            return 0.05 if self.status == DocumentStatus.PARSING else 0.0
        return round(0.1 + 0.9 * min(1.0, self.chunks_embedded / self.chunk_count), 3)


class Chunk(Identified):
    """A piece of a document's text, as it is cited. (document, position) makes writing it twice harmless."""

    workspace_path = "document__workspace"

    document = models.ForeignKey(Document, on_delete=models.DO_NOTHING, db_constraint=False, related_name="chunks")
    agent = models.ForeignKey(Agent, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    position = models.PositiveIntegerField()
    page = models.PositiveIntegerField(null=True)
    content = models.TextField()
    token_count = models.PositiveIntegerField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["document", "position"], name="knowledge_chunk_position")]


class ChunkTerms(models.Model):
    """The chunk's terms with their BM25 weights (without the rarity, which depends on the agent's other chunks)."""

    chunk = models.OneToOneField(Chunk, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False)
    agent = models.ForeignKey(Agent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    document = models.ForeignKey(Document, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    terms = SparseVectorField()


class ChunkVector(models.Model):
    """The vector of one window of a chunk. Vectors of different models are never compared."""

    chunk = models.ForeignKey(
        Chunk, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="vectors"
    )
    agent = models.ForeignKey(Agent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    document = models.ForeignKey(Document, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    window = models.PositiveSmallIntegerField()
    embedding_model = models.CharField(max_length=120)
    embedding = HalfVectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chunk", "embedding_model", "window"], name="knowledge_vector_window")
        ]


class AgentTerm(models.Model):
    """In how many of the agent's chunks a term occurs; the term 0 counts the chunks themselves."""

    agent = models.ForeignKey(Agent, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    term = models.IntegerField()
    chunks = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "term"], name="knowledge_agent_term")]
