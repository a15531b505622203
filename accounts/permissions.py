"""Who may do what: one table, one function, asked by every door (pages, API, SSE, WebSocket, API keys)."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.errors import ScopeMissing
from accounts.models import Role
from core.errors import NotAuthenticated, PermissionDenied
from core.policy import API_KEY, OPERATOR, PUBLIC, SIGNED_IN, policy_for

_ALL = frozenset({Role.OWNER, Role.EDITOR, Role.VIEWER})
_CHANGE = frozenset({Role.OWNER, Role.EDITOR})
_OWNER = frozenset({Role.OWNER})

# action → the roles that may do it
ACTIONS: dict[str, frozenset[Role]] = {
    "agent.view": _ALL,
    "agent.chat": _ALL,
    "agent.create": _CHANGE,
    "agent.edit": _CHANGE,
    "agent.delete": _OWNER,
    "agent.deploy": _CHANGE,
    "knowledge.view": _ALL,
    "knowledge.edit": _CHANGE,
    "conversation.view": _ALL,
    "history.view": _ALL,
    "history.delete": _CHANGE,
    "api_key.view": _CHANGE,
    "api_key.edit": _CHANGE,
    "webhook.view": _CHANGE,
    "webhook.edit": _CHANGE,
    "model_endpoint.view": _CHANGE,
    "model_endpoint.edit": _OWNER,
    "listing.view": _ALL,
    "listing.edit": _CHANGE,
    "creator.edit": _OWNER,
    "billing.view": _CHANGE,
    "billing.edit": _OWNER,
    "workspace.view": _ALL,
    "workspace.edit": _OWNER,
}
CHAT, CONVERSATIONS, KNOWLEDGE = "chat", "conversations", "knowledge"
SCOPES = (CHAT, CONVERSATIONS, KNOWLEDGE)
# what an API key may do, always within its one agent: action → the scopes of which one is enough
KEY_SCOPES: dict[str, frozenset[str]] = {
    "agent.view": frozenset(SCOPES),
    "agent.chat": frozenset({CHAT}),
    "conversation.view": frozenset({CHAT, CONVERSATIONS}),  # following a run is part of a chat
    "history.view": frozenset({CONVERSATIONS}),
    "history.delete": frozenset({CONVERSATIONS}),
    "knowledge.view": frozenset({KNOWLEDGE}),
}
API_KEY_ACTIONS = frozenset(KEY_SCOPES)
# what a visitor of a widget or a hosted page may do, always within the own conversations
VISITOR_ACTIONS = frozenset({"agent.view", "agent.chat", "conversation.view", "history.view"})


@dataclass(frozen=True, slots=True)
class Login:
    """A user's sign-in, for as long as it lasts: that of a browser, or of a family of access tokens.

    With a `workspace_id` it counts only while the user is a member there.
    """

    user_id: UUID | None
    session_key: str | None = field(repr=False)
    workspace_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts, in which workspace: a member (user_id, role), an API key (api_key_id, agent_id), or a visitor.

    A visitor is a key with an `end_user`, and sees nothing of the key's other visitors. `key_family` are the keys whose
    conversations are the key's own too: those that it replaced by rotation, and the other way round.
    """

    workspace_id: UUID
    user_id: UUID | None = None
    role: Role | None = None
    api_key_id: UUID | None = None
    agent_id: UUID | None = None
    session_key: str | None = field(default=None, repr=False, compare=False)
    end_user: str = ""
    scopes: frozenset[str] = frozenset()  # of an API key; none: all
    key_family: tuple[UUID, ...] = ()
    is_operator: bool = False  # a member of the staff that runs this server
    grant_id: UUID | None = None  # of a visitor: what each message takes one use of (billing.grants)
    is_platform_paid: bool = False  # a visitor whom the operator pays for
    login: Login | None = None  # of a visitor of the store who is a user of ours
    is_over_quota: bool = False  # let in beyond the plan's day, at a price (billing.metering)


def is_allowed(principal: Principal, action: str) -> bool:
    """Whether the principal may do this action in its own workspace."""
    if principal.end_user:
        return action in VISITOR_ACTIONS
    if principal.api_key_id is not None:
        return action in API_KEY_ACTIONS and (not principal.scopes or bool(principal.scopes & KEY_SCOPES[action]))
    return principal.role in ACTIONS[action]


def passes(principal: Principal, policy: str) -> bool:
    """Whether a principal satisfies a policy: any user, any API key, an operator, or the one action."""
    if policy == SIGNED_IN:
        return principal.user_id is not None
    if policy == API_KEY:
        return principal.api_key_id is not None
    if policy == OPERATOR:
        return principal.is_operator
    return is_allowed(principal, policy)


def authorize(principal: Principal | None, policy: str) -> None:
    """Let the principal pass, or raise NotAuthenticated or PermissionDenied."""
    if policy == PUBLIC:
        return
    if principal is None:
        raise NotAuthenticated()
    if not passes(principal, policy):
        raise ScopeMissing() if principal.api_key_id is not None else PermissionDenied()


def authorize_user(user: Any, principal: Principal | None, policy: str) -> None:
    """The same for a user who may be in no workspace: the own account stays open, all else is forbidden."""
    if principal is None and user.is_authenticated and policy != PUBLIC:
        if policy != SIGNED_IN:
            raise PermissionDenied()
        return
    authorize(principal, policy)


def session_of(request: Request) -> SessionBase:
    """The session that a request to the API comes with: of its access token, else of the browser."""
    return request.auth if isinstance(request.auth, SessionBase) else request.session


class PolicyPermission(BasePermission):
    """DRF's door: the view's declared `policy` against the request's principal."""

    def has_permission(self, request: Request, view: Any) -> bool:
        from accounts.middleware import activate_language  # these two modules read this one
        from accounts.selectors import principal_of

        if request.method not in view.allowed_methods or request.method == "OPTIONS":
            return True  # the dispatcher answers 405
        activate_language(request.user)
        policy = policy_for(view.policy, request.method or "GET")
        principal = None if policy == PUBLIC else principal_of(request.user, request, session_of(request))
        request._request.principal = principal  # type: ignore[attr-defined]
        authorize_user(request.user, principal, policy)
        return True
