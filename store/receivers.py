"""What goes with a listing that is deleted, and where remixes hang when one between two of them goes."""

from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.signals import post_delete, pre_delete
from django.dispatch import receiver

from billing.signals import stripe_object_changed
from store.models import Listing, Remix
from store.payments_mirror import hear_of_payment

stripe_object_changed.connect(hear_of_payment, dispatch_uid="store.payments")


@receiver(post_delete, sender=Listing)
def delete_icon_file(instance: Listing, **kwargs: Any) -> None:
    """After the commit, so that a deletion that is rolled back loses nothing."""
    if instance.icon_key:
        transaction.on_commit(lambda: default_storage.delete(instance.icon_key))


@receiver(pre_delete, sender=Remix)
def note_children(instance: Remix, **kwargs: Any) -> None:
    """Django sets the children's parent to null before the row goes."""
    instance.orphans = list(instance.children.values_list("pk", flat=True))  # type: ignore[attr-defined]


@receiver(post_delete, sender=Remix)
def adopt_children(instance: Remix, **kwargs: Any) -> None:
    """The generation above takes them: a lineage has a gap then, but no end."""
    Remix.objects.filter(pk__in=instance.orphans).update(parent=instance.parent_id)  # type: ignore[attr-defined]
