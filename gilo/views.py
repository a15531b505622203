"""The landing page, the dashboard, the API's documentation, the style guide."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView

from accounts.models import Membership
from accounts.permissions import Principal, is_allowed
from accounts.selectors import workspace_of
from accounts.services import rename_workspace
from agents.config import DEFAULT_INSTRUCTIONS, AgentConfig
from agents.gallery import get_template, list_templates
from agents.models import Agent
from agents.selectors import get_agent
from agents.services import create_agent
from billing.errors import QuotaExceeded
from billing.plans import PLANS, plan_of
from billing.stripe import is_configured
from core.errors import NotFound
from core.policy import PUBLIC, with_policy
from gilo.agent_reference import describe_reference
from gilo.api_docs import KnownSchema, describe_api, rendered_once
from gilo.billing_page import list_features
from gilo.demo import load_landing_demo
from gilo.selectors import count_totals, list_agents_with_activity


@with_policy(PUBLIC)
@require_safe
@gzip_page
def landing(request: HttpRequest) -> HttpResponse:
    """What GiLo is, for a stranger."""
    demo = load_landing_demo()
    page = {
        "samples": _code_samples(),
        "plans": _describe_plans() if settings.BILLING else (),
        "sells": is_configured(),
        "demo": demo and demo.as_json(),
    }
    return render(request, "gilo/landing.html", page)


def _describe_plans() -> list[dict[str, Any]]:
    plans = [(PLANS[id], text) for id, text in _FOR_WHOM.items()]
    return [
        {"name": plan.name, "price": plan.price_usd, "text": text, "features": list_features(plan)}
        for plan, text in plans
    ]


class NewAgentForm(forms.Form):
    """The dashboard's quick create: a name, and the template to start from."""

    name = forms.CharField(max_length=80, required=False, strip=True)
    template = forms.SlugField(required=False)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not given.get("name") and not given.get("template"):
            self.add_error("name", _("Give the agent a name."))
        return given


@with_policy({"GET": "agent.view", "POST": "agent.create"})
@require_http_methods(["GET", "HEAD", "POST"])
def dashboard(request: HttpRequest) -> HttpResponse:
    """The workspace's agents at a glance; POST creates one and goes to its builder."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    form = NewAgentForm(request.POST if request.method == "POST" else None)
    upgrade = ""
    if request.method == "POST" and form.is_valid():
        try:
            agent = _create_from(form.cleaned_data, request, principal)
        except QuotaExceeded as error:
            upgrade = error.message
        else:
            return HttpResponseRedirect(f"/agents/{agent.pk}")
    page = {
        "upgrade": upgrade,
        "agents": list_agents_with_activity(principal.workspace_id),
        "totals": count_totals(principal.workspace_id),
        "templates": list_templates(),
        "may_create": is_allowed(principal, "agent.create"),
        "may_delete": is_allowed(principal, "agent.delete"),
        "form": form,
        "messages_js": _dashboard_messages(),
    }
    refused = HTTPStatus.PAYMENT_REQUIRED if upgrade else HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else None
    return render(request, "gilo/dashboard.html", page, status=refused or HTTPStatus.OK)


def _create_from(given: dict[str, str], request: HttpRequest, principal: Principal) -> Agent:
    actor: Any = request.user
    if not given["template"]:
        config = AgentConfig(instructions=_(DEFAULT_INSTRUCTIONS))
        return create_agent(workspace_id=principal.workspace_id, actor=actor, name=given["name"], config=config)
    template = get_template(given["template"])
    return create_agent(
        workspace_id=principal.workspace_id,
        actor=actor,
        name=given["name"] or str(template.name),
        description=str(template.description),
        config=template.make_config(),
    )


def _dashboard_messages() -> dict[str, str]:
    return {
        "delete_agent": _("Delete agent"),
        "delete_title": _("Delete {name}?"),
        "delete_text": _(
            "The agent, its documents, its keys and its conversations are deleted. This cannot be undone."
        ),
        "agent_deleted": _("{name} is deleted."),
    }


class WorkspaceForm(forms.Form):
    """The workspace's name."""

    name = forms.CharField(max_length=80, strip=True)


