"""What goes with a listing or a review that is deleted, what holds an agent in place, and where remixes hang when one
between two of them goes."""

from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.signals import post_delete, pre_delete
from django.dispatch import receiver

from accounts.models import User
from agents.models import Agent
from agents.signals import agent_deleting
from billing.signals import stripe_compared, stripe_object_changed
from store.models import Listing, Remix, Review
from store.payments_mirror import hear_of_payment
from store.payments_reconcile import compare_payments
from store.reviews import count_ratings
from store.services import require_no_buyers

stripe_object_changed.connect(hear_of_payment, dispatch_uid="store.payments")
stripe_compared.connect(compare_payments, dispatch_uid="store.payments")


@receiver(post_delete, sender=Listing)
def delete_icon_file(instance: Listing, **kwargs: Any) -> None:
    """After the commit, so that a deletion that is rolled back loses nothing."""
    if instance.icon_key:
        transaction.on_commit(lambda: default_storage.delete(instance.icon_key))


@receiver(agent_deleting)
def keep_what_is_paid_for(agent: Agent, **kwargs: Any) -> None:
    """An agent that people have paid for is not deleted. Raises HasPurchases."""
    listing = Listing.objects.filter(agent=agent).first()
    if listing is not None:
        require_no_buyers(listing)


@receiver(post_delete, sender=Review)
def count_without(instance: Review, origin: Any, **kwargs: Any) -> None:
    """Whoever deletes it: its writer, or the account that goes with all it wrote. Where the listing goes, too, nobody
    needs to count.
    """
    if getattr(origin, "model", type(origin)) not in (Review, User):
        return
    locked = Listing.objects.select_for_update().filter(pk=instance.listing_id).first()
    if locked is not None:
        count_ratings(locked)


@receiver(pre_delete, sender=Remix)
def note_children(instance: Remix, **kwargs: Any) -> None:
    """Django sets the children's parent to null before the row goes."""
    instance.orphans = list(instance.children.values_list("pk", flat=True))  # type: ignore[attr-defined]


@receiver(post_delete, sender=Remix)
def adopt_children(instance: Remix, **kwargs: Any) -> None:
    """The generation above takes them: a lineage has a gap then, but no end."""
    Remix.objects.filter(pk__in=instance.orphans).update(parent=instance.parent_id)  # type: ignore[attr-defined]
