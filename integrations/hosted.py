"""Hosted pages: an agent at an address of its own, `/{slug}` or `{slug}.GILO_HOSTED_DOMAIN`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.middleware import respond_with
from agents.deployment import hosted_url
from agents.models import Agent, KeyKind
from agents.selectors import find_serving_key
from chat.routing import http_routes
from core.errors import NotFound

# What a hosted page needs besides itself: its files, its visitors' sessions and what these open. Everything else of the
# product has no business on an agent's own host.
_FILES = "/static/"
_SESSIONS = "/api/v1/visitor-sessions"
_VISITORS_ROUTES = [
    re.compile(str(route.pattern)) for route in http_routes if getattr(route.callback, "opens_to_visitors", False)
]


@dataclass(frozen=True, slots=True)
class HostedPage:
    """A page that is on: its agent, and the key under which its visitors chat."""

    agent: Agent
    key_id: UUID

    @property
    def address(self) -> str:
        """The page's one address, for people and search engines."""
        return hosted_url(self.agent)


def find_hosted_page(slug: str) -> HostedPage:
    """The page at this address. Raises NotFound, whether there is no such agent or its page is off."""
    key = find_serving_key(kind=KeyKind.HOSTED, agent__slug=slug)
    if key is None:
        raise NotFound()
    return HostedPage(agent=key.agent, key_id=key.pk)


class HostedDomainMiddleware:
    """Serve `{slug}.GILO_HOSTED_DOMAIN/` as `/{slug}`, and nothing else there but what that page needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host, path = request.get_host(), request.path_info
        if is_shut(host, path):
            return respond_with(request, NotFound())
        if path == "/" and (slug := slug_of_host(host)):
            request.path = request.path_info = f"/{slug}"
        return self._get_response(request)


def is_shut(host: str, path: str) -> bool:
    """Whether nothing answers there: on an agent's own host all but its page and what that needs, whatever the
    protocol."""
    return bool(slug_of_host(host)) and path != "/" and not _is_needed(path)


def _is_needed(path: str) -> bool:
    if path.startswith(_FILES) or path == _SESSIONS:
        return True
    return any(pattern.fullmatch(path.lstrip("/")) for pattern in _VISITORS_ROUTES)


def slug_of_host(host: str) -> str:
    """The agent's slug in a host below GILO_HOSTED_DOMAIN, else ""."""
    domain = settings.HOSTED_DOMAIN
    name = host.partition(":")[0].lower().removesuffix(".")
    return name.removesuffix(f".{domain}") if domain and name.endswith(f".{domain}") else ""
