"""Who knocks: the API key of a program, or the member behind a session or an access token."""

from typing import Any
from uuid import UUID

from accounts.doors import authenticate_scope
from accounts.permissions import Principal, authorize
from agents.keys import KeyIdentity, resolve_key
from core.errors import NotAuthenticated, NotFound


def token_from(authorization: str, api_key: str = "") -> str:
    """The token in `Authorization: Bearer ...` or `X-API-Key: ...`, "" when there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else api_key.strip()


async def identify_key(token: str) -> KeyIdentity:
    """The identity of a usable API key; raises NotAuthenticated."""
    identity = await resolve_key(token) if token else None
    if identity is None:
        raise NotAuthenticated("Send a valid API key: `Authorization: Bearer gilo_...` or `X-API-Key`.")
    return identity


def principal_of_key(identity: KeyIdentity) -> Principal:
    """What the key may do, within its one agent."""
    agent = identity.agent
    return Principal(workspace_id=agent.workspace_id, api_key_id=identity.key_id, agent_id=agent.agent_id)


async def authorize_key(token: str, policy: str, agent_id: UUID | None = None) -> tuple[KeyIdentity, Principal]:
    """The key's identity and principal once it may do this; another agent's id is NotFound."""
    identity = await identify_key(token)
    principal = principal_of_key(identity)
    authorize(principal, policy)
    if agent_id is not None and agent_id != identity.agent.agent_id:
        raise NotFound()
    return identity, principal


async def authorize_member(scope: Any, policy: str) -> Principal:
    """The member behind a session (with CSRF or Origin checked) or an access token, once they may do this."""
    principal = await authenticate_scope(scope)
    authorize(principal, policy)
    if principal is None:
        raise NotAuthenticated()
    return principal
