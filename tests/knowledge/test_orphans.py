"""Files that a crash left without a row."""

import os
import time

import pytest
from django.conf import settings as django_settings

from knowledge.models import Document
from knowledge.tasks import delete_orphans

pytestmark = pytest.mark.django_db


def age(path, seconds):
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
    return path


def test_orphans_are_deleted_after_an_hour_and_files_with_rows_stay(upload, settings):
    upload("known.txt", b"some text")
    document = Document.objects.get()
    known = age(settings.MEDIA_ROOT / document.storage_key, 5000)
    orphan, fresh = known.with_name("orphan"), known.with_name("fresh")
    orphan.write_bytes(b"left by a crash")
    fresh.write_bytes(b"its row comes in a moment")
    age(orphan, 5000)
    delete_orphans()
    assert (known.exists(), orphan.exists(), fresh.exists()) == (True, False, True)


def test_uploads_cut_off_are_deleted_after_an_hour(settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    old, fresh = tmp_path / "a.upload.txt", tmp_path / "b.upload.txt"
    old.touch()
    fresh.touch()
    age(old, 5000)
    delete_orphans()
    assert (old.exists(), fresh.exists()) == (False, True)


def test_orphans_are_looked_for_every_hour():
    schedule = {entry["task"]: entry["schedule"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()}
    assert schedule[delete_orphans.name] == 3600
