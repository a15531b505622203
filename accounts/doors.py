"""The way in for raw ASGI and WebSocket endpoints, which pass none of Django's middleware.

The same credentials and the same answers as Django's doors: an access token, or the session cookie with Django's own
CSRF check on unsafe methods; a WebSocket with a cookie must come from our own pages. It costs two short queries on the
event loop and no thread.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus
from importlib import import_module
from io import BytesIO
from typing import Any
from uuid import UUID

from allauth.headless.tokens.strategies.jwt import internal
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.http.request import split_domain_port, validate_host
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.crypto import constant_time_compare
from django.utils.datastructures import CaseInsensitiveMapping

from accounts.errors import CrossSiteRefused
from accounts.models import Role, User
from accounts.origin import SAFE_METHODS, is_own_origin
from accounts.permissions import Login, Principal
from accounts.selectors import wanted_workspace
from accounts.sessions import is_session_key
from core.async_db import fetch_all
from core.errors import NotFound

Scope = dict[str, Any]
LifeCheck = Callable[[Collection[UUID]], Awaitable[set[UUID]]]  # of these keys or grants, those that still open

_SESSION_QUERY = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > now()"
_MEMBER_QUERY = """
SELECT person.id, person.password, member.workspace_id, member.role
FROM accounts_user person
JOIN accounts_membership member ON member.user_id = person.id
WHERE person.id = %s AND person.is_active
ORDER BY (member.workspace_id = %s::uuid) DESC NULLS LAST, member.created_at, member.id
LIMIT 1
"""
# One row for each active user who is in the workspace, if one is named; by the place in the lists that are asked about.
_LOGINS_QUERY = """
SELECT asked.place, session.session_data, person.id, person.password
FROM unnest(%s::uuid[], %s::text[], %s::uuid[]) WITH ORDINALITY AS asked(user_id, session_key, workspace_id, place)
JOIN accounts_user person ON person.id = asked.user_id AND person.is_active
LEFT JOIN accounts_membership member ON member.user_id = asked.user_id AND member.workspace_id = asked.workspace_id
LEFT JOIN django_session session ON session.session_key = asked.session_key AND session.expire_date > now()
WHERE asked.workspace_id IS NULL OR member.id IS NOT NULL
"""
_key_checks: list[LifeCheck] = []
_grant_checks: list[LifeCheck] = []


def register_key_check(check: LifeCheck) -> None:
    """Tell this door how to ask whether an API key is alive: keys live in a higher app."""
    _key_checks.append(check)


def register_grant_check(check: LifeCheck) -> None:
    """The same for the grants that visitors' tokens name."""
    _grant_checks.append(check)


async def authenticate_scope(scope: Scope) -> Principal | None:
    """Who opens this HTTP or WebSocket connection; None without valid credentials.

    Raises CrossSiteRefused (foreign origin, no CSRF token) and NotFound (X-Workspace-Id of another's workspace).
    """
    headers = read_headers(scope)
    if "authorization" in headers:
        return await _authenticate_bearer(headers)
    key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    _refuse_other_sites(scope, headers)
    return await _principal_of_session(key, headers, None) if is_session_key(key) else None


async def check_still_allowed(principals: Sequence[Principal]) -> list[bool]:
    """For each who opened a long-lived stream, whether it may keep it: ask every few seconds.

    At most one query for logins, keys and grants each.
    """
    keys = {principal.api_key_id for principal in principals if principal.api_key_id is not None}
    grants = {principal.grant_id for principal in principals if principal.grant_id is not None}
    live_keys = await _find_live(keys, _key_checks)
    live_grants = await _find_live(grants, _grant_checks)
    logins = [_login_of(principal) for principal in principals]
    live_logins = await find_live_logins({login for login in logins if login is not None})
    return [
        (principal.api_key_id is None or principal.api_key_id in live_keys)
        and (principal.grant_id is None or principal.grant_id in live_grants)
        and (login is None or login in live_logins)
        for principal, login in zip(principals, logins, strict=True)
    ]


