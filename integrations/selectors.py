"""Reads about webhooks. The agent or the endpoint comes first: whoever has one has passed its workspace."""

from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject

from agents.models import Agent
from core.tenancy import ScopedQuerySet
from integrations.models import Delivery, WebhookEndpoint


def list_webhooks(agent: Agent) -> ScopedQuerySet[WebhookEndpoint]:
    """The agent's endpoints, newest first, each with its `last_delivery` (a dict, or None)."""
    last = Delivery.objects.filter(endpoint=OuterRef("pk")).order_by("-id")
    summary = JSONObject(
        id="id", event_type="event_type", state="state", response_status="response_status", created_at="created_at"
    )
    webhooks: Any = WebhookEndpoint.objects.filter(agent=agent)
    annotated: ScopedQuerySet[WebhookEndpoint] = webhooks.annotate(
        last_delivery=Subquery(last.values(summary=summary)[:1])
    )
    return annotated


def get_webhook(agent: Agent, webhook_id: UUID) -> WebhookEndpoint:
    """One endpoint of this agent; NotFound for any other id."""
    return list_webhooks(agent).get_or_404(pk=webhook_id)


def list_deliveries(endpoint: WebhookEndpoint, state: str = "") -> ScopedQuerySet[Delivery]:
    """The endpoint's deliveries, newest first; only those in this state when one is named."""
    deliveries = endpoint.deliveries.all()
    return deliveries.filter(state=state) if state else deliveries


def get_delivery(endpoint: WebhookEndpoint, delivery_id: UUID) -> Delivery:
    """One delivery of this endpoint; NotFound for any other id."""
    return endpoint.deliveries.get_or_404(pk=delivery_id)
