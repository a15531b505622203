"""A document's file and its part of the quota go with its row, whoever deletes it: a person, or the agent or workspace
that it belongs to."""

from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from billing.models import Resource
from billing.quotas import give_back
from knowledge.models import Document


@receiver(post_delete, sender=Document)
def delete_file(instance: Document, **kwargs: Any) -> None:
    """After the commit, so that a deletion that is rolled back loses nothing."""
    transaction.on_commit(lambda: default_storage.delete(instance.storage_key))


@receiver(post_delete, sender=Document)
def give_room_back(instance: Document, **kwargs: Any) -> None:
    """In the transaction that deletes the row."""
    give_back(workspace_id=instance.workspace_id, resource=Resource.KNOWLEDGE, amount=instance.size)
