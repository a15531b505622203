"""A document's file goes with its row, whoever deletes it: a person, or the agent or workspace that it belongs to."""

from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from knowledge.models import Document


@receiver(post_delete, sender=Document)
def delete_file(instance: Document, **kwargs: Any) -> None:
    """After the commit, so that a deletion that is rolled back loses nothing."""
    transaction.on_commit(lambda: default_storage.delete(instance.storage_key))
