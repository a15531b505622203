"""Budgets: the caps that a builder sets on an agent's money and tokens, and the counters that hold them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from core.models import Identified, Timestamped
from core.tenancy import ScopedQuerySet

ROOM_USD = "billing_budget_room_usd"  # the constraints that say no
ROOM_TOKENS = "billing_budget_room_tokens"


class Scope(models.TextChoices):
    """What a budget counts for: each of these has a counter of its own."""

    AGENT = "agent", _("The whole agent")
    API_KEY = "api_key", _("Each API key")
    END_USER = "end_user", _("Each end user")
    CONVERSATION = "conversation", _("Each conversation")


class Period(models.TextChoices):
    """When a budget starts anew, in UTC."""

    DAY = "day", _("A day")
    MONTH = "month", _("A month")
    TOTAL = "total", _("In total")


def _money(**options: object) -> models.DecimalField:  # type: ignore[type-arg]
    return models.DecimalField(max_digits=20, decimal_places=8, **options)  # type: ignore[arg-type]


class Budget(Timestamped):
    """A cap on dollars, on tokens, or on both. Agents are above this app, so an agent is an id here."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="budgets")
    agent_id = models.UUIDField()
    scope = models.CharField(max_length=20, choices=Scope.choices)
    api_key_id = models.UUIDField(null=True, blank=True)  # of scope api_key: this key alone, not each
    period = models.CharField(max_length=10, choices=Period.choices)
    limit_usd = _money(null=True)
    limit_tokens = models.BigIntegerField(null=True)
    is_active = models.BooleanField(default=True, db_default=True)

    objects = ScopedQuerySet["Budget"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["agent_id"], name="billing_budgets_by_agent")]
        constraints = [
            models.CheckConstraint(
                condition=Q(limit_usd__isnull=False) | Q(limit_tokens__isnull=False),
                name="billing_budget_caps_something",
            ),
            models.CheckConstraint(
                condition=Q(api_key_id=None) | Q(scope=Scope.API_KEY), name="billing_budget_key_has_key_scope"
            ),
        ]


class BudgetCounter(Identified):
    """What one subject of a budget used in one period. Its id follows from the three (`billing.budgets.counter_id`).

    Rows are written by chat's group commit (`billing.budgets.BUDGET_CTES`). `room_*` is what is left of the cap after
    everything spent and reserved, null without a cap; a reservation that would make it negative is refused by the
    constraint, whoever else writes at that moment. No constraint holds the budget: one that was just deleted must
    not fail a turn.
    """

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="counters", db_constraint=False)
    subject = models.CharField(max_length=255)  # "" | key's id | end user | conversation's id
    starts_at = models.DateTimeField()
    resets_at = models.DateTimeField(null=True)
    reserved_usd = _money(default=0)
    reserved_tokens = models.BigIntegerField(default=0)
    spent_usd = _money(default=0)
    spent_tokens = models.BigIntegerField(default=0)
    room_usd = _money(null=True)
    room_tokens = models.BigIntegerField(null=True)
    alerted_at = models.DateTimeField(null=True)  # when 80 % were first spent
    told_at = models.DateTimeField(null=True)  # when the owners were told so

    class Meta:
        indexes = [
            models.Index(
                fields=["alerted_at"],
                name="billing_alerts_to_tell",
                condition=Q(alerted_at__isnull=False, told_at=None),
            ),
            models.Index(fields=["resets_at"], name="billing_counters_by_end"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(room_usd__gte=0), name=ROOM_USD),
            models.CheckConstraint(condition=Q(room_tokens__gte=0), name=ROOM_TOKENS),
        ]