@with_policy({"GET": "workspace.view", "POST": "workspace.edit"})
@require_http_methods(["GET", "HEAD", "POST"])
def settings_workspace(request: HttpRequest) -> HttpResponse:
    """The workspace's name and who belongs to it."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    workspace = workspace_of(principal)
    form = WorkspaceForm(request.POST if request.method == "POST" else None, initial={"name": workspace.name})
    if form.is_bound and form.is_valid():
        rename_workspace(workspace=workspace, name=form.cleaned_data["name"])
        messages.success(request, _("The workspace is saved."))
        return HttpResponseRedirect("/settings/workspace")
    members = Membership.objects.filter(workspace=workspace).select_related("user").order_by("created_at")
    page = {"form": form, "members": members, "may_edit": is_allowed(principal, "workspace.edit")}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "gilo/settings_workspace.html", page, status=status)


@with_policy(PUBLIC)
@require_safe
@gzip_page
def docs(request: HttpRequest) -> HttpResponse:
    """The API explained: quick start, then every operation of the schema: half a megabyte, but 30 KB on the way."""
    page = {"groups": describe_api(), "samples": _code_samples(), "site": settings.SITE_URL}
    return render(request, "gilo/docs.html", page)


@with_policy("agent.view")
@require_safe
def agent_reference(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The API of one agent: a page of its own, whose article the Deploy tab shows too."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    agent = get_agent(principal.workspace_id, agent_id)
    config = AgentConfig.from_json(agent.draft_version.config if agent.draft_version else {})
    plan = plan_of(workspace_of(principal).plan)
    return render(request, "agents/reference.html", describe_reference(agent, config, plan))


@with_policy(PUBLIC)
@require_safe
def docs_redirect(request: HttpRequest) -> HttpResponse:
    """The place where many look first."""
    return HttpResponseRedirect("/docs")


@with_policy(PUBLIC)
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for an icon when what they show names none: JSON, a text, a frame's error."""
    response = HttpResponseRedirect(static("images/logo.svg"))
    response["Cache-Control"] = "public, max-age=86400"
    return response


class Schema(SpectacularAPIView):
    """The OpenAPI schema, JSON unless YAML is asked for (`?format=yaml`)."""

    policy = PUBLIC
    api_version = settings.SPECTACULAR_SETTINGS["VERSION"]  # stands in a header: never what the address asks for
    generator_class = KnownSchema
    renderer_classes = [
        rendered_once(kind) for kind in (OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer)
    ]


@with_policy(PUBLIC)
@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in every state; in development only."""
    if not settings.DEBUG:
        raise NotFound()
    return render(request, "gilo/styleguide.html", {"samples": [_SampleAgent(name) for name in "ABCDEFGHIJKL"]})


@dataclass(frozen=True, slots=True)
class _SampleAgent:
    name: str

    @property
    def id(self) -> str:
        return self.name


def _code_samples() -> dict[str, str]:
    """The three ways to call an agent, with this server's own address."""
    site = settings.SITE_URL
    return {
        "curl": (
            f"curl -N {site}/api/v1/agents/AGENT_ID/chat \\\n"
            '  -H "Authorization: Bearer $GILO_API_KEY" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f'  -d \'{{"message": "{_("How do I return an item?")}"}}\''
        ),
        "python": (
            "from openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{site}/api/v1", api_key=GILO_API_KEY)\n'
            "stream = client.chat.completions.create(\n"
            '    model="AGENT_ID",\n'
            f'    messages=[{{"role": "user", "content": "{_("How do I return an item?")}"}}],\n'
            "    stream=True,\n)\n"
            "for chunk in stream:\n"
            '    print(chunk.choices[0].delta.content or "", end="")'
        ),
        "javascript": (
            'import OpenAI from "openai";\n\n'
            f'const client = new OpenAI({{ baseURL: "{site}/api/v1", apiKey: GILO_API_KEY }});\n'
            "const answer = await client.chat.completions.create({\n"
            '  model: "AGENT_ID",\n'
            f'  messages: [{{ role: "user", content: "{_("How do I return an item?")}" }}],\n'
            "});\n"
            "console.log(answer.choices[0].message.content);"
        ),
    }


_FOR_WHOM = {
    "free": gettext_lazy("To build a first agent and show it around."),
    "pro": gettext_lazy("For agents that customers rely on."),
    "team": gettext_lazy("For teams that build together."),
}
