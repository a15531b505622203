"""Where Stripe sends its events: one endpoint for this server's own account, one for its creators' (Connect).

Stripe keeps the two apart, and signs with a secret for each, which it tells once. Both lead to one address here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from billing.stripe import api_version, ask

if TYPE_CHECKING:
    import stripe

ENDPOINT_METADATA = "gilo_endpoint"  # on endpoints: which of ours it is
PATH = "/api/webhooks/stripe"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the two. `is_connect`: it hears of connected accounts, and of nothing else."""

    kind: str
    events: tuple[str, ...]
    is_connect: bool = False


ENDPOINTS = (
    Endpoint(
        "account",
        (
            "charge.dispute.closed",
            "charge.dispute.created",
            "charge.dispute.funds_reinstated",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.refunded",
            "checkout.session.async_payment_failed",
            "checkout.session.async_payment_succeeded",
            "checkout.session.completed",
            "checkout.session.expired",
            "customer.subscription.created",
            "customer.subscription.deleted",
            "customer.subscription.paused",
            "customer.subscription.resumed",
            "customer.subscription.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.marked_uncollectible",
            "invoice.paid",
            "invoice.payment_failed",
            "invoice.updated",
            "invoice.voided",
        ),
    ),
    Endpoint("connect", ("account.updated",), is_connect=True),
)


def can_be_reached() -> bool:
    """Whether Stripe takes this server's address: it sends to none without TLS."""
    return settings.SITE_URL.startswith("https://")


def ensure_endpoints() -> Iterator[tuple[str, str]]:
    """Make the endpoints that are missing, and set right those that are not as they should be.

    One by one: what was done, and the secret of one that was made, which nobody can ask for again; else "". Raises
    what `billing.stripe.ask` raises.
    """
    there = ask(lambda client: list(client.v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter()))
    for wanted in ENDPOINTS:
        found = next((endpoint for endpoint in there if _kind_of(endpoint) == wanted.kind), None)
        if found is None:
            yield f"webhook endpoint ({wanted.kind})", _make(wanted)
        elif not _is_right(found, wanted):
            _set_right(found, wanted)
            yield f"webhook endpoint ({wanted.kind}), set right", ""


def _kind_of(endpoint: "stripe.WebhookEndpoint") -> str:
    return str(endpoint.metadata.to_dict().get(ENDPOINT_METADATA, "")) if endpoint.metadata else ""


def _is_right(found: "stripe.WebhookEndpoint", wanted: Endpoint) -> bool:
    return (
        _events_of(found, wanted) == set(found.enabled_events)
        and found.status == "enabled"
        and found.url == settings.SITE_URL + PATH
    )


def _events_of(found: "stripe.WebhookEndpoint", wanted: Endpoint) -> set[str]:
    """What it sends and what it must: an operator may want to hear of more, or of everything."""
    sent = set(found.enabled_events)
    return sent if "*" in sent else sent | set(wanted.events)


def _make(wanted: Endpoint) -> str:
    params: Any = {
        "url": settings.SITE_URL + PATH,
        "enabled_events": list(wanted.events),
        "connect": wanted.is_connect,
        "api_version": api_version(),  # events are then as this library reads them
        "description": f"GiLo ({wanted.kind})",
        "metadata": {ENDPOINT_METADATA: wanted.kind},
    }
    return ask(lambda client: client.v1.webhook_endpoints.create(params)).secret or ""


def _set_right(found: "stripe.WebhookEndpoint", wanted: Endpoint) -> None:
    events = sorted(_events_of(found, wanted))
    params: Any = {"url": settings.SITE_URL + PATH, "enabled_events": events, "disabled": False}
    ask(lambda client: client.v1.webhook_endpoints.update(found.id, params))
