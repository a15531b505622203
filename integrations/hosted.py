"""Hosted pages: an agent at an address of its own, `/{slug}` or `{slug}.GILO_HOSTED_DOMAIN`."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.middleware import respond_with
from agents.deployment import hosted_url
from agents.models import Agent, ApiKey, KeyKind
from core.errors import NotFound

# What a hosted page needs besides itself. Everything else of the product has no business on an agent's own host.
_SHARED_PATHS = ("/static/", "/api/v1/")


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
    alive = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    key = (
        ApiKey.objects.filter(alive, kind=KeyKind.HOSTED, agent__slug=slug, agent__is_serving=True)
        .select_related("agent__draft_version", "agent__live_version")
        .first()
    )
    if key is None:
        raise NotFound()
    return HostedPage(agent=key.agent, key_id=key.pk)


class HostedDomainMiddleware:
    """Serve `{slug}.GILO_HOSTED_DOMAIN/` as `/{slug}`, and nothing else there but what that page needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        slug = slug_of_host(request.get_host())
        if slug and not request.path_info.startswith(_SHARED_PATHS):
            if request.path_info != "/":
                return respond_with(request, NotFound())
            request.path = request.path_info = f"/{slug}"
        return self._get_response(request)


def slug_of_host(host: str) -> str:
    """The agent's slug in a host below GILO_HOSTED_DOMAIN, else ""."""
    domain = settings.HOSTED_DOMAIN
    name = host.partition(":")[0].lower()
    return name.removesuffix(f".{domain}") if domain and name.endswith(f".{domain}") else ""
