"""Writes: take a file in, try again, delete. Each checks permission, is one transaction, then wakes a worker."""

import hashlib
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction

from accounts.permissions import Principal, authorize
from agents.models import Agent
from agents.services import require_editable
from billing.models import Resource
from billing.quotas import take
from core.ids import uuid7
from knowledge.errors import FileEmpty, FileTooLarge, NotRetryable
from knowledge.indexing import uncount_document
from knowledge.models import PERMANENT_CODES, Document, DocumentStatus
from knowledge.names import clean_name
from knowledge.sniffing import detect_kind
from knowledge.tasks import wake_worker

_BLOCK = 1024 * 1024


def add_document(*, principal: Principal, agent: Agent, name: str, file: "File[bytes]") -> Document:
    """Check and store an uploaded file; a worker reads it afterwards. Raises the errors of knowledge/errors.py, and
    QuotaExceeded, OverQuota.

    The stored file's key is made here and never contains the given name.
    """
    authorize(principal, "knowledge.edit")
    require_editable(agent)
    size = file.size or 0
    _check_size(size)
    name = clean_name(name)
    content = file.open().file
    assert content is not None, "open() gives one or raises"
    kind = detect_kind(content, size, name)
    document = Document(
        id=uuid7(), workspace_id=agent.workspace_id, agent=agent, name=name, mime_type=kind.mime_type, size=size,
        sha256=_digest(content),
    )  # fmt: skip
    document.storage_key = f"documents/{agent.workspace_id}/{document.pk}"
    try:
        _insert(document, default_storage.save(document.storage_key, file))
    except BaseException:  # whatever it was: a file without a row, or half a file, would stay for ever
        default_storage.delete(document.storage_key)
        raise
    return document


def retry_document(*, principal: Principal, document: Document) -> Document:
    """Queue a failed document again. Raises OverQuota, and NotRetryable when it did not fail or would fail again."""
    authorize(principal, "knowledge.edit")
    require_editable(document.agent)
    with transaction.atomic():
        failed = Document.objects.filter(pk=document.pk, status=DocumentStatus.FAILED)
        changed = failed.exclude(error_code__in=PERMANENT_CODES).update(
            status=DocumentStatus.QUEUED, error_code="", error_message="", attempts=0, crashes=0, next_attempt_at=None
        )
        if not changed:
            raise NotRetryable()
        transaction.on_commit(wake_worker)
    document.refresh_from_db()
    return document


def delete_document(*, principal: Principal, document: Document) -> None:
    """Delete the document with all that was made of it; a worker in the middle of it stops at its next write."""
    authorize(principal, "knowledge.edit")
    with transaction.atomic():
        locked = Document.objects.select_for_update().get_or_404(pk=document.pk)
        uncount_document(locked)
        locked.delete()


def _check_size(size: int) -> None:
    if size == 0:
        raise FileEmpty()
    if size > settings.MAX_UPLOAD_BYTES:
        raise FileTooLarge(f"The file is larger than {settings.MAX_UPLOAD_BYTES // 1024**2} MB.")


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def _insert(document: Document, stored: str) -> None:
    with transaction.atomic():
        take(workspace_id=document.workspace_id, resource=Resource.KNOWLEDGE, amount=document.size)
        document.storage_key = stored
        document.save(force_insert=True)
        transaction.on_commit(wake_worker)
