"""Invoices as Stripe tells them."""

from typing import TYPE_CHECKING, Any

from billing.errors import StripeObjectMissing
from billing.models import Customer, Invoice
from billing.stripe import ask, id_of
from billing.subscriptions import at, mirror_subscription

if TYPE_CHECKING:
    import stripe


def mirror_invoice(customer: Customer, stripe_id: str) -> None:
    """Read the invoice from Stripe into our row, and the subscription that it is for. The customer is locked."""
    try:
        found = ask(lambda client: client.v1.invoices.retrieve(stripe_id))
    except StripeObjectMissing:  # a draft that was deleted
        Invoice.objects.filter(stripe_id=stripe_id).delete()
        return
    store_invoice(customer, found)
    if subscription := subscription_of(found):
        mirror_subscription(customer, subscription)


def store_invoice(customer: Customer, found: "stripe.Invoice") -> Invoice:
    """Write what Stripe told into our row."""
    fields = {"workspace_id": customer.workspace_id, **describe_invoice(found)}
    return Invoice.objects.update_or_create(stripe_id=found.id, defaults=fields)[0]


def describe_invoice(found: "stripe.Invoice") -> dict[str, Any]:
    """Our columns as Stripe's invoice has them."""
    return {
        "number": found.number or "",
        "status": found.status or "",
        "total": found.total,
        "amount_paid": found.amount_paid,
        "currency": found.currency,
        "hosted_url": found.hosted_invoice_url or "",
        "pdf_url": found.invoice_pdf or "",
        "issued_at": at(found.status_transitions.finalized_at or found.created),
    }


def subscription_of(found: "stripe.Invoice") -> str:
    """The id of the subscription that the invoice is for; "" when it is for none."""
    details = found.parent.subscription_details if found.parent else None
    return id_of(details.subscription) if details else ""
