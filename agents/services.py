"""Writes about agents: keyword-only, one transaction each. Permission is the route's declared policy."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_noop

from accounts.models import User
from agents.config import AgentConfig
from agents.errors import VersionConflict
from agents.keys import KEY_PREFIX, forget_keys
from agents.models import Agent, AgentStatus, AgentVersion, ApiKey, KeyKind
from agents.selectors import count_older
from agents.signals import agent_deleting
from billing.errors import OverQuota
from billing.models import Resource
from billing.quotas import give_back, require_within, take
from billing.services import delete_budgets_of
from core.crypto import encrypt, make_token, token_digest
from core.errors import ValidationFailed
from core.ids import uuid7

IDENTITY_PREFIX = "gilo_identity_"
_PREFIX_LENGTH = len(KEY_PREFIX) + 6
_SLUG_LENGTH = 50  # with the tail below 63, what a host name holds


@transaction.atomic
def create_agent(
    *,
    workspace_id: UUID,
    actor: User | None,
    name: str,
    description: str = "",
    config: AgentConfig | None = None,
) -> Agent:
    """A new draft agent with its first version. Raises QuotaExceeded."""
    take(workspace_id=workspace_id, resource=Resource.AGENTS)
    agent_id = uuid7()
    agent = Agent.objects.create(
        id=agent_id,
        workspace_id=workspace_id,
        name=name,
        slug=_make_slug(name, agent_id),
        description=description,
        created_by=actor,
    )
    _add_version(agent, config or AgentConfig(), actor)
    return agent


@transaction.atomic
def update_agent(*, agent: Agent, name: str | None = None, description: str | None = None) -> Agent:
    """Change the name or the description; the slug stays, so that links keep working. Raises OverQuota."""
    require_editable(agent)
    if name is not None:
        agent.name = name
    if description is not None:
        agent.description = description
    agent.save(update_fields=["name", "description", "updated_at"])
    forget_keys()
    return agent


@transaction.atomic
def save_config(*, agent: Agent, actor: User | None, changes: dict[str, Any], expected_version: int | None) -> Agent:
    """Apply changes to the draft. A real change makes a new version; none leaves everything as it is.

    Raises VersionConflict when `expected_version` is given and is no longer the draft's number, and OverQuota.
    """
    agent = _lock_to_edit(agent)
    draft = _draft_of(agent)
    if expected_version is not None and expected_version != draft.number:
        raise VersionConflict(
            f"Version {draft.number} was saved meanwhile; your change was based on {expected_version}."
        )
    current = AgentConfig.from_json(draft.config)
    changed = AgentConfig.from_json({**current.as_json(), **changes})
    if changed != current:
        _add_version(agent, changed, actor)
        forget_keys()
    return agent


@transaction.atomic
def restore_version(*, agent: Agent, actor: User | None, number: int) -> Agent:
    """Make an earlier version's configuration the draft again, as a new version. Raises OverQuota."""
    agent = _lock_to_edit(agent)
    earlier = AgentVersion.objects.for_workspace(agent.workspace_id).get_or_404(agent=agent, number=number)
    if earlier.config != _draft_of(agent).config:
        _add_version(agent, AgentConfig.from_json(earlier.config), actor)
        forget_keys()
    return agent


@transaction.atomic
def deploy_agent(*, agent: Agent) -> Agent:
    """Put the draft live: from now on the API answers with this version. Raises OverQuota."""
    agent = _lock_to_edit(agent)
    agent.live_version = agent.draft_version
    agent.status = AgentStatus.DEPLOYED
    agent.save(update_fields=["live_version", "status", "updated_at"])
    transaction.on_commit(forget_keys)
    return agent


def set_wanted_events(*, agent_id: UUID, types: set[str]) -> None:
    """Say which events higher apps want to hear of; the caller has locked the agent. Others are never written."""
    Agent.objects.filter(pk=agent_id).update(wanted_events=sorted(types))
    transaction.on_commit(forget_keys)


@transaction.atomic
def delete_agent(*, agent: Agent) -> None:
    """Delete the agent with all that hangs on it; receivers clean up what is outside the database."""
    agent_deleting.send(sender=Agent, agent=agent)
    delete_budgets_of(agent_id=agent.pk)
    agent.delete()
    give_back(workspace_id=agent.workspace_id, resource=Resource.AGENTS)
    transaction.on_commit(forget_keys)


