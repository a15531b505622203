"""Budgets and their counters; customers, subscriptions and what Stripe tells; quotas, grants and metered usage."""

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

    Rows are written by chat's group commit (`billing.budgets`). `room_*` is what is left of the cap after
    everything spent and reserved, null without a cap; a reservation that would make it negative is refused by the
    constraint, whoever else writes at that moment. No constraint holds the budget: one that was just deleted must
    not fail a turn.
    """

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="counters", db_constraint=False)
    # A key's is the id that the budget names, else that of the oldest key of those that replaced one another.
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


class Customer(Timestamped):
    """A workspace as Stripe's customer, and what it allows itself beyond its plan. Amounts are minor units (cents)."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="customer")
    stripe_id = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001 - unique where there is one
    overage_enabled = models.BooleanField(default=False, db_default=False)
    spending_cap = models.PositiveIntegerField(default=2_000, db_default=2_000)  # of overage, a month

    objects = ScopedQuerySet["Customer"].as_manager()


class Subscription(Timestamped):
    """A workspace's subscription as Stripe last told it; `billing.subscriptions` draws the workspace's plan from it.

    `status` is Stripe's word. `grace_ends_at` is set from the first failed payment until one succeeds.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="subscriptions")
    stripe_id = models.CharField(max_length=255, unique=True)
    plan = models.CharField(max_length=20)
    status = models.CharField(max_length=20)
    trial_ends_at = models.DateTimeField(null=True)
    current_period_end = models.DateTimeField(null=True)
    cancel_at_period_end = models.BooleanField(default=False)
    grace_ends_at = models.DateTimeField(null=True)
    grace_mails = models.PositiveSmallIntegerField(default=0, db_default=0)  # of this grace's three, how many are sent
    ended_at = models.DateTimeField(null=True)

    objects = ScopedQuerySet["Subscription"].as_manager()

    class Meta:
        ordering = ["-created_at"]


class Invoice(Timestamped):
    """An invoice as Stripe last told it. Amounts are minor units of `currency`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invoices")
    stripe_id = models.CharField(max_length=255, unique=True)
    number = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=20)
    total = models.IntegerField()
    amount_paid = models.IntegerField()
    currency = models.CharField(max_length=3)
    hosted_url = models.URLField(max_length=1000, blank=True)
    pdf_url = models.URLField(max_length=1000, blank=True)
    issued_at = models.DateTimeField()

    objects = ScopedQuerySet["Invoice"].as_manager()

    class Meta:
        ordering = ["-issued_at"]


class StripeEvent(models.Model):
    """An event that Stripe sent, stored once by its id. It is work to do until `processed_at` or `parked_at` is set.

    A parked event is about a customer that nobody here knows: kept for an operator to look at, and tried again when
    that customer becomes known.
    """

    id = models.CharField(max_length=255, primary_key=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255)
    payload = models.JSONField()
    created_at = models.DateTimeField()  # by Stripe's clock
    received_at = models.DateTimeField(auto_now_add=True)
    processed_at = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(null=True)
    parked_for = models.CharField(max_length=255, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(processed_at=None, parked_at=None), name="billing_events_to_do"
            ),
            models.Index(fields=["parked_for"], condition=Q(parked_at__isnull=False), name="billing_events_parked"),
        ]


GRANT_ROOM = "billing_grant_room"


class Grant(Timestamped):
    """The right to use something: until when, how many times; it can be taken away at once.

    What it opens is the business of who made it (an access token, a purchase, a day's allowance). A use of a grant is
    one of each grant above it, too: an address's allowance lies within the listing's, that one within the platform's.
    The constraint refuses a use too many, whoever else uses it at that moment.
    """

    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    uses = models.PositiveIntegerField(default=0)
    most_uses = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(expires_at__isnull=False), name="billing_grants_by_end")
        ]
        constraints = [
            models.CheckConstraint(condition=Q(most_uses=None) | Q(uses__lte=models.F("most_uses")), name=GRANT_ROOM)
        ]


class Resource(models.TextChoices):
    """What a plan gives a number of, besides requests (`billing.quotas`)."""

    AGENTS = "agents", _("Agents")
    KNOWLEDGE = "knowledge", _("Knowledge")  # bytes of documents
    MEMBERS = "members", _("Members")


class QuotaUse(models.Model):
    """How much of a resource a workspace holds; taken and given back by `billing.quotas` alone."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="quota_uses")
    resource = models.CharField(max_length=10, choices=Resource.choices)
    used = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "resource"], name="billing_quota_use"),
            models.CheckConstraint(condition=Q(used__gte=0), name="billing_quota_use_positive"),
        ]


class QuotaNotice(models.Model):
    """A mail that is owed (`told_at` null) or was sent: a workspace has used 80 or 100 % of a quota."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    resource = models.CharField(max_length=10)  # a Resource, or "requests"
    percent = models.PositiveSmallIntegerField()
    period = models.CharField(max_length=10)  # the day or month (ISO) for which it is said once
    created_at = models.DateTimeField(auto_now_add=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "resource", "percent", "period"], name="billing_one_notice_each"
            )
        ]
        indexes = [models.Index(fields=["created_at"], condition=Q(told_at=None), name="billing_notices_to_tell")]


class Meter(models.TextChoices):
    """What is billed beyond the plan's requests: one conversation that a visitor begins, or one API request."""

    CONVERSATIONS = "conversations", _("Conversations")
    REQUESTS = "requests", _("API requests")


class UsageRecord(Identified):
    """What one run used, written in the transaction that ends it, under the run's id. It outlives run and agent.

    `meter` names what is billed, "" when the plan covers it; `report` is the report that told Stripe of it.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="usage_records", db_constraint=False, db_index=False
    )
    agent_id = models.UUIDField()
    api_key_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=20)
    model = models.CharField(max_length=200)
    at = models.DateTimeField()
    input_tokens = models.IntegerField()
    output_tokens = models.IntegerField()
    cost_usd = models.DecimalField(max_digits=12, decimal_places=8)
    meter = models.CharField(max_length=20, blank=True)
    report = models.ForeignKey(
        "MeterReport", null=True, on_delete=models.SET_NULL, related_name="records", db_index=False
    )

    objects = ScopedQuerySet["UsageRecord"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "at"], name="billing_usage_by_time"),
            models.Index(fields=["at"], condition=~Q(meter="") & Q(report=None), name="billing_usage_to_report"),
            models.Index(fields=["report"], condition=Q(report__isnull=False), name="billing_usage_by_report"),
        ]


class MeterReport(Timestamped):
    """What one workspace used of one meter in one hour, as it is told to Stripe: once, under `identifier`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="meter_reports")
    meter = models.CharField(max_length=20, choices=Meter.choices)
    hour = models.DateTimeField()
    sequence = models.PositiveIntegerField(default=0)  # of records that came after the hour's report had gone
    quantity = models.PositiveIntegerField()
    identifier = models.CharField(max_length=100, unique=True)
    reported_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "meter", "hour", "sequence"], name="billing_meter_hour")
        ]
        indexes = [models.Index(fields=["hour"], condition=Q(reported_at=None), name="billing_reports_to_send")]


OVERAGE_ROOM = "billing_overage_room"


class Overage(models.Model):
    """What a workspace spent beyond its plan in one month (its first day, UTC), in thousandths of a dollar.

    `cap` is the customer's own, copied when it changes; the constraint holds it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="overages")
    month = models.DateField()
    spent = models.PositiveBigIntegerField(default=0)
    cap = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "month"], name="billing_overage_month"),
            models.CheckConstraint(condition=Q(spent__lte=models.F("cap")), name=OVERAGE_ROOM),
        ]
