"""Documents as jobs: who works on which, and until when. A message to the queue only says "there is work".

A claim takes the document that is fair: workspaces take turns, each in the order of its uploads, so ten thousand
documents of one do not hold up another's first; and a long document goes back into the queue when its turn is over.
Every write of a worker goes through its `Lease`, which fails when somebody else holds the document now or it was
deleted.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from knowledge.embedding import current_model
from knowledge.models import UNFINISHED, Document, DocumentStatus

MAX_CRASHES = 3
_RENEWALS = 6  # while a lease runs
_RETRY_SECONDS = (5, 15, 30, 60)

_NEVER = datetime.min.replace(tzinfo=UTC)
_LAST_SERVED = """
SELECT workspace.id, (
    SELECT max(claimed_at) FROM knowledge_document WHERE workspace_id = workspace.id
) FROM unnest(%s::uuid[]) AS workspace(id)
"""


class LeaseLost(Exception):
    """Somebody else works on the document now, or it is gone: stop, and write nothing more."""


@dataclass(slots=True)
class Lease:
    """The right to work on one document, renewed by every write."""

    document_id: UUID
    token: UUID = field(default_factory=uuid4)
    _written_at: float = field(default_factory=time.monotonic)

    def write(self, **changes: Any) -> None:
        """Change the document and renew the lease, or raise LeaseLost. Locks the row until the transaction ends."""
        self._written_at = time.monotonic()
        changes.setdefault("leased_until", _lease_end())
        held = Document.objects.filter(pk=self.document_id, lease_token=self.token)
        if not held.update(updated_at=timezone.now(), **changes):
            raise LeaseLost

    def renew(self) -> None:
        self.write()

    def keep(self) -> None:
        """Renew the lease unless that was done a moment ago: for work that goes on in many small steps."""
        if time.monotonic() - self._written_at >= settings.DOCUMENT_LEASE_SECONDS / _RENEWALS:
            self.renew()

    def release(self, **changes: Any) -> None:
        """The last write: the document is free again."""
        self.write(leased_until=None, lease_token=None, **changes)


def claim_next() -> tuple[Document, Lease] | None:
    """Take the next document that is due, or None. One that kept crashing its workers is ended as failed."""
    while True:
        for document_id in _candidates():
            claimed = _claim(document_id)
            if claimed:
                return claimed
        if not due_documents().exists():
            return None


def due_documents() -> QuerySet[Document]:
    """What somebody should work on now: unfinished, or ready with vectors of another model; leased by nobody."""
    now = timezone.now()
    open_work = Q(status__in=UNFINISHED) | (Q(status=DocumentStatus.READY) & ~Q(embedding_model=current_model()))
    return Document.objects.filter(
        open_work,
        Q(leased_until=None) | Q(leased_until__lt=now),
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
    )


def do_others_wait(workspace_id: UUID) -> bool:
    """Whether another workspace has a document that somebody should work on now."""
    return due_documents().exclude(workspace_id=workspace_id).exists()


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after this many attempts: 5 s, 15 s, 30 s, then a minute each time."""
    return timedelta(seconds=_RETRY_SECONDS[min(max(attempts, 1), len(_RETRY_SECONDS)) - 1])


def _candidates() -> list[UUID]:
    due = due_documents()
    firsts = due.order_by("workspace_id", "created_at").distinct("workspace_id").values_list("pk", "workspace_id")
    if not firsts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LAST_SERVED, [[workspace_id for _, workspace_id in firsts]])
        served = dict(cursor.fetchall())
    return [pk for pk, workspace_id in sorted(firsts, key=lambda row: (served.get(row[1]) or _NEVER, row[0]))]


def _claim(document_id: UUID) -> tuple[Document, Lease] | None:
    document = due_documents().filter(pk=document_id).first()
    if document is None:
        return None
    lease = Lease(document_id)
    crashed = document.leased_until is not None
    if crashed and document.crashes >= MAX_CRASHES:
        _give_up(document)
        return None
    taken = (
        due_documents()
        .filter(pk=document_id, lease_token=document.lease_token)
        .update(
            lease_token=lease.token,
            leased_until=_lease_end(),
            claimed_at=timezone.now(),
            attempts=document.attempts + 1,
            crashes=document.crashes + crashed,
        )
    )
    if not taken:
        return None
    document.attempts += 1
    return document, lease


def _give_up(document: Document) -> None:
    Document.objects.filter(pk=document.pk, lease_token=document.lease_token).update(
        status=DocumentStatus.FAILED,
        error_code="worker_lost",
        error_message="The worker was lost several times while it read this document.",
        leased_until=None,
        lease_token=None,
    )


def _lease_end() -> Any:
    return timezone.now() + timedelta(seconds=settings.DOCUMENT_LEASE_SECONDS)
