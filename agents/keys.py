"""API keys on the hot path: from a token to what the key opens, cached for half a second.

A key that is used a thousand times a second is looked up twice a second; a revoked or expired one is dead everywhere
within that time, and at once in the process that revoked it. One query brings the key, its agent, the version that
answers, and what the workspace may use.

Three kinds (agents.models.KeyKind): a secret key opens what its scopes say; a widget's and a hosted page's open only
their visitors' sessions (agents.visitors), whose tokens come through the same door.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from accounts.doors import find_live_logins
from accounts.permissions import Login, Principal
from agents.config import AgentConfig
from agents.errors import AgentOff, IdentityRequired, KeyNotForPages, KeyNotForPrograms, OriginNotAllowed
from agents.models import KeyKind
from agents.origins import is_listed
from agents.visitor_tokens import VISITOR_PREFIX, read_visitor_token
from billing.budgets import CAPS_SUBQUERY, Cap, parse_caps
from billing.metering import WANTS_OVERAGE
from core.async_db import fetch_all
from core.crypto import is_well_formed_token, token_digest

KEY_PREFIX = "gilo_"
CACHE_SECONDS = 0.5
_MOST_CACHED = 10_000
# What a run needs to know of its agent, in the order of `make_chat_agent`, wherever `agent` and `version` are joined.
AGENT_COLUMNS = f"""agent.id, agent.workspace_id, version.id, agent.name, agent.slug, version.config,
    agent.wanted_events, {CAPS_SUBQUERY}"""


@dataclass(frozen=True, slots=True)
class ChatAgent:
    """What a run needs to know of its agent."""

    agent_id: UUID
    workspace_id: UUID
    version_id: UUID
    name: str
    slug: str
    config: AgentConfig
    wanted_events: tuple[str, ...] = ()
    caps: tuple[Cap, ...] = ()
    documents: tuple[UUID, ...] | None = None  # of a pinned snapshot: all that it may search; None: all there are


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """An API key that may be used now, and the agent it opens: the version that the key is pinned to, else the live
    one, else the draft.

    `end_user` and `channel` are "" for the key itself; a visitor's session names its visitor and where it takes place.
    """

    key_id: UUID
    agent: ChatAgent
    kind: str = KeyKind.SECRET
    scopes: tuple[str, ...] = ()  # none: all
    allowed_origins: tuple[str, ...] = ()  # none: any
    requires_identity: bool = False
    identity_secret: str = field(default="", repr=False)  # encrypted
    family: tuple[UUID, ...] = ()  # the keys that it replaced or that replace it, itself included
    is_serving: bool = True
    plan: str = ""
    wants_overage: bool = False
    end_user: str = ""
    channel: str = ""
    grant_id: UUID | None = None
    is_platform_paid: bool = False
    login: Login | None = None  # of a user of ours, in the store
    # made once for all the requests that find the identity in the cache
    principal: Principal = field(init=False, repr=False, compare=False)  # what it may do, within its one agent
    workspace: str = field(init=False, repr=False, compare=False)  # whose requests are counted

    def __post_init__(self) -> None:
        object.__setattr__(self, "workspace", str(self.agent.workspace_id))
        object.__setattr__(self, "principal", self._make_principal())

    def _make_principal(self) -> Principal:
        return Principal(
            workspace_id=self.agent.workspace_id,
            api_key_id=self.key_id,
            agent_id=self.agent.agent_id,
            end_user=self.end_user,
            scopes=frozenset(self.scopes),
            key_family=self.family,
            grant_id=self.grant_id,
            is_platform_paid=self.is_platform_paid,
            login=self.login,
        )

    @property
    def seal(self) -> str:
        """A digest of the identity secret: sessions of verified visitors end when it is rotated."""
        return hashlib.sha256(self.identity_secret.encode()).hexdigest()[:16]


# Which keys may be used now: for the look-up here and for the checks of what is open already.
KEY_IS_ALIVE = "key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > clock_timestamp())"
_KEY_QUERY = f"""
SELECT key.id, key.kind, key.scopes, key.allowed_origins, key.requires_identity, key.identity_secret,
    ARRAY(
        WITH RECURSIVE family(id, replaces_id) AS (
            SELECT key.id, key.replaces_id
            UNION
            SELECT kin.id, kin.replaces_id FROM agents_apikey kin
            JOIN family ON kin.id = family.replaces_id OR kin.replaces_id = family.id
        ) SELECT id FROM family
    ),
    agent.is_serving, workspace.plan, {WANTS_OVERAGE}, key.pinned_documents, {AGENT_COLUMNS}
FROM agents_apikey key
JOIN agents_agent agent ON agent.id = key.agent_id
JOIN accounts_workspace workspace ON workspace.id = agent.workspace_id
JOIN agents_agentversion version
    ON version.id = COALESCE(key.pinned_version_id, agent.live_version_id, agent.draft_version_id)
