"""Who may use a route: declared on each route, checked in one place.

Every view carries a `policy`: PUBLIC, SIGNED_IN, API_KEY, OPERATOR (who runs this server), or the name of an action in
`accounts.permissions` ("agent.edit"). DRF views set the class attribute `policy` (one action, or a dict
method → action) and are checked by `accounts.permissions.PolicyPermission`; function views take the decorator
`with_policy`; raw ASGI endpoints set `.policy` and call the same `authorize`. A test walks all routes and fails on one
without a policy.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from core.errors import MethodNotAllowed

V = TypeVar("V", bound=Callable[..., Any])

PUBLIC = "public"
SIGNED_IN = "signed_in"
API_KEY = "api_key"
OPERATOR = "operator"

Policy = str | dict[str, str]


def with_policy(policy: Policy) -> Callable[[V], V]:
    """Declare a function view's policy; `accounts.middleware` enforces it before the view runs."""

    def declare(view: V) -> V:
        view.policy = policy  # type: ignore[attr-defined]
        return view

    return declare


def policy_for(declared: Policy, method: str) -> str:
    """The action that this HTTP method needs. HEAD and OPTIONS count as GET. Raises MethodNotAllowed."""
    if isinstance(declared, str):
        return declared
    action = declared.get("GET" if method in {"HEAD", "OPTIONS"} else method)
    if action is None:
        raise MethodNotAllowed(declared)
    return action
