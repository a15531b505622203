"""Every route that exists, with another workspace's ids, without credentials, and with each role.

The routes are read from the lists that serve them, so a new one is tested, or fails, from its first day.
"""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from django.apps import apps
from django.core.management import call_command
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from accounts.models import Role
from accounts.permissions import ACTIONS, API_KEY_ACTIONS
from core.policy import OPERATOR, PUBLIC
from tests.factories import make_agent
from tests.live import PROGRAM, LiveServer
from tests.routes import POLICY_WORDS, Route, all_routes
from tests.world import CSRF_HEADERS, Place, add_member, cookies_of, make_place

ROUTES = all_routes()
# Open to everybody, and why. A route that becomes public by mistake is not in this list.
PUBLIC_ROUTES = {
    "/": "the landing page",
    "/docs": "the API's documentation",
    "/api/docs": "the API's documentation",
    "/favicon.ico": "an icon",
    "/api/schema": "the API's description",
    "/api/health": "asked by load balancers",
    "/_styleguide": "only with GILO_DEBUG; 404 otherwise",
    "/language": "remembers a choice in a cookie",
    "/login": "the way in",
    "/login/code": "the way in, second step",
    "/login/cancelled": "the way in failed",
    "/login/error": "the way in failed",
    "/login/suspended": "the way in failed",
    "/logout": "asks, then ends one's own session",
    "/signup": "the way in",
    "/signup/social": "the way in through GitHub or Google",
    "/confirm-email": "after sign-up",
    "/confirm-email/{key}": "opened by a signed key",
    "/password/reset": "for who cannot sign in",
    "/password/reset/sent": "for who cannot sign in",
    "/password/reset/done": "for who cannot sign in",
    "/password/reset/key/{uidb36}-{key}": "opened by a signed key",
    "/widget.js": "stands in other people's pages",
    "/widget/{agent_id}": "asks for a widget's key, and for the page around it",
    "/api/v1/visitor-sessions": "opened by a widget's key, for visitors",
    "/api/v1/agents/{agent_id}/a2a/.well-known/agent-card.json": "a deployed agent's card; others ask for the key",
    "/api/webhooks/stripe": "opened by Stripe's signature",
    "/{slug}": "an agent's own page, while its owner has it on",
    "/store": "the store",
    "/store/creators/{handle}": "what somebody has published",
    "/store/{slug}": "a published listing",
    "/store/{slug}/chat": "a published listing's chat, which asks for what it takes",
    "/store/{slug}/icon": "a listing's icon",
    "/store/{slug}/og.png": "a listing's picture for link previews",
    "/api/store/listings": "the store",
    "/api/store/listings/{slug}": "a published listing",
    "/api/store/listings/{slug}/reviews": "a published listing's reviews",
    "/api/store/listings/{slug}/session": "for visitors: opened by what they may use",
    "/api/auth/register": "the way in",
    "/api/auth/login": "the way in",
    "/api/auth/refresh": "opened by a refresh token",
    "/api/auth/logout": "opened by a refresh token",
    "/api/auth/forgot": "for who cannot sign in",
    "/api/auth/reset": "opened by a signed key",
    "/api/auth/verify-email": "opened by a signed key",
    "/api/auth/providers": "which buttons the sign-in page shows",
    "/api/auth/github": "the way in through GitHub",
    "/api/auth/github/callback": "the way in through GitHub",
    "/api/auth/google": "the way in through Google",
    "/api/auth/google/callback": "the way in through Google",
}
# Path parameters that name nothing of a workspace.
SHARED_PARAMETERS = {"template_id": "assistant", "uidb36": "1", "key": "x", "slug": "no-such-page", "handle": "nobody"}
MODEL_ROUTES = {"/api/v1/models/{model}"}  # the model is an agent's id or slug
# Bodies that are valid, so that what is refused is refused for its id. By path template; {} otherwise.
BODIES: dict[str, dict[str, Any]] = {
    "/api/agents": {"name": "New"},
    "/api/agents/{agent_id}": {"name": "Renamed"},
    "/api/agents/{agent_id}/config": {"instructions": "Be kind."},
    "/api/agents/{agent_id}/api-keys": {"name": "new"},
    "/api/agents/{agent_id}/budgets": {"scope": "agent", "period": "day", "limit_usd": 5},
    "/api/agents/{agent_id}/budgets/{budget_id}": {"limit_usd": 5},
    "/api/agents/{agent_id}/webhooks": {"url": "https://hooks.example.com/", "events": ["message.created"]},
    "/api/agents/{agent_id}/webhooks/{webhook_id}": {"is_active": False},
    "/api/agents/{agent_id}/webhooks/{webhook_id}/replay": {"since": "2026-01-01T00:00:00Z"},
    "/api/agents/{agent_id}/chat": {"message": "Hello?"},
    "/api/v1/agents/{agent_id}/chat": {"message": "Hello?"},
    "/api/agents/{agent_id}/knowledge/search": {"query": "hello"},
    "/api/messages/{message_id}/feedback": {"value": 1},
    "/api/v1/messages/{message_id}/feedback": {"value": 1},
    "/api/v1/knowledge/search": {"query": "hello"},
    "/api/model-endpoints/{endpoint_id}": {"name": "Renamed"},
    "/api/store/mine": {"agent_id": str(uuid4()), "name": "New", "category": "support"},
    "/api/store/mine/{listing_id}": {"name": "Renamed"},
    "/api/store/mine/{listing_id}/tokens": {"label": "new"},
    "/api/store/mine/{listing_id}/reviews/{review_id}/reply": {"text": "Thank you."},
    "/api/store/creator": {"handle": "new-name", "name": "New name"},
    "/api/store/moderation/reports/{report_id}/decide": {"action": "dismiss"},
    "/api/store/moderation/listings/{listing_id}": {"action": "take_down", "reason": "Spam."},
    "/api/store/moderation/creators/{creator_id}": {"is_verified": True},
}
UPLOADS = {"/api/agents/{agent_id}/knowledge", "/api/store/mine/{listing_id}/icon"}
# A member's own conversations are nobody else's: here another member is answered 404, whatever the role.
PERSONAL_PARAMETERS = {"conversation_id", "message_id", "run_id"}