@transaction.atomic
def create_api_key(
    *,
    agent: Agent,
    actor: User | None,
    name: str,
    kind: str = KeyKind.SECRET,
    scopes: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    expires_at: datetime | None = None,
    requires_identity: bool = False,
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is nowhere stored: show it once. Raises ValidationFailed, OverQuota."""
    require_editable(agent)
    key = ApiKey(agent=agent, name=name, kind=kind, created_by=actor)
    _set_limits(
        key,
        {
            "scopes": scopes,
            "allowed_origins": allowed_origins,
            "expires_at": expires_at,
            "requires_identity": requires_identity,
        },
    )
    return key, _save_with_new_token(key)


def prepare_unheld_key(*, agent: Agent, actor: User | None, name: str, kind: str) -> ApiKey:
    """A key, not yet saved, that nobody ever holds: sessions are opened under its id.

    It follows the one before, so that visitors who come back find their conversations.
    """
    before = agent.api_keys.filter(kind=kind).order_by("-created_at").first()
    digest = token_digest(make_token(KEY_PREFIX))
    return ApiKey(agent=agent, name=name, kind=kind, digest=digest, replaces=before, created_by=actor)


@transaction.atomic
def update_api_key(*, key: ApiKey, changes: dict[str, Any]) -> ApiKey:
    """Change a key's name, scopes, origins, expiry or need of identity; it counts at once.

    Raises ValidationFailed, OverQuota.
    """
    require_editable(key.agent)
    key = _lock_key(key)
    key.name = changes.pop("name", key.name)
    _set_limits(key, changes)
    key.save()
    transaction.on_commit(forget_keys)
    return key


@transaction.atomic
def rotate_api_key(*, key: ApiKey, actor: User | None, overlap: timedelta) -> tuple[ApiKey, str]:
    """A new key in the place of an old one, which goes on for the overlap only; both own the same conversations.

    The new key is as the old one was; an expiry is moved, so that it lives as long as the old one was meant to.
    """
    old = _lock_key(key)
    now = timezone.now()
    new = ApiKey(
        agent_id=old.agent_id,
        name=old.name,
        kind=old.kind,
        scopes=old.scopes,
        allowed_origins=old.allowed_origins,
        requires_identity=old.requires_identity,
        identity_secret=old.identity_secret,
        expires_at=old.expires_at and now + (old.expires_at - old.created_at),
        replaces=old,
        created_by=actor,
    )
    token = _save_with_new_token(new)
    old.expires_at = min(filter(None, (old.expires_at, now + overlap)))
    old.save(update_fields=["expires_at", "updated_at"])
    transaction.on_commit(forget_keys)
    return new, token


@transaction.atomic
def make_identity_secret(*, key: ApiKey) -> str:
    """A new secret with which the site signs its users' identities, shown once; an earlier one is dead at once."""
    key = _lock_key(key)
    if key.kind != KeyKind.WIDGET:
        raise ValidationFailed(gettext_noop("Only a widget's key has an identity secret."), code="key_not_for_visitors")
    secret = make_token(IDENTITY_PREFIX)
    key.identity_secret = encrypt(secret)
    key.save(update_fields=["identity_secret", "updated_at"])
    transaction.on_commit(forget_keys)
    return secret


@transaction.atomic
def revoke_api_key(*, key: ApiKey) -> None:
    """End a key. It stops working here at once, in other processes within `keys.CACHE_SECONDS`."""
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at", "updated_at"])
    transaction.on_commit(forget_keys)


def record_key_use(*, key_ids: set[UUID], at: datetime) -> None:
    """Remember when these keys were last used."""
    ApiKey.objects.filter(pk__in=key_ids).update(last_used_at=at)


def _lock_key(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_for_update(of=("self",)).get(pk=key.pk)


def _save_with_new_token(key: ApiKey) -> str:
    token = make_token(KEY_PREFIX)
    key.prefix, key.digest = token[:_PREFIX_LENGTH], token_digest(token)
    key.save()
    return token


def _set_limits(key: ApiKey, changes: dict[str, Any]) -> None:
    """Set what limits a key, if it fits the key's kind and is not over yet."""
    is_secret = key.kind == KeyKind.SECRET
    if changes.get("scopes") and not is_secret:
        raise ValidationFailed(
            gettext_noop("Only a secret key has scopes: a widget's opens its visitors' chats."), param="scopes"
        )
    if changes.get("requires_identity") and is_secret:
        raise ValidationFailed(gettext_noop("Only a widget's key can ask for an identity."), param="requires_identity")
    end = changes.get("expires_at")
    if end is not None and end != key.expires_at and end <= timezone.now():
        raise ValidationFailed(gettext_noop("This moment is over. To end a key now, revoke it."), param="expires_at")
    for name, value in changes.items():
        setattr(key, name, list(value) if isinstance(value, Sequence) else value)


def require_editable(agent: Agent) -> None:
    """Raise OverQuota for an agent that the workspace's plan has no room for any more."""
    require_within(workspace_id=agent.workspace_id, resource=Resource.AGENTS, place=lambda: count_older(agent))


def is_editable(agent: Agent) -> bool:
    """Whether the workspace's plan has room for the agent, so that it may be changed."""
    try:
        require_editable(agent)
    except OverQuota:
        return False
    return True


def _lock_to_edit(agent: Agent) -> Agent:
    require_editable(agent)
    return Agent.objects.select_for_update(of=("self",)).get(pk=agent.pk)


def _draft_of(agent: Agent) -> AgentVersion:
    if agent.draft_version is None:
        raise IntegrityError(f"agent {agent.pk} has no draft version")
    return agent.draft_version


def _add_version(agent: Agent, config: AgentConfig, actor: User | None) -> None:
    last = agent.versions.order_by("-number").values_list("number", flat=True).first() or 0
    agent.draft_version = AgentVersion.objects.create(
        agent=agent, number=last + 1, config=config.as_json(), created_by=actor
    )
    if agent.status == AgentStatus.DRAFT and last:
        agent.status = AgentStatus.ACTIVE
    agent.save(update_fields=["draft_version", "status", "updated_at"])


def _make_slug(name: str, agent_id: UUID) -> str:
    # The id's random tail keeps slugs unique between workspaces without a look-up.
    base = slugify(name)[:_SLUG_LENGTH] or "agent"
    return f"{base}-{agent_id.hex[-8:]}"
