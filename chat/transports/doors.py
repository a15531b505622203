"""Who knocks: the API key of a program, or the member behind a session or an access token."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from accounts.doors import authenticate_scope, comes_from_own_page, read_headers
from accounts.permissions import Principal, authorize
from agents.keys import ChatAgent, KeyIdentity, require_origin, resolve_key
from agents.selectors import load_draft_agent
from chat.transports.admission import admit, admit_member
from core.errors import NotAuthenticated, NotFound


async def identify_key(token: str) -> KeyIdentity:
    """The identity of a usable API key; raises NotAuthenticated."""
    identity = await resolve_key(token) if token else None
    if identity is None:
        raise NotAuthenticated("Send a valid API key: `Authorization: Bearer gilo_...` or `X-API-Key`.")
    return identity


async def authorize_key(
    token: str, policy: str, agent_id: UUID | None = None, *, is_counted: bool = True
) -> tuple[KeyIdentity, Principal]:
    """The key's identity and principal once it may do this; another agent's id is NotFound.

    Counts as one request, unless it is one that must get through when the limit is reached: to stop a run.

    Raises RateLimited, AgentOff, KeyNotForPrograms, IdentityRequired, ScopeMissing as well.
    """
    identity = await identify_key(token)
    principal = identity.principal
    authorize(principal, policy)
    if agent_id is not None and agent_id != identity.agent.agent_id:
        raise NotFound()
    if is_counted and await admit(identity):
        principal = replace(principal, is_over_quota=True)
    return identity, principal


def check_origin(identity: KeyIdentity, scope: Any) -> None:
    """Raise OriginNotAllowed when the request comes from a page that may not use this key.

    A visitor may also come from our own pages: the widget's frame and the hosted page are ours.
    """
    headers = read_headers(scope)
    if not (identity.end_user and comes_from_own_page(headers)):
        require_origin(identity, headers.get("origin", ""))


async def enter_playground(principal: Principal, agent_id: UUID, *, is_counted: bool = True) -> ChatAgent:
    """The agent's draft for a member who asks it something. Raises NotFound, RateLimited."""
    agent, plan = await load_draft_agent(principal.workspace_id, agent_id)
    if is_counted:
        await admit_member(principal.workspace_id, plan)
    return agent


async def authorize_member(scope: Any, policy: str) -> Principal:
    """The member behind a session (with CSRF or Origin checked) or an access token, once they may do this."""
    principal = await authenticate_scope(scope)
    authorize(principal, policy)
    if principal is None:
        raise NotAuthenticated()
    return principal
