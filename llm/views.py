"""The page on which a workspace connects its models."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie

from accounts.permissions import is_allowed
from core.policy import with_policy
from llm import selectors
from llm.api import ModelEndpointSerializer
from llm.catalog import prices_of
from llm.models import ModelEndpoint
from llm.routing import platform_endpoint
from llm.types import OFFLINE_ID, PLATFORM_ID

# what people plug in most: name, base URL, a model to begin with
PRESETS = (
    ("OpenAI", "https://api.openai.com/v1", "gpt-4.1-mini"),
    ("Anthropic", "https://api.anthropic.com/v1", "claude-sonnet-4-5"),
    ("Google Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"),
    ("Mistral", "https://api.mistral.ai/v1", "mistral-small-latest"),
    ("DeepSeek", "https://api.deepseek.com/v1", "deepseek-chat"),
    ("Groq", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
    ("OpenRouter", "https://openrouter.ai/api/v1", "openai/gpt-4.1-mini"),
)


@with_policy("model_endpoint.view")
@ensure_csrf_cookie
def settings_models(request: HttpRequest) -> HttpResponse:
    """The workspace's model endpoints, and which model answers now."""
    principal = request.principal  # type: ignore[attr-defined]
    endpoints = list(selectors.list_endpoints(principal.workspace_id))
    context: dict[str, Any] = {
        "endpoints": [(endpoint, _describe_prices(endpoint)) for endpoint in endpoints],
        "data": ModelEndpointSerializer(endpoints, many=True).data,
        "current": _describe_current(endpoints),
        "ollama": selectors.ollama_offer(principal.workspace_id),
        "presets": PRESETS,
        "messages_js": _script_texts(),
        "can_edit": is_allowed(principal, "model_endpoint.edit"),
        "local_allowed": bool(settings.EGRESS_ALLOWED_NETWORKS),
    }
    return render(request, "llm/settings_models.html", context)


def _describe_current(endpoints: list[Any]) -> dict[str, str]:
    source = selectors.current_source(endpoints)
    if source == OFFLINE_ID:
        return {"kind": OFFLINE_ID, "model": "", "name": ""}
    platform = platform_endpoint()
    if source == PLATFORM_ID and platform:
        return {"kind": PLATFORM_ID, "model": platform.model, "name": ""}
    endpoint = next(endpoint for endpoint in endpoints if str(endpoint.pk) == source)
    return {"kind": "endpoint", "model": endpoint.default_model, "name": endpoint.name}


def _describe_prices(endpoint: ModelEndpoint) -> str:
    """What the endpoint's default model costs, in words."""
    prices = prices_of(endpoint.default_model, endpoint.prices)
    if prices is None:
        return _("price unknown")
    if not any(prices):
        return _("free")
    read, written = map(_format_price, prices)
    return _("$%(read)s / $%(written)s per million tokens") % {"read": read, "written": written}


def _format_price(usd: Decimal) -> str:
    """Two decimals, or as many as it takes to tell the price."""
    return number_format(usd, max(2, -int(usd.normalize().as_tuple().exponent)))


def _script_texts() -> dict[str, str]:
    return {
        "add_title": _("Connect a model"),
        "edit_title": _("Change {name}"),
        "connected": _("{name} is connected."),
        "saved": _("{name} is saved."),
        "removed": _("{name} is removed."),
        "default_changed": _("{name} answers now."),
        "testing": _("Testing…"),
        "milliseconds": _("{ms} ms"),
        "step_address": _("Address"),
        "step_models": _("Models"),
        "step_chat": _("Answer"),
        "use_url": _("Use {url}"),
        "key_hint": _("Kept encrypted, and never shown again."),
        "key_kept": _("Leave it empty to keep the stored key."),
    }
