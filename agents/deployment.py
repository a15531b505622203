"""An agent towards the outside: switched on or off, its addresses, its own page and that page's name."""

import re
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from agents.errors import SlugTaken
from agents.keys import forget_keys
from agents.models import Agent, ApiKey, KeyKind
from agents.services import prepare_unheld_key, require_editable
from core.errors import ValidationFailed

MIN_SLUG, MAX_SLUG = 3, 63  # a slug may become a host name: 63 is the longest that a name server knows
_SLUG_RULE = gettext_noop("Use 3 to 63 small letters and digits, with single hyphens between them.")
_SLUG_TAKEN_BY_US = gettext_noop("This name is reserved. Choose another one.")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# First words of our own addresses, now or some day, and names that could pass for ours. A test reads all routes.
_RESERVED = """
    a2a about account accounts admin agent agents analytics api app apps assets auth billing blog cdn changelog chat
    checkout confirm-email contact conversations dashboard demo dev docs download embed favicon favicon-ico ftp gilo
    health help home hosted imap invite invitations json language legal login logout logs mail marketplace mcp media
    metrics new ns1 ns2 null oauth onboarding password pricing privacy public robots root schema search security
    settings signin signout signup smtp static status store support system team teams templates terms test undefined
    user users webhook webhooks well-known widget widget-js widgets workspace workspaces www
"""
RESERVED_SLUGS = frozenset(_RESERVED.split())


def describe_urls(agent: Agent) -> dict[str, str]:
    """Where the agent is called, by the name of the way in."""
    site, agent_id = settings.SITE_URL, agent.pk
    return {
        "chat": f"{site}/api/v1/agents/{agent_id}/chat",
        "openai": f"{site}/api/v1",
        "websocket": f"{site.replace('http', 'ws', 1)}/ws/agents/{agent_id}/chat",
        "mcp": f"{site}/api/v1/agents/{agent_id}/mcp",
        "a2a": f"{site}/api/v1/agents/{agent_id}/a2a/.well-known/agent-card.json",
        "widget": f"{site}/widget.js",
    }


def hosted_url(agent: Agent) -> str:
    """The address of the agent's own page, whether it is on or off."""
    domain = settings.HOSTED_DOMAIN
    if not domain:
        return f"{settings.SITE_URL}/{agent.slug}"
    scheme, _, rest = settings.SITE_URL.partition("://")
    _, colon, port = rest.partition(":")
    return f"{scheme}://{agent.slug}.{domain}{colon}{port}"


def find_hosted_key(agent: Agent) -> ApiKey | None:
    """The key of the agent's page while it is on."""
    return agent.api_keys.filter(kind=KeyKind.HOSTED, revoked_at=None).first()


def describe_deployment(agent: Agent) -> dict[str, Any]:
    """All of it, as the API shows it. One query."""
    return {
        "status": agent.status,
        "is_serving": agent.is_serving,
        "slug": agent.slug,
        "live_version": agent.live_version.number if agent.live_version else None,
        "draft_version": agent.draft_version.number if agent.draft_version else 0,
        "urls": describe_urls(agent),
        "hosted": {
            "enabled": find_hosted_key(agent) is not None,
            "indexed": agent.is_indexed,
            "url": hosted_url(agent),
        },
    }


@transaction.atomic
def update_deployment(
    *,
    agent: Agent,
    actor: User | None,
    is_serving: bool | None = None,
    hosted_enabled: bool | None = None,
    hosted_indexed: bool | None = None,
    slug: str | None = None,
) -> Agent:
    """Switch the agent or its page on or off, show the page to search engines, rename its address.

    What a smaller plan has no room for may still be switched off. Raises ValidationFailed, SlugTaken, OverQuota.
    """
    if slug is not None or is_serving or hosted_enabled:
        require_editable(agent)
    locked = Agent.objects.select_for_update(of=("self",)).get(pk=agent.pk)
    if is_serving is not None:
        agent.is_serving = locked.is_serving = is_serving
    if hosted_indexed is not None:
        agent.is_indexed = locked.is_indexed = hosted_indexed
    if slug is not None and slug != locked.slug:
        agent.slug = locked.slug = check_slug(slug)
    _save(locked)
    if hosted_enabled is not None:
        _switch_page(locked, actor, is_on=hosted_enabled)
    transaction.on_commit(forget_keys)
    return agent


def check_slug(slug: str) -> str:
    """The slug, if it may be one. Raises ValidationFailed."""
    if not (MIN_SLUG <= len(slug) <= MAX_SLUG and _SLUG.fullmatch(slug)):
        raise ValidationFailed(_SLUG_RULE, param="slug")
    if slug in RESERVED_SLUGS:
        raise ValidationFailed(_SLUG_TAKEN_BY_US, code="slug_reserved", param="slug")
    return slug


def _save(agent: Agent) -> None:
    try:
        with transaction.atomic():
            agent.save(update_fields=["is_serving", "is_indexed", "slug", "updated_at"])
    except IntegrityError:
        raise SlugTaken(param="slug") from None


def _switch_page(agent: Agent, actor: User | None, *, is_on: bool) -> None:
    key = find_hosted_key(agent)
    if is_on and key is None:
        prepare_unheld_key(agent=agent, actor=actor, name=gettext("Hosted page"), kind=KeyKind.HOSTED).save()
    elif not is_on and key is not None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at", "updated_at"])
