"""The builder: one page in which an agent is written, tried and deployed."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import ensure_csrf_cookie

from accounts.permissions import is_allowed
from agents.api import AgentSerializer
from agents.config import AgentConfig
from agents.deploy_page import describe_deploy_tab
from agents.models import Agent
from agents.selectors import get_agent
from agents.services import is_editable
from core.policy import with_policy
from llm.selectors import current_source, list_endpoints
from llm.types import OFFLINE_ID

# tab, its name, its icon
TABS = (
    ("instructions", _("Instructions"), "pencil"),
    ("model", _("Model"), "cpu"),
    ("knowledge", _("Knowledge"), "library"),
    ("appearance", _("Appearance"), "palette"),
    ("deploy", _("Deploy"), "rocket"),
    ("versions", _("Versions"), "history"),
)
LANGUAGES = (("auto", _("The language of the question")), ("en", _("English")), ("fr", _("French")))
# icon of the sprite, what it shows
GLYPHS = (
    ("bot", _("Robot")),
    ("sparkles", _("Sparkles")),
    ("message-circle", _("Speech bubble")),
    ("headphones", _("Headphones")),
    ("life-buoy", _("Life buoy")),
    ("book-open", _("Book")),
    ("graduation-cap", _("Graduation cap")),
    ("briefcase", _("Briefcase")),
    ("shopping-bag", _("Shopping bag")),
    ("scroll-text", _("Scroll")),
    ("code", _("Angle brackets")),
    ("terminal", _("Terminal")),
    ("database", _("Database")),
    ("shield-check", _("Shield")),
    ("heart", _("Heart")),
    ("leaf", _("Leaf")),
    ("globe", _("Globe")),
    ("languages", _("Languages")),
    ("lightbulb", _("Light bulb")),
    ("rocket", _("Rocket")),
    ("star", _("Star")),
    ("zap", _("Lightning")),
    ("wrench", _("Wrench")),
    ("users", _("People")),
)
DOCUMENT_FORMATS = "PDF, DOCX, MD, RST, TXT, LOG, CSV, TSV, JSON, JSONL, HTML"
DOCUMENT_SUFFIXES = (  # those of knowledge/sniffing.py, an app above this one; a test holds the two together
    ".pdf,.docx,.md,.markdown,.rst,.txt,.text,.log,.csv,.tsv,.json,.jsonl,.ndjson,.html,.htm,.xhtml"
)


@with_policy("agent.view")
@ensure_csrf_cookie
def builder(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The builder page of one agent; `?tab=` opens one of TABS."""
    principal = request.principal  # type: ignore[attr-defined]
    agent = get_agent(principal.workspace_id, agent_id)
    has_room = is_editable(agent)
    data: dict[str, Any] = {
        **AgentSerializer(agent).data,
        "can_edit": is_allowed(principal, "agent.edit") and has_room,
        "has_room": has_room,
        "can_manage_keys": is_allowed(principal, "api_key.edit"),
        "site_url": settings.SITE_URL,
        "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
        "default_is_demo": current_source(list_endpoints(principal.workspace_id)) == OFFLINE_ID,
    }
    return render(request, "agents/builder.html", _page(request, agent, data))


def _page(request: HttpRequest, agent: Agent, data: dict[str, Any]) -> dict[str, Any]:
    names = [name for name, _label, _icon in TABS]
    wanted = request.GET.get("tab", "")
    return {
        "agent": agent,
        "data": data,
        "config": data["config"],
        "tabs": TABS,
        "tab": wanted if wanted in names else names[0],
        "languages": LANGUAGES,
        "glyphs": GLYPHS,
        "formats": DOCUMENT_FORMATS,
        "suffixes": DOCUMENT_SUFFIXES,
        "max_upload_mb": settings.MAX_UPLOAD_BYTES // (1024 * 1024),
        **describe_deploy_tab(agent, AgentConfig.from_json(data["config"])),
    }