@dataclass
class World:
    """A running server, my workspace and someone else's."""

    url: str
    mine: Place
    theirs: Place

    def ask(self, route: Route, method: str, ids: dict[str, str], **extra: Any) -> requests.Response:
        path = route.template.format(**{**SHARED_PARAMETERS, **ids})
        if method not in {"GET", "DELETE"}:
            is_upload = route.template in UPLOADS
            extra |= (
                {"files": {"file": ("a.txt", b"Hello.")}} if is_upload else {"json": BODIES.get(route.template, {})}
            )
        return PROGRAM.request(method, self.url + path, allow_redirects=False, timeout=30, **extra)

    def as_me(self, route: Route) -> dict[str, Any]:
        """Credentials of my workspace that fit the route's door."""
        if route.opens_with_key:
            return {"headers": {"Authorization": f"Bearer {self.mine.api_key}"}}
        return {"cookies": cookies_of(self.mine.owner), "headers": CSRF_HEADERS}


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock():
        with LiveServer() as server:
            yield World(server.url, make_place(), make_place())
        call_command("flush", interactive=False, verbosity=0)


def with_ids(routes: list[Route]) -> list[Route]:
    return [route for route in routes if set(route.parameters) - set(SHARED_PARAMETERS)]


def http(routes: list[Route]) -> list[Route]:
    return [route for route in routes if route.kind != "websocket"]


def each_method(routes: list[Route], wanted: Callable[[Route, str], bool] = lambda route, method: True) -> Any:
    pairs = [(route, method) for route in routes for method in route.methods if wanted(route, method)]
    return pytest.mark.parametrize(("route", "method"), pairs, ids=[f"{method} {route}" for route, method in pairs])


def is_closed(route: Route, method: str) -> bool:
    return not route.is_public(method)


