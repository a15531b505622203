"""API keys on the hot path: from a token to what the key opens, cached for half a second.

A key that is used a thousand times a second is looked up twice a second; a revoked one is dead everywhere within that
time, and at once in the process that revoked it. One query brings the key, its agent and the version that answers.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.config import AgentConfig
from core.async_db import fetch_all
from core.crypto import is_well_formed_token, token_digest

KEY_PREFIX = "gilo_"
CACHE_SECONDS = 0.5
_MOST_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class ChatAgent:
    """What a run needs to know of its agent."""

    agent_id: UUID
    workspace_id: UUID
    version_id: UUID
    name: str
    slug: str
    config: AgentConfig


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """An API key that may be used now, and the agent it opens (its live version, or the draft before any deploy)."""

    key_id: UUID
    agent: ChatAgent


_KEY_QUERY = """
SELECT key.id, agent.id, agent.workspace_id, version.id, agent.name, agent.slug, version.config
FROM agents_apikey key
JOIN agents_agent agent ON agent.id = key.agent_id
JOIN agents_agentversion version ON version.id = COALESCE(agent.live_version_id, agent.draft_version_id)
WHERE key.digest = %s AND key.revoked_at IS NULL
"""
_cache: dict[str, tuple[float, KeyIdentity | None]] = {}
_lookups: dict[str, asyncio.Task[KeyIdentity | None]] = {}
_used: set[UUID] = set()
_configs: dict[UUID, AgentConfig] = {}


async def resolve_key(token: str) -> KeyIdentity | None:
    """The identity behind a token, or None when it is malformed, unknown or revoked."""
    if not is_well_formed_token(token, KEY_PREFIX):
        return None
    digest = token_digest(token)
    cached = _cache.get(digest)
    if cached is None or cached[0] < time.monotonic():
        return await _look_up_once(digest)
    return cached[1]


async def is_key_alive(key_id: UUID) -> bool:
    """Whether a stream that this key opened may go on."""
    return bool(await fetch_all("SELECT 1 FROM agents_apikey WHERE id = %s AND revoked_at IS NULL", [key_id]))


def forget_keys() -> None:
    """Drop the cache: called when a key is revoked or a version goes live in this process."""
    _cache.clear()


def take_used_keys() -> set[UUID]:
    """The keys looked up since the last call; the caller records them as used (`services.record_key_use`)."""
    used = set(_used)
    _used.clear()
    return used


async def _look_up_once(digest: str) -> KeyIdentity | None:
    # Requests that arrive while a look-up is under way share it.
    task = _lookups.get(digest)
    if task is None:
        task = asyncio.ensure_future(_look_up(digest))
        _lookups[digest] = task
        task.add_done_callback(lambda _: _lookups.pop(digest, None))
    return await asyncio.shield(task)


async def _look_up(digest: str) -> KeyIdentity | None:
    valid_until = time.monotonic() + CACHE_SECONDS  # counted from before the read: a revocation is never outlived
    rows = await fetch_all(_KEY_QUERY, [digest])
    identity = _identity_from(rows[0]) if rows else None
    if len(_cache) >= _MOST_CACHED:
        _cache.clear()
    _cache[digest] = (valid_until, identity)
    if identity:
        _used.add(identity.key_id)
    return identity


def _identity_from(row: tuple[Any, ...]) -> KeyIdentity:
    key_id, *agent = row
    return KeyIdentity(key_id, make_chat_agent(agent))


def make_chat_agent(row: Sequence[Any]) -> ChatAgent:
    """From a row (agent id, workspace id, version id, name, slug, config). A version's config is parsed only once."""
    agent_id, workspace_id, version_id, name, slug, stored = row
    config = _configs.get(version_id)
    if config is None:
        if len(_configs) >= _MOST_CACHED:
            _configs.clear()
        config = _configs[version_id] = AgentConfig.from_json(stored)
    return ChatAgent(agent_id, workspace_id, version_id, name, slug, config)
