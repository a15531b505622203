"""Model endpoints that a workspace brings (G2.6)."""

from django.db import models

from accounts.models import Workspace
from core.models import Timestamped
from core.tenancy import ScopedQuerySet
from llm.types import Prices, make_prices

MOST_PRICE = 10_000  # US dollars for a million tokens


def _price() -> models.DecimalField:  # type: ignore[type-arg]
    return models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)


class ModelEndpoint(Timestamped):
    """Any OpenAI-compatible endpoint: base URL, key (encrypted), default model."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="model_endpoints")
    name = models.CharField(max_length=80)
    base_url = models.URLField(max_length=500)
    encrypted_key = models.TextField(blank=True)
    key_hint = models.CharField(max_length=4, blank=True)  # the key's last characters, so that people recognise it
    default_model = models.CharField(max_length=200)
    is_default = models.BooleanField(default=False)
    # US dollars for a million tokens, before the list of llm.catalog: both or neither
    input_price = _price()
    output_price = _price()

    objects = ScopedQuerySet["ModelEndpoint"].as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="llm_endpoint_name_in_workspace"),
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="llm_one_default_endpoint"
            ),
            models.CheckConstraint(
                condition=models.Q(input_price__isnull=True, output_price__isnull=True)
                | models.Q(
                    input_price__isnull=False,
                    output_price__isnull=False,
                    input_price__range=(0, MOST_PRICE),
                    output_price__range=(0, MOST_PRICE),
                ),
                name="llm_endpoint_has_both_prices",
            ),
        ]

    @property
    def prices(self) -> Prices | None:
        """What was entered; it goes before the list price (`llm.catalog`)."""
        return make_prices(self.input_price, self.output_price)
