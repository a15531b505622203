"""Pages for visitors: the widget's script and frame, an agent's hosted page; and the builder's preview of a widget."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from agents.errors import AgentOff, KeyNotForPages, OriginNotAllowed
from agents.keys import ChatAgent, KeyIdentity
from agents.selectors import get_agent
from core.errors import GiloError, NotFound
from core.policy import PUBLIC, with_policy
from integrations.hosted import find_hosted_page
from integrations.widget import find_page_key, load_script, origin_of, require_page

_SCRIPT_CACHE = "public, max-age=300, stale-while-revalidate=86400"
_THEMES = ("auto", "light", "dark")
_ANYWHERE = ["*"]  # a refusal says why, wherever it stands; it holds nothing and does nothing


@with_policy(PUBLIC)
@require_safe
def widget_script(request: HttpRequest) -> HttpResponse:
    """The loader, at an address that never changes: for any page, cached briefly, revalidated by its ETag."""
    script = load_script(request.headers.get("Accept-Encoding", ""))
    is_known = script.etag in request.headers.get("If-None-Match", "")
    response = HttpResponseNotModified() if is_known else HttpResponse(script.content)
    if not is_known:
        response["Content-Type"] = "text/javascript; charset=utf-8"
    if script.encoding and not is_known:
        response["Content-Encoding"] = script.encoding
    response["ETag"] = script.etag
    response["Cache-Control"] = _SCRIPT_CACHE
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


@with_policy(PUBLIC)
@require_safe
def widget_frame(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The page in the widget's frame: for the origins that its key lists, and for nobody else."""
    _choose_language(request)
    try:
        identity = async_to_sync(find_page_key)(request.GET.get("key", ""), agent_id)
        require_page(identity, origin_of(request), request.get_host())
    except (NotFound, OriginNotAllowed, KeyNotForPages, AgentOff) as error:
        return _refuse(request, error)
    page = {**_describe(identity), "origins": identity.allowed_origins}
    response = render(request, "integrations/widget.html", {"page": page, **_frame_context(request)})
    return _let_in(response, ["'self'", *identity.allowed_origins])


@with_policy(PUBLIC)
@require_safe
def hosted_page(request: HttpRequest, slug: str) -> HttpResponse:
    """An agent's own page, while its owner has it on; any other address is a missing page."""
    found = find_hosted_page(slug)
    identity = async_to_sync(find_page_key)(str(found.key_id))
    page = _describe(identity)
    context = {
        "page": page,
        "agent": found.agent,
        "found": found,
        "description": found.agent.description or page["agent"]["welcome_message"],
        "site": settings.SITE_URL,
    }
    response = render(request, "integrations/hosted.html", context)
    response["Cache-Control"] = "no-cache"
    if not found.agent.is_indexed:
        response["X-Robots-Tag"] = "noindex"
    return response


@with_policy("agent.view")
@require_safe
def widget_preview(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """A page of nobody's site with the widget in it, for the panel on the Deploy tab, which frames it."""
    principal = request.principal  # type: ignore[attr-defined]
    agent = get_agent(principal.workspace_id, agent_id)
    response = render(request, "integrations/widget_preview.html", {"agent": agent})
    response._csp_replace = {"frame-src": ["'self'"], "frame-ancestors": ["'self'"]}  # type: ignore[attr-defined]
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _describe(identity: KeyIdentity) -> dict[str, Any]:
    """What the page's script needs to know."""
    return {"key": str(identity.key_id), "agent": _describe_agent(identity.agent)}


def _describe_agent(agent: ChatAgent) -> dict[str, Any]:
    config = agent.config.as_json()
    return {
        "id": str(agent.agent_id),
        "name": agent.name,
        "appearance": config["appearance"],
        "welcome_message": config["welcome_message"],
        "suggested_questions": config["suggested_questions"],
    }


def _frame_context(request: HttpRequest) -> dict[str, Any]:
    theme = request.GET.get("theme", "")
    return {"theme": theme if theme in _THEMES else _THEMES[0]}


def _choose_language(request: HttpRequest) -> None:
    """What the embedding page asks for; no cookie and no account decides in a frame."""
    wanted = request.GET.get("lang", "")
    if wanted in dict(settings.LANGUAGES):
        translation.activate(wanted)


def _refuse(request: HttpRequest, error: GiloError) -> HttpResponse:
    message = _(error.message)
    shown = origin_of(request) if isinstance(error, OriginNotAllowed) else ""
    context = {"message": message, "origin": shown, **_frame_context(request)}
    status = HTTPStatus.NOT_FOUND if isinstance(error, NotFound) else HTTPStatus.FORBIDDEN
    response = render(request, "integrations/widget_refused.html", context, status=status)
    return _let_in(response, _ANYWHERE)


def _let_in(response: HttpResponse, ancestors: list[str]) -> HttpResponse:
    """Let these pages frame the response: the one place where X-Frame-Options is left out."""
    response._csp_replace = {"frame-ancestors": ancestors}  # type: ignore[attr-defined]
    response.xframe_options_exempt = True
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Referer", "Origin"])
    return response
