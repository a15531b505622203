"""Conversations, their messages, and the runs that produce the answers."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from agents.models import Agent, AgentVersion, ApiKey
from core.models import Identified
from core.tenancy import ScopedQuerySet

ONE_TURN_AT_A_TIME = "chat_one_turn_at_a_time"  # constraints whose word the writer passes on
ONE_RUN_EACH_KEY = "chat_one_run_each_idempotency_key"


def _belongs_to(model: Any, **options: Any) -> Any:
    # One foreign key holds a row in place and deletes it: a conversation's agent, a message's conversation. A check of
    # the others would cost each turn what a row costs, and say nothing new.
    return models.ForeignKey(model, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, **options)


class Channel(models.TextChoices):
    """Where a conversation takes place."""

    PLAYGROUND = "playground", _("Playground")
    API = "api", _("API")
    OPENAI = "openai", _("OpenAI-compatible API")
    WEBSOCKET = "websocket", _("WebSocket")
    MCP = "mcp", _("MCP")
    A2A = "a2a", _("A2A")
    WIDGET = "widget", _("Widget")
    HOSTED = "hosted", _("Hosted page")
    STORE = "store", _("Store")


class Conversation(Identified):
    """Messages between one person (or program) and one agent."""

    workspace = _belongs_to(Workspace, related_name="conversations")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="conversations", db_index=False)
    channel = models.CharField(max_length=20, choices=Channel.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    # A key is revoked, never deleted before its agent; no constraint, so that a turn checks one key less.
    api_key = models.ForeignKey(
        ApiKey, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    end_user = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    last_message_at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["-last_message_at", "-id"]
        indexes = [
            models.Index(fields=["agent", "-last_message_at", "-id"], name="chat_conversations_by_agent"),
            models.Index(fields=["user"], condition=models.Q(user__isnull=False), name="chat_conversations_by_user"),
        ]


class MessageRole(models.TextChoices):
    USER = "user", _("User")
    ASSISTANT = "assistant", _("Assistant")


class MessageStatus(models.TextChoices):
    STREAMING = "streaming", _("Streaming")
    COMPLETE = "complete", _("Complete")
    PARTIAL = "partial", _("Partial")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Message(Identified):
    """What was said. An answer's row is there from the start of its run and grows while it streams.

    `superseded` hides what a regenerated answer or an edited question replaced: kept, but no longer shown or sent.
    """

    workspace_path = "conversation__workspace"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages", db_index=False)
    role = models.CharField(max_length=10, choices=MessageRole.choices)
    content = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=MessageStatus.choices, default=MessageStatus.COMPLETE)
    citations = models.JSONField(default=list)
    feedback = models.SmallIntegerField(null=True)
    feedback_comment = models.CharField(max_length=1000, blank=True, default="", db_default="")
    superseded = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["conversation", "id"], name="chat_messages_in_order")]


class ServerProcess(models.Model):
    """A web process that makes answers. When its heartbeat stops it is dead: the sweeper ends its runs as partial."""

    id = models.UUIDField(primary_key=True)
    heartbeat_at = models.DateTimeField()


class Run(Identified):
    """One answer being made: which version, how long, how many tokens, what it cost, how it ended.

    `trace` holds the events between the first and the last that are not text: [[id, event, data], ...].
    """

    workspace = _belongs_to(Workspace, related_name="runs")
    agent = _belongs_to(Agent, related_name="runs")
    version = _belongs_to(AgentVersion, null=True, related_name="+")
    # Deleted with it; the run's messages, stored in the same statement, hold it in place.
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="runs", db_constraint=False)
    question = _belongs_to(Message, related_name="+")
    answer = _belongs_to(Message, related_name="runs")
    api_key = _belongs_to(ApiKey, null=True, related_name="+")
    channel = models.CharField(max_length=20, choices=Channel.choices, blank=True, default="", db_default="")
    # A public POST may name itself: the same name and request are answered by the same run.
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="")
    request_digest = models.CharField(max_length=64, blank=True, default="", db_default="")
    meter = models.CharField(max_length=20, blank=True, default="", db_default="")  # billed beyond the plan, as what
    grant_id = models.UUIDField(null=True)  # of a visitor: whose use it took, and gives back if it fails
    is_platform_paid = models.BooleanField(default=False, db_default=False)  # not of the creator's day
    # What was reserved of budgets before the model was called: [[counter id, dollars, tokens], ...].
    reservation = models.JSONField(null=True)
    status = models.CharField(max_length=10, choices=MessageStatus.choices, default=MessageStatus.STREAMING)
    process = models.UUIDField()
    cancel_requested = models.BooleanField(default=False)
    trace = models.JSONField(default=list)
    model = models.CharField(max_length=200, blank=True)
    input_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=8, default=0)
    ttft_ms = models.IntegerField(null=True)
    latency_ms = models.IntegerField(null=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    error = models.JSONField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="chat_runs_by_agent"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=models.Q(status="streaming"), name=ONE_TURN_AT_A_TIME
            ),
            models.UniqueConstraint(
                fields=["api_key", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name=ONE_RUN_EACH_KEY,
            ),
        ]


class EventType(models.TextChoices):
    """What the apps above may hear of."""

    CONVERSATION_STARTED = "conversation.started", _("Conversation started")
    MESSAGE_CREATED = "message.created", _("Message created")
    RUN_FAILED = "run.failed", _("Run failed")


class OutboxEvent(Identified):
    """News for the apps above, written in the transaction of what happened, and only where somebody wants it.

    Whoever passes an event on deletes it in the transaction that makes it theirs.
    """

    workspace = _belongs_to(Workspace, related_name="+")
    agent = _belongs_to(Agent, related_name="+")
    type = models.CharField(max_length=60, choices=EventType.choices)
    data = models.JSONField()
    created_at = models.DateTimeField()

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
