"""Pages of those who publish: the wizard, the dashboard over all listings, one listing; and the reader's library."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.permissions import Principal, is_allowed
from agents.selectors import get_agent
from agents.views import GLYPHS
from billing.stripe import is_configured
from core.policy import OPERATOR, SIGNED_IN, with_policy
from store import dashboard, wizard
from store.access import list_tokens
from store.categories import CATEGORIES
from store.days import describe_days
from store.disputes import count_disputes
from store.library import describe_library
from store.models import Listing, ListingStatus, ReportStatus
from store.moderation import REASONS, list_reports
from store.paging import cut_page
from store.payments import list_sales
from store.selectors import REVIEWS_ORDER, find_creator, get_mine, list_mine, list_releases, list_reviews

SHOWN_DAYS, SHOWN_REVIEWS, SHOWN_RELEASES, SHOWN_REPORTS, SHOWN_SALES = 30, 50, 50, 100, 100

_REPORT_STATUSES = (
    (ReportStatus.OPEN, gettext_lazy("To decide")),
    (ReportStatus.UPHELD, gettext_lazy("Upheld")),
    (ReportStatus.DISMISSED, gettext_lazy("Dismissed")),
)


@with_policy("listing.edit")
@require_safe
@ensure_csrf_cookie
def publish(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The wizard: what the listing says, what the agent does, who may use it; three steps with the preview beside."""
    principal = _principal_of(request)
    agent = get_agent(principal.workspace_id, agent_id)
    listing = list_mine(principal.workspace_id).filter(agent=agent).first()
    creator = find_creator(principal.workspace_id)
    form = wizard.describe_form(agent, listing)
    context = {
        "agent": agent,
        "listing": listing,
        "form": form,
        "preview": listing or Listing(slug=agent.slug, **form),
        "questions": [text for text in wizard.released_config(agent).suggested_questions if text.strip()],
        "creator": creator,
        "can_be_paid": creator is not None and creator.stripe_charges_enabled,
        "changes": wizard.compare_release(listing) if listing else None,
        "categories": CATEGORIES.values(),
        "glyphs": GLYPHS,
        "page": wizard.describe_script(agent, listing),
        "messages_js": wizard.script_messages(),
        **wizard.describe_choices(),
    }
    return render(request, "store/publish.html", context)


@with_policy("listing.view")
@require_safe
@ensure_csrf_cookie
def mine(request: HttpRequest) -> HttpResponse:
    """The creator's dashboard: all listings with their figures, and who the workspace is in the store."""
    principal = _principal_of(request)
    metric = dashboard.metric_named(request.GET.get("metric", ""))
    listings = dashboard.list_with_figures(principal.workspace_id, SHOWN_DAYS)
    revenue = dashboard.sum_revenue(listings) or [("usd", 0)]
    days = dashboard.describe_workspace_days(principal.workspace_id, SHOWN_DAYS, revenue[0][0])
    context = {
        "listings": [(listing, dashboard.conversion_of(listing)) for listing in listings],
        "revenue": revenue,
        "currency": revenue[0][0],  # of the chart: sums of different moneys would say nothing
        "totals": {name: sum(day[name] for day in days) for name in dashboard.METRICS},
        "unlisted": dashboard.list_unlisted_agents(principal.workspace_id),
        "creator": find_creator(principal.workspace_id),
        "may_edit": is_allowed(principal, "listing.edit"),
        "may_edit_creator": is_allowed(principal, "creator.edit"),
        "payments_configured": is_configured(),
        "disputes": count_disputes(principal.workspace_id),
        "site": settings.SITE_URL,
        "messages_js": {
            "profile_saved": _("Your profile is saved."),
            "available": _("Available"),
            "pending": _("On the way to your account"),
            "payout": _("Payout on {day}"),
        },
        **_chart(days, metric),
    }
    return render(request, "store/mine.html", context)


