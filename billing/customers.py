"""A workspace as Stripe's customer: made when it first wants to pay, found again by what Stripe's events name."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Workspace
from billing.errors import StripeObjectMissing
from billing.models import Customer, StripeEvent
from billing.stripe import ask
from core.tenancy import ScopedQuerySet

WORKSPACE_METADATA = "gilo_workspace"


@transaction.atomic
def ensure_customer(*, workspace: Workspace, email: str) -> Customer:
    """The workspace's customer, made in Stripe when there is none; repeating a call that broke makes no second one."""
    Customer.objects.get_or_create(workspace=workspace)
    customer = Customer.objects.select_for_update().get(workspace=workspace)
    if not customer.stripe_id:
        # Whoever asks again after a failure may be another member: what the key covers must stay the same.
        made = ask(
            lambda client: client.v1.customers.create(
                {"name": workspace.name, "metadata": {WORKSPACE_METADATA: str(workspace.pk)}},
                {"idempotency_key": f"customer-{workspace.pk}-{workspace.name}"[:255]},
            )
        )
        ask(lambda client: client.v1.customers.update(made.id, {"email": email}))
        know(customer, made.id)
    return customer


def know(customer: Customer, stripe_id: str) -> None:
    """Note who the customer is in Stripe; the events that wait for it are work to do again."""
    customer.stripe_id = stripe_id
    customer.save(update_fields=["stripe_id", "updated_at"])
    release_parked(stripe_ids=[stripe_id])


def release_parked(*, stripe_ids: list[str]) -> int:
    """Make the events that were parked for these customers work to do. Returns how many there were."""
    parked = StripeEvent.objects.filter(parked_for__in=stripe_ids, parked_at__isnull=False)
    return parked.update(parked_at=None, parked_for="", next_attempt_at=timezone.now())


def lock_customer(stripe_id: str) -> Customer | None:
    """Our row of this customer, locked until the transaction ends; None when nobody here is that customer.

    One that Stripe knows as ours (our own creation whose answer was lost) is learned here.
    """
    customer = _rows().filter(stripe_id=stripe_id).first()
    if customer is None and (workspace_id := _ask_whose(stripe_id)):
        customer = _rows().filter(workspace_id=workspace_id, stripe_id=None).first()
        if customer is not None:
            know(customer, stripe_id)
    return customer


def _rows() -> ScopedQuerySet[Customer]:
    return Customer.objects.select_for_update(of=("self",)).select_related("workspace")


def _ask_whose(stripe_id: str) -> UUID | None:
    try:
        found = ask(lambda client: client.v1.customers.retrieve(stripe_id))
        return UUID(found.metadata.to_dict()[WORKSPACE_METADATA]) if found.metadata else None
    except (StripeObjectMissing, KeyError, ValueError):
        return None
