"""All routes: pages, then the API. Raw ASGI and WebSocket routes are in gilo/asgi.py."""

from importlib import import_module

from django.urls import URLPattern, URLResolver, include, path

from gilo import billing_page, usage_page, views
from gilo.health import health
from gilo.limits_api import WorkspaceLimits

handler400 = "gilo.handlers.bad_request"
handler403 = "gilo.handlers.permission_denied"
handler404 = "gilo.handlers.not_found"
handler500 = "gilo.handlers.server_error"

APPS = ("accounts", "llm", "billing", "agents", "knowledge", "chat", "store", "integrations")


def _routes(app: str, name: str) -> list[URLPattern | URLResolver]:
    routes: list[URLPattern | URLResolver] = getattr(import_module(f"{app}.urls"), name)
    return routes


urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.landing, name="landing"),
    path("dashboard", views.dashboard, name="dashboard"),
    path("settings/usage", usage_page.settings_usage, name="settings_usage"),
    path("settings/usage.csv", usage_page.usage_csv, name="settings_usage_csv"),
    path("settings/billing", billing_page.settings_billing, name="settings_billing"),
    path("settings/workspace", views.settings_workspace, name="settings_workspace"),
    path("agents/<uuid:agent_id>/reference", views.agent_reference, name="agent-reference"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("docs", views.docs, name="docs"),
    path("_styleguide", views.styleguide, name="styleguide"),
    path("api/health", health, name="health"),
    path("api/workspace/limits", WorkspaceLimits.as_view(), name="api-workspace-limits"),
    path("api/schema", views.Schema.as_view(), name="schema"),
    path("api/docs", views.docs_redirect, name="api-docs"),
    *(route for app in APPS for route in _routes(app, "urlpatterns")),
    path("api/", include([route for app in APPS for route in _routes(app, "api_urlpatterns")])),
    *_routes("integrations", "hosted_urlpatterns"),  # the last: an agent's page takes only what nothing else takes
]
