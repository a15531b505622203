"""Errors of billing."""

from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop

from core.errors import BadRequest, Conflict, GiloError, PermissionDenied, TooManyRequests, Unavailable
from core.money import format_dollars
from core.sizes import format_size


class BudgetExceeded(GiloError):
    """A turn does not fit into one of the builder's caps: nothing was asked of a model.

    The cap is used up, or what is left of it is less than the turn may cost at most. The message says which cap and
    when it starts anew; `scope`, `period` and `resets_at` (None: never) say it to code.
    """

    status = HTTPStatus.PAYMENT_REQUIRED
    code = "budget_exceeded"
    message = "A budget of this agent does not suffice for this request."

    def __init__(
        self,
        *,
        scope: str = "",
        period: str = "",
        amount: Decimal | int | None = None,
        resets_at: datetime | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.scope, self.period, self.resets_at = scope, period, resets_at
        super().__init__(_explain(scope, period, amount, resets_at), retry_after=retry_after)


_CAPS = {
    "agent": gettext_noop("The budget of this agent does not suffice for this request: %(amount)s."),
    "api_key": gettext_noop("The budget of this API key does not suffice for this request: %(amount)s."),
    "end_user": gettext_noop("The budget of this end user does not suffice for this request: %(amount)s."),
    "conversation": gettext_noop("The budget of this conversation does not suffice for this request: %(amount)s."),
}
_AMOUNTS = {
    "day": gettext_noop("%(amount)s a day"),
    "month": gettext_noop("%(amount)s a month"),
    "total": gettext_noop("%(amount)s in total"),
}


def describe_amount(amount: Decimal | int, period: str = "") -> str:
    """ "$5.00 a day", "20,000 tokens in total", in the active language; without a period the bare amount."""
    words = format_dollars(amount) if isinstance(amount, Decimal) else _count_tokens(amount)
    return gettext(_AMOUNTS[period]) % {"amount": words} if period else words


def _count_tokens(count: int) -> str:
    return gettext("%(count)s tokens") % {"count": number_format(count, force_grouping=True)}


def _explain(scope: str, period: str, amount: Decimal | int | None, resets_at: datetime | None) -> str | None:
    if amount is None or scope not in _CAPS:
        return None
    used_up = gettext(_CAPS[scope]) % {"amount": describe_amount(amount, period)}
    if resets_at is None:
        return " ".join((used_up, gettext("It does not start anew: raise it, or remove it.")))
    when = f"{resets_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return " ".join((used_up, gettext("It starts anew on %(when)s.") % {"when": when}))


class TooManyBudgets(Conflict):
    code = "too_many_budgets"
    message = "An agent can have 20 budgets. Delete one that is no longer needed."


class GrantUsedUp(GiloError):
    """All uses of an access are taken."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code = "grant_used_up"
    message = "All messages of this access are used up. Get more to go on."


class AllowanceUsedUp(TooManyRequests):
    """The free messages of the day are taken; they start anew at midnight UTC."""

    code = "allowance_used_up"
    message = "The free messages of today are used up. Sign in to go on, or come back tomorrow."


class GrantEnded(PermissionDenied):
    """The access was revoked, refunded, or its time is over."""

    code = "grant_ended"
    message = "This access has ended. Ask the agent's creator for a new one, or get it in the store."


class BillingIsOff(Conflict):
    code = "billing_off"
    message = "Billing is switched off on this server: everything is unlimited, and nothing is charged."


class PaymentsNotConfigured(Conflict):
    code = "payments_not_configured"
    message = "Payments are not set up on this server. Ask its operator: docs/billing.md tells how."


class PaymentsUnavailable(Unavailable):
    code = "payments_unavailable"
    message = "Stripe, which handles the payments, does not answer. Nothing was charged. Try again in a minute."

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        super().__init__(message, **{"retry_after": 30, **extra})


class PaymentRefused(Conflict):
    """Stripe understood, and said no. `code` is Stripe's own."""

    code = "payment_refused"
    message = "Stripe, which handles the payments, refused this. Nothing was charged. Tell the operator if it stays so."


class StripeObjectMissing(PaymentRefused):
    code = "payment_object_missing"
    message = "Stripe does not know this (any more). Nothing was charged. Tell the operator if it stays so."


class AlreadyReported(PaymentRefused):
    """Stripe has a meter's event of this identifier: what was to be told is told."""

    code = "already_reported"


class SignatureInvalid(BadRequest):
    code = "signature_invalid"
    message = "The signature does not fit this body, or it is too old."


class PlanNotSold(Conflict):
    code = "plan_not_sold"
    message = "This plan cannot be bought on this server: Stripe has no price for it. Its operator runs `stripe_setup`."


class AlreadyOnPlan(Conflict):
    code = "already_on_plan"
    message = "The workspace has this plan already."


class NoSubscription(Conflict):
    code = "no_subscription"
    message = "There is nothing to manage yet: the workspace has never bought a plan here."


_QUOTAS = {
    "agents": gettext_noop("The %(plan)s plan has room for %(limit)s agents. Delete one, or choose a larger plan."),
    "knowledge": gettext_noop(
        "The %(plan)s plan has room for %(limit)s of documents. Delete some, or choose a larger plan."
    ),
    "members": gettext_noop("The %(plan)s plan has room for %(limit)s members. Choose a larger plan."),
}
_OVER = {
    "agents": gettext_noop(
        "This agent is read-only: the %(plan)s plan has room for %(limit)s agents. Delete others, or choose a larger "
        "plan."
    ),
    "knowledge": gettext_noop(
        "Documents are read-only: the %(plan)s plan has room for %(limit)s. Delete some, or choose a larger plan."
    ),
    "members": gettext_noop("The %(plan)s plan has room for %(limit)s members. Choose a larger plan."),
}


class QuotaExceeded(GiloError):
    """One more does not fit into the plan. Pages show where a larger plan is to be had."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code = "quota_exceeded"
    message = "The plan has no room for this. Choose a larger one."
    words = _QUOTAS

    def __init__(self, *, resource: str, limit: int, plan: object) -> None:
        self.resource, self.limit = resource, limit
        shown = format_size(limit) if resource == "knowledge" else number_format(limit, force_grouping=True)
        super().__init__(gettext(self.words[resource]) % {"plan": plan, "limit": shown})


class OverQuota(QuotaExceeded):
    """What a smaller plan has no room for stays as it is: it can be read, used and deleted, not changed."""

    code = "over_quota"
    words = _OVER


class SpendingCapReached(GiloError):
    """A request beyond the plan would cost more than the customer allows for the month."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code = "spending_cap_reached"
    message = (
        "The day's requests are used up, and so is this month's spending cap. Raise the cap, choose a larger plan, "
        "or wait for tomorrow."
    )
