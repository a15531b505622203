"""From the outbox to deliveries: one row for each endpoint that wants the event, in the transaction that takes it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from chat.models import OutboxEvent
from integrations.models import Delivery, WebhookEndpoint

BATCH = 500


@transaction.atomic
def dispatch_events(limit: int = BATCH) -> int:
    """Pass the oldest events on and delete them. Returns how many; several workers may do so at once."""
    events = list(OutboxEvent.objects.select_for_update(skip_locked=True).order_by("id")[:limit])
    if not events:
        return 0
    listeners = _listeners({event.agent_id for event in events})
    deliveries = [
        make_delivery(endpoint, event.pk, event.type, body, event.created_at)
        for event in events
        for endpoint, body in _addressed(event, listeners[event.agent_id])
    ]
    Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(events)


def make_delivery(endpoint: WebhookEndpoint, event_id: UUID, event_type: str, body: str, at: Any) -> Delivery:
    """An unsaved delivery, due at once."""
    return Delivery(
        endpoint=endpoint, event_id=event_id, event_type=event_type, body=body, created_at=at, next_attempt_at=at
    )


def make_body(event_type: str, at: Any, data: dict[str, Any]) -> str:
    """What receivers get: `{"type", "timestamp", "data"}`."""
    return orjson.dumps({"type": event_type, "timestamp": at, "data": data}).decode()


def _listeners(agent_ids: set[UUID]) -> dict[UUID, list[WebhookEndpoint]]:
    found: dict[UUID, list[WebhookEndpoint]] = defaultdict(list)
    for endpoint in WebhookEndpoint.objects.filter(agent__in=agent_ids, is_active=True).only("agent_id", "events"):
        found[endpoint.agent_id].append(endpoint)
    return found


def _addressed(event: OutboxEvent, listeners: list[WebhookEndpoint]) -> Iterable[tuple[WebhookEndpoint, str]]:
    wanting = [endpoint for endpoint in listeners if event.type in endpoint.events]
    if wanting:
        body = make_body(event.type, event.created_at, event.data)
        yield from ((endpoint, body) for endpoint in wanting)
