"""Keys of all kinds and visitors' sessions, as clients of one running server."""

from typing import Any

from asgiref.sync import async_to_sync

from agents import keys, services, visitors
from agents.models import Agent, ApiKey, KeyKind
from core.async_db import close_pool
from tests.chat.serving import Client


def make_key_client(server: str, agent: Agent, **fields: Any) -> tuple[Client, ApiKey]:
    """A client with a new key of the agent, and the key's row."""
    key, token = services.create_api_key(agent=agent, actor=None, name="test", **fields)
    return Client(server, str(agent.pk), {"Authorization": f"Bearer {token}"}), key


def make_widget_key(agent: Agent, **fields: Any) -> ApiKey:
    return services.create_api_key(agent=agent, actor=None, name="widget", kind=KeyKind.WIDGET, **fields)[0]


def make_visitor(server: str, key: ApiKey, visitor: str | None = None, identity_token: str | None = None) -> Client:
    """A client with the session of a new visitor, or of the one that brings a token."""
    session = visitors.open_visitor_session(find_identity(key), visitor=visitor, identity_token=identity_token)
    return Client(server, str(key.agent_id), {"Authorization": f"Bearer {session.token}"})


def find_identity(key: ApiKey) -> keys.KeyIdentity:
    """What the doors know of a key, read afresh."""

    async def look_up() -> keys.KeyIdentity | None:
        keys.forget_keys()
        try:
            return await keys.look_up_key_id(key.pk)
        finally:
            await close_pool()

    identity = async_to_sync(look_up)()
    assert identity is not None
    return identity
