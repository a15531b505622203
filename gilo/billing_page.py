"""`/settings/billing`: the workspace's plan, what it has used of it, what else is sold, its invoices."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.models import Workspace
from accounts.permissions import Principal, is_allowed
from accounts.selectors import workspace_of
from billing.models import Invoice, Subscription
from billing.plans import PLANS, Plan, plan_of
from billing.prices import SOLD_PLANS
from billing.selectors import find_subscription, list_latest_invoices
from billing.stripe import is_configured
from core.money import format_minor
from core.policy import with_policy
from core.sizes import format_size
from gilo.selectors import PlanUsage, Quota

SHOWN_PLANS = ("free", *SOLD_PLANS)
_INVOICE_WORDS = {"paid": "ok", "open": "warn", "uncollectible": "bad"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One plan's card. `action`: "" (nothing to do), "buy", "change", "resume" or "cancel"."""

    plan: Plan
    price: str
    features: list[str]
    is_current: bool
    action: str


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of one quota is used; `used` and `limit` are words where numbers would be bytes."""

    label: str | Promise
    quota: Quota
    used: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the invoices' table."""

    invoice: Invoice
    amount: str
    status: str
    tone: str


@with_policy("billing.view")
@require_safe
def settings_billing(request: HttpRequest) -> HttpResponse:
    """The page. A constant number of queries."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    workspace = workspace_of(principal)
    plan, subscription = plan_of(workspace.plan), find_subscription(workspace.pk)
    may_buy = is_configured() and is_allowed(principal, "billing.edit")
    page = {
        "billing": settings.BILLING,
        "payments": is_configured(),
        "may_edit": is_allowed(principal, "billing.edit"),
        "plan": plan,
        "subscription": subscription,
        "in_grace": subscription is not None and subscription.plan == workspace.plan,
        "is_new": "checkout" in request.GET,
        "trial_days": settings.TRIAL_DAYS if subscription is None else 0,
        "offers": [_offer(PLANS[id], plan, subscription, may_buy) for id in SHOWN_PLANS],
        "bars": _bars(workspace),
        "invoices": [_line(invoice) for invoice in list_latest_invoices(workspace.pk)],
    }
    return render(request, "billing/billing.html", page)


def _offer(offered: Plan, current: Plan, subscription: Subscription | None, may_buy: bool) -> Offer:
    action = _action(offered, current, subscription) if may_buy else ""
    price = format_minor(offered.price_usd * 100, "usd", is_short=True)
    return Offer(offered, price, list_features(offered), offered.id == current.id, action)


def _action(offered: Plan, current: Plan, subscription: Subscription | None) -> str:
    has_one = subscription is not None and subscription.ended_at is None and current.id in SOLD_PLANS
    if offered.id not in SOLD_PLANS:
        return "cancel" if has_one and subscription and not subscription.cancel_at_period_end else ""
    if offered.id != current.id:
        return "change" if has_one else "buy"
    return "resume" if has_one and subscription and subscription.cancel_at_period_end else ""


def list_features(plan: Plan) -> list[str]:
    """What the plan allows, in words."""
    found = [ngettext("%(n)s agent", "%(n)s agents", plan.agents) % {"n": plan.agents} if plan.agents else ""]
    found.append(
        _("%(n)s API requests a day") % {"n": number_format(plan.requests_per_day, force_grouping=True)}
        if plan.requests_per_day
        else _("API requests without a daily limit")
    )
    if plan.knowledge_bytes:
        found.append(_("%(size)s of documents") % {"size": format_size(plan.knowledge_bytes)})
    if plan.members:
        found.append(ngettext("%(n)s member", "%(n)s members", plan.members) % {"n": plan.members})
    return [feature for feature in found if feature]


def _bars(workspace: Workspace) -> list[Bar]:
    usage = PlanUsage(workspace)
    knowledge = usage.knowledge
    limit = "" if knowledge.limit is None else format_size(knowledge.limit)
    bars = [
        Bar(_("API requests today"), usage.requests),
        Bar(_("Agents"), usage.agents),
        Bar(_("Knowledge"), knowledge, format_size(knowledge.used), limit),
    ]
    is_alone = usage.details.members == 1  # a bar that is full from the first day tells nothing
    return bars if is_alone else [*bars, Bar(_("Members"), usage.members)]


def _line(invoice: Invoice) -> Line:
    words = {"paid": _("Paid"), "open": _("Not paid yet"), "void": _("Void"), "uncollectible": _("Not collected")}
    status = words.get(invoice.status, invoice.status)
    return Line(invoice, format_minor(invoice.total, invoice.currency), status, _INVOICE_WORDS.get(invoice.status, ""))