WHERE {KEY_IS_ALIVE} AND key."""  # noqa: S608 - constants of ours
_BY_DIGEST = _KEY_QUERY + "digest = %s"
_BY_ID = _KEY_QUERY + "id = %s"
_LIVE_QUERY = f"""
SELECT key.id FROM agents_apikey key JOIN agents_agent agent ON agent.id = key.agent_id AND agent.is_serving
WHERE key.id = ANY(%s) AND {KEY_IS_ALIVE}
"""  # noqa: S608 - constants of ours
_Name = str | UUID  # how a key is looked up: by its digest or its id
_cache: dict[_Name, tuple[float, KeyIdentity | None]] = {}
_lookups: dict[_Name, asyncio.Task[KeyIdentity | None]] = {}
_used: set[UUID] = set()
_configs: dict[UUID, AgentConfig] = {}


async def resolve_key(token: str) -> KeyIdentity | None:
    """The identity behind a program's key or a visitor's token; None when it is malformed, unknown, revoked or expired.

    Raises AgentOff, KeyNotForPrograms (a widget's or hosted page's own key), IdentityRequired.
    """
    identity = await look_up_token(token)
    if identity is None:
        return None
    require_serving(identity)
    if identity.kind != KeyKind.SECRET and not identity.end_user:
        raise KeyNotForPrograms()
    return identity


async def resolve_page_key(token: str) -> KeyIdentity | None:
    """The identity behind a widget's key, from which visitors' sessions are opened; None as in `resolve_key`.

    Raises AgentOff, and KeyNotForPages for a secret key.
    """
    identity = await look_up_token(token)
    if identity is None:
        return None
    require_serving(identity)
    if identity.kind == KeyKind.SECRET or identity.end_user:
        raise KeyNotForPages()
    return identity


async def look_up_token(token: str) -> KeyIdentity | None:
    """Whose token it is, whatever it may open: only for what must know before it refuses (CORS)."""
    if token.startswith(VISITOR_PREFIX):
        return await _look_up_visitor(token)
    digest = token_digest(token)
    if digest not in _cache and not is_well_formed_token(token, KEY_PREFIX):
        return None
    return await _look_up_cached(digest)


async def look_up_key_id(key_id: UUID) -> KeyIdentity | None:
    """The key with this id, if it may be used now."""
    return await _look_up_cached(key_id)


def require_serving(identity: KeyIdentity) -> None:
    """Raise AgentOff when the agent is switched off for the outside."""
    if not identity.is_serving:
        raise AgentOff()


def require_origin(identity: KeyIdentity, origin: str) -> None:
    """Raise OriginNotAllowed for a page that is not on the key's list; no list means any, no Origin means no page."""
    if origin and identity.allowed_origins and not is_listed(origin, identity.allowed_origins):
        raise OriginNotAllowed()


async def find_live_keys(key_ids: Collection[UUID]) -> set[UUID]:
    """Those of these keys whose streams may go on: not revoked, not expired, the agent switched on."""
    return {row[0] for row in await fetch_all(_LIVE_QUERY, [list(key_ids)])}


def forget_keys() -> None:
    """Drop the cache: called when a key is revoked or a version goes live in this process."""
    _cache.clear()


def take_used_keys() -> set[UUID]:
    """The keys looked up since the last call; the caller records them as used (`services.record_key_use`)."""
    used = set(_used)
    _used.clear()
    return used


async def _look_up_visitor(text: str) -> KeyIdentity | None:
    token = read_visitor_token(text)
    if token is None or token.is_expired:
        return None
    identity = await _look_up_cached(token.key_id)
    if identity is None or (token.is_verified and token.seal != identity.seal):
        return None
    if token.login is not None and not await find_live_logins([token.login]):
        return None
    if identity.requires_identity and not token.is_verified:
        raise IdentityRequired()
    return replace(
        identity,
        end_user=token.end_user,
        channel=token.channel,
        grant_id=token.grant_id,
        is_platform_paid=token.is_platform_paid,
        login=token.login,
    )


async def _look_up_cached(name: _Name) -> KeyIdentity | None:
    cached = _cache.get(name)
    if cached is None or cached[0] < time.monotonic():
        return await _look_up_once(name)
    return cached[1]


async def _look_up_once(name: _Name) -> KeyIdentity | None:
    # Requests that arrive while a look-up is under way share it.
    task = _lookups.get(name)
    if task is None:
        task = asyncio.ensure_future(_look_up(name))
        _lookups[name] = task
        task.add_done_callback(lambda _: _lookups.pop(name, None))
    waiting: Awaitable[KeyIdentity | None] = asyncio.shield(task)
    return await waiting


async def _look_up(name: _Name) -> KeyIdentity | None:
    valid_until = time.monotonic() + CACHE_SECONDS  # counted from before the read: a revocation is never outlived
    rows = await fetch_all(_BY_ID if isinstance(name, UUID) else _BY_DIGEST, [name])
    identity = _identity_from(rows[0]) if rows else None
    if len(_cache) >= _MOST_CACHED:
        _cache.clear()
    _cache[name] = (valid_until, identity)
    if identity:
        _used.add(identity.key_id)
    return identity


def _identity_from(row: Sequence[Any]) -> KeyIdentity:
    key_id, kind, scopes, origins, requires_identity, secret, family, is_serving, plan, wants_overage, documents = row[
        :11
    ]
    agent = make_chat_agent(row[11:])
    return KeyIdentity(
        key_id=key_id,
        agent=agent if documents is None else replace(agent, documents=tuple(documents)),
        kind=kind,
        scopes=tuple(scopes),
        allowed_origins=tuple(origins),
        requires_identity=requires_identity,
        identity_secret=secret,
        family=tuple(family),
        is_serving=is_serving,
        plan=plan,
        wants_overage=wants_overage,
    )


def make_chat_agent(row: Sequence[Any]) -> ChatAgent:
    """From a row of AGENT_COLUMNS. A version's config is parsed only once."""
    agent_id, workspace_id, version_id, name, slug, stored, wanted_events, caps = row
    config = _configs.get(version_id)
    if config is None:
        if len(_configs) >= _MOST_CACHED:
            _configs.clear()
        config = _configs[version_id] = AgentConfig.from_json(stored)
    return ChatAgent(agent_id, workspace_id, version_id, name, slug, config, tuple(wanted_events), parse_caps(caps))
