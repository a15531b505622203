"""Webhook endpoints and their deliveries."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from chat.models import EventType
from core.models import Identified, Timestamped
from core.tenancy import ScopedQuerySet

TEST_EVENT = "webhook.test"


class DisabledReason(models.TextChoices):
    """Why nothing is sent to an endpoint."""

    NONE = "", ""
    PAUSED = "paused", _("Switched off by a member")
    GONE = "gone", _("The receiver answered 410 Gone")
    FAILING = "failing", _("Five days of nothing but failures")


class WebhookEndpoint(Timestamped):
    """An address that wants to hear of an agent's events.

    Secrets are encrypted. After a rotation the previous one goes on signing until `previous_secret_until`.
    """

    workspace_path = "agent__workspace"

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="webhooks", db_index=False)
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=60, choices=EventType.choices))
    secret = models.TextField()
    previous_secret = models.TextField(blank=True, default="")
    previous_secret_until = models.DateTimeField(null=True)
    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=10, choices=DisabledReason.choices, blank=True, default="")
    failing_since = models.DateTimeField(null=True)  # the first failure after the last success
    resume_at = models.DateTimeField(null=True)  # the receiver asked for a pause (Retry-After)
    owes_notice = models.BooleanField(default=False)  # it was switched off and the owners do not know yet

    objects = ScopedQuerySet["WebhookEndpoint"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["agent", "-created_at"], name="integrations_hooks_by_agent"),
            models.Index(fields=["id"], condition=Q(owes_notice=True), name="integrations_hooks_owing"),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def pause_end(self) -> datetime | None:
        """Until when nothing is sent, as the receiver asked; None when it did not, or that time has passed."""
        return self.resume_at if self.resume_at and self.resume_at > timezone.now() else None


class DeliveryState(models.TextChoices):
    PENDING = "pending", _("Pending")  # to be sent, now or at the next attempt
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Failed")  # every attempt failed
    ABANDONED = "abandoned", _("Abandoned")  # its endpoint was switched off first


class Delivery(Identified):
    """One event on its way to one endpoint: a job, its outcome, and what was said.

    `event_id` is the `webhook-id` of all its attempts and replays. `body` is what is signed and sent, byte for byte.
    A worker that sends it holds `lease_token` until `leased_until`; afterwards another one may take it.
    `attempts` counts from the last replay; `attempt_log` keeps the latest of all: [{at, ms, status, error}, ...].
    """

    workspace_path = "endpoint__agent__workspace"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event_id = models.UUIDField()
    event_type = models.CharField(max_length=60)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    attempt_log = models.JSONField(default=list)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    finished_at = models.DateTimeField(null=True)
    request_headers = models.JSONField(default=dict)
    response_status = models.PositiveIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True, default="")
    error = models.CharField(max_length=30, blank=True, default="")
    latency_ms = models.PositiveIntegerField(null=True)

    objects = ScopedQuerySet["Delivery"].as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="integrations_one_delivery_each"),
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="integrations_deliveries_log"),
            models.Index(
                fields=["endpoint", "next_attempt_at"], condition=Q(state="pending"), name="integrations_deliveries_due"
            ),
            models.Index(
                fields=["endpoint"], condition=Q(leased_until__isnull=False), name="integrations_deliveries_sent"
            ),
            models.Index(fields=["created_at"], name="integrations_deliveries_age"),
        ]

    @property
    def due_at(self) -> datetime | None:
        """The next attempt, which waits for the end of the endpoint's pause; None when there is none."""
        pause_end = self.endpoint.pause_end
        return max(self.next_attempt_at, pause_end) if self.next_attempt_at and pause_end else self.next_attempt_at
