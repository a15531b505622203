"""Agents, their immutable versions, and the keys that open them to programs."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from core.models import Timestamped
from core.tenancy import ScopedQuerySet


class AgentStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    ACTIVE = "active", _("Active")
    DEPLOYED = "deployed", _("Deployed")


class Agent(Timestamped):
    """What a builder builds. Its configuration lives in versions: `draft_version` is edited, `live_version` serves."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="agents")
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=90, unique=True)
    description = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=AgentStatus.choices, default=AgentStatus.DRAFT)
    draft_version = models.ForeignKey("AgentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    # Off: programs, widgets and pages are refused; the playground goes on.
    is_serving = models.BooleanField(default=True, db_default=True)
    is_indexed = models.BooleanField(default=False, db_default=False)  # search engines may list its hosted page
    # What higher apps want to hear of (`chat.models.OutboxEvent.type`): the events of others are never written.
    wanted_events = ArrayField(models.CharField(max_length=60), default=list, db_default=Value([]))
    # The environments: draft (above), staging (to try out what goes live next; nothing serves it yet), production.
    staging_version = models.ForeignKey("AgentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    live_version = models.ForeignKey("AgentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = ScopedQuerySet["Agent"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="agents_by_workspace")]

    def __str__(self) -> str:
        return self.name


class AgentVersion(Timestamped):
    """One immutable configuration (`agents.config.AgentConfig` as JSON); numbers rise by one per agent."""

    workspace_path = "agent__workspace"

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    config = models.JSONField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = ScopedQuerySet["AgentVersion"].as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["agent", "number"], name="agents_version_number")]


class KeyKind(models.TextChoices):
    """Who holds the key, and so what it opens."""

    SECRET = "secret", _("Secret")  # a program's: opens what its scopes say
    WIDGET = "widget", _("Widget")  # stands in a web page for all to read: opens visitors' own sessions, no more
    HOSTED = "hosted", _("Hosted page")  # of the agent's own page; nobody ever sees it
    STORE = "store", _("Store")  # of the agent's listing; nobody ever sees it


class ApiKey(Timestamped):
    """A key that lets a program call one agent. Only its digest is stored; the key itself is shown once."""

    workspace_path = "agent__workspace"

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    kind = models.CharField(max_length=10, choices=KeyKind.choices, default=KeyKind.SECRET, db_default=KeyKind.SECRET)
    scopes = ArrayField(models.CharField(max_length=30), default=list, db_default=Value([]))
    allowed_origins = ArrayField(models.CharField(max_length=255), default=list, db_default=Value([]))
    expires_at = models.DateTimeField(null=True)
    replaces = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")  # rotation
    identity_secret = models.TextField(blank=True, default="", db_default="")  # encrypted (core.crypto)
    requires_identity = models.BooleanField(default=False, db_default=False)
    # A snapshot: the key opens this version with these documents, whatever becomes of the agent. None: as it is now.
    pinned_version = models.ForeignKey(AgentVersion, null=True, on_delete=models.CASCADE, related_name="+")
    pinned_documents = ArrayField(models.UUIDField(), null=True)

    objects = ScopedQuerySet["ApiKey"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["agent"], condition=Q(revoked_at=None), name="agents_active_keys")]