def is_for(role: Role, *, allowed: bool) -> Callable[[Route, str], bool]:
    """Which routes members come to whose action this role may, or may not, do."""

    def wanted(route: Route, method: str) -> bool:
        action = route.action(method)
        return not route.opens_with_key and action in ACTIONS and (role in ACTIONS[action]) is allowed

    return wanted


def without_request_id(response: requests.Response) -> bytes:
    """The body without what differs between any two requests: their id, the path asked for, the CSRF token's mask."""
    body = re.sub(rb'"request_id": ?"[^"]*"', b"", response.content)
    body = body.replace(urlsplit(response.url).path.encode(), b"")
    return re.sub(rb'(csrfmiddlewaretoken" value="|name="csrf-token" content=")\w+', b"", body)


def ids_to_try(route: Route, mine: Place, theirs: Place) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """(ids that are another workspace's, the same with ids that nobody has), parents first, then the child alone."""
    names = [name for name in route.parameters if name in theirs.ids]
    for count in range(1, len(names) + 1):
        for chosen in itertools.combinations(names, count):
            if chosen == ("number",):
                continue  # a version's number under one's own agent names one's own version
            foreign = {**mine.ids, **{name: theirs.ids[name] for name in chosen}}
            missing = {**mine.ids, **{name: str(uuid4()) for name in chosen if name != "number"}}
            yield foreign, missing


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_route_declares_a_policy_that_exists(route):
    assert route.policy is not None, f"{route} has no policy: see core/policy.py"
    for method in route.methods:
        assert route.action(method) in POLICY_WORDS | set(ACTIONS)


@pytest.mark.django_db  # needs no rows, but pytest-django makes the database only when a test says so
def test_public_routes_are_exactly_those_on_the_list():
    public = {route.template for route in ROUTES if any(route.is_public(method) for method in route.methods)}
    assert public == set(PUBLIC_ROUTES)


@pytest.mark.parametrize("route", with_ids(ROUTES), ids=str)
def test_every_path_parameter_is_known_here(route, world):
    assert set(route.parameters) <= set(world.mine.ids) | set(SHARED_PARAMETERS), "teach tests/world.py the new one"


@each_method(with_ids(http(ROUTES)), lambda route, method: route.action(method) != OPERATOR)
def test_another_workspaces_id_answers_like_a_missing_one(route, method, world):
    before = count_rows()
    for foreign_ids, missing_ids in ids_to_try(route, world.mine, world.theirs):
        foreign = world.ask(route, method, foreign_ids, **world.as_me(route))
        missing = world.ask(route, method, missing_ids, **world.as_me(route))
        if route.kind == "page" and foreign.status_code == missing.status_code == 405:
            continue
        assert foreign.status_code == 404, foreign.text[:500]
        assert missing.status_code == 404, missing.text[:500]
        assert without_request_id(foreign) == without_request_id(missing)
        assert set(foreign.headers) == set(missing.headers)
    assert count_rows() == before


@each_method([route for route in with_ids(http(ROUTES)) if "agent_id" in route.parameters and route.opens_with_key])
def test_a_key_does_not_open_its_own_workspaces_other_agents(route, method, world):
    other = make_agent(world.mine.workspace, name="Other")
    answer = world.ask(route, method, {**world.mine.ids, "agent_id": str(other.pk)}, **world.as_me(route))
    missing = world.ask(route, method, {**world.mine.ids, "agent_id": str(uuid4())}, **world.as_me(route))
    assert answer.status_code == missing.status_code == 404
    assert without_request_id(answer) == without_request_id(missing)


@each_method(http(ROUTES), is_closed)
def test_without_credentials_only_public_routes_answer(route, method, world):
    answer = world.ask(route, method, world.mine.ids)
    if route.kind == "page" and answer.status_code == 302:
        assert answer.headers["Location"].startswith("/login")
    else:
        assert answer.status_code in {401, 403}, answer.text[:500]


@each_method(http(ROUTES), is_closed)
def test_a_revoked_or_forged_credential_opens_nothing(route, method, world):
    for headers in (
        {"Authorization": "Bearer gilo_0000000000000000000000000000000000"},
        {"Authorization": "Bearer a.b.c"},
        {"Cookie": f"sessionid={'z' * 32}; csrftoken={'c' * 32}", **CSRF_HEADERS},
    ):
        answer = world.ask(route, method, world.mine.ids, headers=headers)
        assert answer.status_code in {302, 401, 403}, answer.text[:500]


