"""Model endpoints that a workspace brings (G2.6)."""

from django.db import models

from accounts.models import Workspace
from core.models import Timestamped
from core.tenancy import ScopedQuerySet


class ModelEndpoint(Timestamped):
    """Any OpenAI-compatible endpoint: base URL, key (encrypted), default model."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="model_endpoints")
    name = models.CharField(max_length=80)
    base_url = models.URLField(max_length=500)
    encrypted_key = models.TextField(blank=True)
    key_hint = models.CharField(max_length=4, blank=True)  # the key's last characters, so that people recognise it
    default_model = models.CharField(max_length=200)
    is_default = models.BooleanField(default=False)

    objects = ScopedQuerySet["ModelEndpoint"].as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="llm_endpoint_name_in_workspace"),
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="llm_one_default_endpoint"
            ),
        ]