async def find_live_logins(logins: Collection[Login]) -> set[Login]:
    """Those of these that last: the user is active, in the workspace that the login names, and has not signed out or
    changed the password since. One query.
    """
    if not logins:
        return set()
    asked = list(logins)
    columns = zip(*[(login.user_id, login.session_key, login.workspace_id) for login in asked], strict=True)
    rows = await fetch_all(_LOGINS_QUERY, [list(column) for column in columns])
    return {asked[place - 1] for place, *found in rows if _lasts(asked[place - 1], *found)}


def _login_of(principal: Principal) -> Login | None:
    if principal.api_key_id is not None:
        return principal.login
    return Login(principal.user_id, principal.session_key, principal.workspace_id)


async def _find_live(ids: set[UUID], checks: list[LifeCheck]) -> set[UUID]:
    if not ids or not checks:
        return set()
    return set.intersection(*[await check(ids) for check in checks])


def _lasts(login: Login, session_data: str | None, user_id: UUID, password: str) -> bool:
    if login.session_key is None:
        return True
    return session_data is not None and _opens(_decode_session(session_data), user_id, password)


def read_headers(scope: Scope) -> CaseInsensitiveMapping[str]:
    return CaseInsensitiveMapping({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})


async def _authenticate_bearer(headers: CaseInsensitiveMapping[str]) -> Principal | None:
    scheme, _, token = headers["authorization"].partition(" ")
    payload = internal.decode_token(token.strip(), "access") if scheme.lower() == "bearer" else None
    key = internal.session_key_from_sid(payload["sid"]) if payload else None
    return await _principal_of_session(key, headers, payload["sub"]) if key and payload else None


async def _principal_of_session(
    key: str, headers: CaseInsensitiveMapping[str], subject: str | None
) -> Principal | None:
    rows = await fetch_all(_SESSION_QUERY, [key])
    session = _decode_session(rows[0][0]) if rows else {}
    user_id = session.get(SESSION_KEY)
    if not user_id or (subject is not None and subject != user_id):
        return None
    wanted = wanted_workspace(headers, session)
    members = await fetch_all(_MEMBER_QUERY, [user_id, wanted[0]])
    if not members or not _opens(session, *members[0][:2]):
        return None
    workspace_id, role = members[0][2:]
    if wanted[1] and wanted[0] != workspace_id:
        raise NotFound()
    return Principal(workspace_id=workspace_id, user_id=UUID(user_id), role=Role(role), session_key=key)


def _decode_session(data: str) -> dict[str, Any]:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore()
    return store.decode(data)


def _opens(session: dict[str, Any], user_id: UUID, password: str) -> bool:
    """Whether the session was opened by this user with the present password, as django.contrib.auth.get_user asks."""
    user = User(id=user_id, password=password)
    stored = session.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return session.get(SESSION_KEY) == str(user_id) and any(constant_time_compare(stored, one) for one in hashes)


def _refuse_other_sites(scope: Scope, headers: CaseInsensitiveMapping[str]) -> None:
    if scope["type"] == "websocket":
        if not comes_from_own_page(headers):
            raise CrossSiteRefused()
    elif scope["method"] not in SAFE_METHODS:
        _check_csrf(scope)


def comes_from_own_page(headers: CaseInsensitiveMapping[str]) -> bool:
    """Whether the Origin header names this site, at an address that this site goes by."""
    host = headers.get("host", "")
    known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    return known and is_own_origin(headers.get("origin", ""), host)


def _check_csrf(scope: Scope) -> None:
    # Django's own check, on a request without a body: the token must be in the header.
    plain = [(name, value) for name, value in scope["headers"] if name not in {b"content-type", b"content-length"}]
    request = ASGIRequest({**scope, "headers": plain}, BytesIO())
    middleware = CsrfViewMiddleware(_no_view)
    middleware.process_request(request)
    refusal = middleware.process_view(request, _no_view, (), {})
    if refusal is not None and refusal.status_code == HTTPStatus.FORBIDDEN:
        raise CrossSiteRefused()


def _no_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