@each_method(http(ROUTES), is_for(Role.EDITOR, allowed=False))
def test_editor_is_refused_where_the_table_says(route, method, world):
    assert_refused(world, Role.EDITOR, route, method)


@each_method(http(ROUTES), is_for(Role.VIEWER, allowed=False))
def test_viewer_is_refused_where_the_table_says(route, method, world):
    assert_refused(world, Role.VIEWER, route, method)


@each_method(http(ROUTES), lambda route, method: route.action(method) == OPERATOR)
def test_owner_is_refused_where_the_operator_decides(route, method, world):
    assert_refused(world, Role.OWNER, route, method)


def assert_refused(world: World, role: Role, route: Route, method: str) -> None:
    user = add_member(world.mine, role)
    before = count_rows()
    answer = world.ask(route, method, world.mine.ids, cookies=cookies_of(user), headers=CSRF_HEADERS)
    assert answer.status_code == 403, answer.text[:500]
    assert count_rows() == before


@each_method(http(ROUTES), is_for(Role.VIEWER, allowed=True))
def test_viewer_may_read_where_the_table_says(route, method, world):
    if method == "GET":
        user = add_member(world.mine, Role.VIEWER)
        answer = world.ask(route, method, world.mine.ids, cookies=cookies_of(user))
        is_personal = PERSONAL_PARAMETERS & set(route.parameters)
        assert answer.status_code == (404 if is_personal else 200), answer.text[:500]


def test_keys_open_only_what_the_table_says():
    for route in ROUTES:
        if route.opens_with_key:
            assert {route.action(method) for method in route.methods} - {PUBLIC} <= API_KEY_ACTIONS


def count_rows() -> dict[str, int]:
    """How many rows each of our tables has: a refused request changes none."""
    ours = ("accounts", "billing", "agents", "knowledge", "chat", "llm", "store", "integrations")
    return {
        model._meta.label: model._default_manager.count()
        for app in ours
        for model in apps.get_app_config(app).get_models()
    }


SOCKETS = [route for route in ROUTES if route.kind == "websocket"]


def close_of(world: World, route: Route, ids: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    """How a refused WebSocket ends: its close code and the last frame before it, without its request id.

    A handshake that is refused already counts as the code's twin: HTTP 403 as 4403.
    """
    url = world.url.replace("http", "ws") + route.template.format(**ids)
    frames: list[str | bytes] = []
    try:
        with connect(url, additional_headers=headers, open_timeout=10) as socket, contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(socket.recv(timeout=10))
        code = socket.protocol.close_code or 0
    except InvalidStatus as refused:
        code = 4000 + refused.response.status_code
    return code, re.sub(r'"request_id": ?"[^"]*"', "", str(frames[-1:]))


@pytest.mark.parametrize("route", SOCKETS, ids=str)
def test_socket_of_another_workspace_closes_like_a_missing_one(route, world):
    cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(world.mine.owner).items())
    for headers in ({"Cookie": cookies, "Origin": world.url}, {"Authorization": f"Bearer {world.mine.api_key}"}):
        foreign = close_of(world, route, world.theirs.ids, headers)
        missing = close_of(world, route, {**world.mine.ids, "agent_id": str(uuid4())}, headers)
        assert foreign == missing
        assert foreign[0] == 4404


@pytest.mark.parametrize("route", SOCKETS, ids=str)
def test_socket_from_another_site_is_refused(route, world):
    cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(world.mine.owner).items())
    assert close_of(world, route, world.mine.ids, {"Cookie": cookies, "Origin": "https://evil.example"})[0] == 4403


@pytest.mark.parametrize("route", SOCKETS, ids=str)
def test_socket_with_a_forged_key_is_refused(route, world):
    headers = {"Authorization": "Bearer gilo_0000000000000000000000000000000000"}
    assert close_of(world, route, world.mine.ids, headers)[0] == 4401
