"""Files that nobody knows: a process that died between storing an upload and writing its row leaves one."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from knowledge.models import Document

logger = logging.getLogger(__name__)
_FOLDER = "documents"
_MIN_AGE = timedelta(hours=1)  # an upload that is just being stored has no row yet


def delete_orphans() -> int:
    """Delete stored files without a row and uploads left half-way, an hour old at least; how many there were."""
    deleted = sum(_delete_unknown(f"{_FOLDER}/{folder}") for folder in _list(_FOLDER)[0])
    deleted += _delete_unfinished()
    if deleted:
        logger.warning("deleted %d files of uploads that were cut off", deleted)
    return deleted


def _delete_unknown(folder: str) -> int:
    oldest_kept = timezone.now() - _MIN_AGE
    keys = {f"{folder}/{name}" for name in _list(folder)[1]}
    known = Document.objects.filter(storage_key__startswith=f"{folder}/").values_list("storage_key", flat=True)
    orphans = [key for key in keys.difference(known) if _is_older(key, oldest_kept)]
    for key in orphans:
        default_storage.delete(key)
    return len(orphans)


def _is_older(key: str, moment: datetime) -> bool:
    try:
        return default_storage.get_modified_time(key) < moment
    except FileNotFoundError:  # deleted with its document meanwhile
        return False


def _delete_unfinished() -> int:
    oldest_kept = (timezone.now() - _MIN_AGE).timestamp()
    uploads = Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*")
    found = [path for path in uploads if path.stat().st_mtime < oldest_kept]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _list(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:  # nothing was uploaded yet
        return [], []
