"""`/settings/usage`: what the workspace used and what that cost, by day, agent, channel, model and key; as CSV, too."""

from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.permissions import Principal, is_allowed
from accounts.selectors import workspace_of
from billing.forms import OverageForm
from billing.plans import plan_of
from billing.services import set_overage
from billing.usage import read_overage
from core.errors import GiloError
from core.money import format_mills
from core.policy import with_policy
from gilo.usage import SHOWN_SHARES, draw_bars, load_shares, name_shares, period_of, total_of, write_csv

_TABLES = ("agent", "channel", "model", "key")


@with_policy({"GET": "billing.view", "POST": "billing.edit"})
def settings_usage(request: HttpRequest) -> HttpResponse:
    """What was used; the switch for requests beyond the plan, and their cap."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    workspace = workspace_of(principal)
    today = _today()
    overage = read_overage(workspace.pk, today.replace(day=1))
    form = OverageForm(request.POST or None, initial={"is_enabled": overage.is_enabled, "cap": overage.cap // 1000})
    if request.method == "POST" and form.is_valid():
        try:
            set_overage(workspace=workspace, is_enabled=form.cleaned_data["is_enabled"], cap=form.cents)
        except GiloError as error:
            form.add_error(None, _(error.message))
        else:
            messages.success(request, _("Your choice is saved."))
            return HttpResponseRedirect("/settings/usage")
    page = {
        **_describe_usage(workspace.pk, *period_of(request.GET.get("period", ""), today)),
        "period": request.GET.get("period", "month"),
        "overage": overage,
        "overage_total": format_mills(overage.total),
        "form": form,
        "sells_overage": plan_of(workspace.plan).has_overage,
        "may_edit": is_allowed(principal, "billing.edit"),
        "billing": settings.BILLING,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "gilo/settings_usage.html", page, status=status)


def _describe_usage(workspace_id: UUID, since: date, until: date) -> dict[str, Any]:
    shares = load_shares(workspace_id, since, until)
    titles = {"agent": _("By agent"), "channel": _("By channel"), "model": _("By model"), "key": _("By API key")}
    return {
        "since": since,
        "until": until,
        "total": total_of(shares["day"]),
        "bars": draw_bars(shares["day"], since, until),
        "days": shares["day"],
        "tables": [(titles[by], name_shares(workspace_id, by, shares[by][:SHOWN_SHARES])) for by in _TABLES],
    }


@with_policy("billing.view")
@require_safe
def usage_csv(request: HttpRequest) -> HttpResponse:
    """The same as a table for spreadsheets."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    since, until = period_of(request.GET.get("period", ""), _today())
    lines = write_csv(principal.workspace_id, since, until)
    response = HttpResponse("".join(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="gilo-usage-{since}-{until}.csv"'
    return response


def _today() -> date:
    return datetime.now(UTC).date()