@with_policy("listing.view")
@require_safe
@ensure_csrf_cookie
def mine_listing(request: HttpRequest, listing_id: UUID) -> HttpResponse:
    """One listing: its figures, what publishing anew would change, access tokens, reviews to answer, releases."""
    principal = _principal_of(request)
    listing = get_mine(principal.workspace_id, listing_id)
    stats = describe_days(listing, SHOWN_DAYS)
    metric = dashboard.metric_named(request.GET.get("metric", ""))
    cursor = request.GET.get("reviews", "")
    reviews, following = cut_page(list_reviews(listing), REVIEWS_ORDER, cursor=cursor, limit=SHOWN_REVIEWS)
    may_edit, may_sell = is_allowed(principal, "listing.edit"), is_allowed(principal, "creator.edit")
    context = {
        "listing": listing,
        "stats": stats,
        "totals": stats["totals"],
        "currency": stats["currency"],
        "changes": wizard.compare_release(listing),
        "tokens": list(list_tokens(listing)) if may_edit else [],
        "reviews": reviews,
        "more_reviews": following,
        "releases": list(list_releases(listing)[:SHOWN_RELEASES]),
        "sales": list(list_sales(principal.workspace_id).filter(listing=listing)[:SHOWN_SALES]) if may_sell else [],
        "may_edit": may_edit,
        "page": {"id": str(listing.pk), "slug": listing.slug},
        "messages_js": _listing_messages(),
        **_chart(stats["days"], metric),
    }
    return render(request, "store/mine_listing.html", context)


@with_policy(SIGNED_IN)
@require_safe
@ensure_csrf_cookie
def library(request: HttpRequest) -> HttpResponse:
    """What the reader has used, bought and remixed."""
    user = request.user
    assert isinstance(user, User)  # the policy SIGNED_IN has been checked
    return render(request, "store/library.html", describe_library(user, getattr(request, "principal", None)))


@with_policy(OPERATOR)
@require_safe
@ensure_csrf_cookie
def moderation(request: HttpRequest) -> HttpResponse:
    """The operator's queue: what people reported, what was taken down, who is verified."""
    status = request.GET.get("status", "")
    status = status if status in ReportStatus.values else ReportStatus.OPEN
    down = Listing.objects.filter(status=ListingStatus.TAKEN_DOWN).select_related("creator").defer("search")
    context = {
        "status": status,
        "statuses": _REPORT_STATUSES,
        "reports": [
            (report, REASONS.get(report.reason, report.reason)) for report in list_reports(status)[:SHOWN_REPORTS]
        ],
        "taken_down": list(down.order_by("-updated_at")[:SHOWN_REPORTS]),
        "messages_js": {"done": _("Done.")},
    }
    return render(request, "store/moderation.html", context)


def _principal_of(request: HttpRequest) -> Principal:
    principal: Principal = request.principal  # type: ignore[attr-defined]
    return principal


def _chart(days: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    chart = dashboard.draw_chart(days, metric)
    return {
        "chart": chart,
        "metric": metric,
        "metric_label": dashboard.METRICS[metric],
        "metrics": dashboard.METRICS.items(),
    }


def _listing_messages() -> dict[str, str]:
    return {
        "unpublish": _("Unpublish"),
        "unpublish_title": _("Take {name} out of the store?"),
        "unpublish_text": _("Nobody can use it any more, and open chats end. You can publish it again."),
        "delete": _("Delete"),
        "delete_title": _("Delete the listing of {name}?"),
        "delete_text": _("Its reviews, releases and access tokens are deleted. The agent stays."),
        "revoke": _("Revoke"),
        "revoke_title": _("Revoke “{name}”?"),
        "revoke_text": _("Who uses this token is cut off at once."),
        "revoked": _("The token is revoked."),
        "published": _("Published."),
        "unpublished": _("Taken out of the store."),
        "reply_saved": _("Your reply is saved."),
        "refund": _("Refund"),
        "refund_title": _("Give {name} the money back?"),
        "refund_text": _("The last payment goes back, with the platform's fee, and the access ends at once."),
        "refunded": _("The payment goes back."),
    }
