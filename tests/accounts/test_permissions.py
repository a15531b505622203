"""The one table: who passes which policy."""

from dataclasses import replace

import pytest

from accounts.errors import ScopeMissing
from accounts.models import Role
from accounts.permissions import (
    ACTIONS,
    API_KEY_ACTIONS,
    KEY_SCOPES,
    KNOWLEDGE,
    SCOPES,
    VISITOR_ACTIONS,
    Principal,
    authorize,
    is_allowed,
)
from core.errors import NotAuthenticated, PermissionDenied
from core.ids import uuid7
from core.policy import API_KEY, PUBLIC, SIGNED_IN

KEY = Principal(workspace_id=uuid7(), api_key_id=uuid7(), agent_id=uuid7())


def member(role):
    return Principal(workspace_id=uuid7(), user_id=uuid7(), role=role)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_roles_grow(action):
    viewer, editor, owner = (is_allowed(member(role), action) for role in (Role.VIEWER, Role.EDITOR, Role.OWNER))
    assert owner and (editor or not viewer)
    if not action.endswith((".view", ".chat")):
        assert not viewer


def test_editor_changes_but_never_deletes_agents():
    assert is_allowed(member(Role.EDITOR), "agent.edit")
    assert not is_allowed(member(Role.EDITOR), "agent.delete")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_api_key_may_do_its_few_actions_only(action):
    assert is_allowed(KEY, action) == (action in API_KEY_ACTIONS)


@pytest.mark.parametrize("scope", SCOPES)
def test_scoped_key_may_do_its_scopes_actions_only(scope):
    key = replace(KEY, scopes=frozenset({scope}))
    for action in ACTIONS:
        assert is_allowed(key, action) == (scope in KEY_SCOPES.get(action, ()))
    with pytest.raises(ScopeMissing):
        authorize(replace(key, scopes=frozenset({KNOWLEDGE})), "history.delete")


@pytest.mark.parametrize("scopes", [frozenset(), frozenset(SCOPES)])
def test_visitor_may_chat_and_read_and_nothing_else(scopes):
    visitor = replace(KEY, end_user="visitor:1", scopes=scopes)
    assert {action for action in ACTIONS if is_allowed(visitor, action)} == VISITOR_ACTIONS
    assert VISITOR_ACTIONS <= API_KEY_ACTIONS
    assert all(action.endswith((".view", ".chat")) for action in VISITOR_ACTIONS)


def test_policies_tell_visitors_members_and_keys_apart():
    for principal in (None, KEY, member(Role.VIEWER)):
        authorize(principal, PUBLIC)
    authorize(member(Role.VIEWER), SIGNED_IN)
    authorize(KEY, API_KEY)
    for policy in (SIGNED_IN, API_KEY, "agent.view"):
        with pytest.raises(NotAuthenticated):
            authorize(None, policy)
    for principal, policy in ((KEY, SIGNED_IN), (member(Role.OWNER), API_KEY), (KEY, "agent.edit")):
        with pytest.raises(PermissionDenied):
            authorize(principal, policy)


def test_principal_never_shows_its_session():
    assert "abc" not in repr(Principal(workspace_id=uuid7(), session_key="abc"))
