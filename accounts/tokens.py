"""The dashboard API's tokens: a short access JWT and a rotating refresh JWT over one Django session.

The session is the token family: log out, a password change (its hash no longer fits) or a refresh token that is used
a second time ends it, and with it every access token, because each use of one loads its session. allauth's headless
package signs and reads the tokens; what is ours is the lock that makes "used twice" exact, and the revocation.
"""

from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.headless import app_settings
from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.jwt import internal
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from core.errors import NotAuthenticated

_CSRF_STATE = ("CSRF_COOKIE", "CSRF_COOKIE_NEEDS_UPDATE")


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh answers."""

    access: str
    refresh: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "access": self.access,
            "refresh": self.refresh,
            "expires_in": app_settings.JWT_ACCESS_TOKEN_EXPIRES_IN,
        }


class TokenSession:
    """A context in which the request has a new session of its own, instead of the browser's cookie session.

    allauth's sign-in flows write to `request.session`; for the API that session must not become a cookie.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def __enter__(self) -> HttpRequest:
        self._session, self._user = self._request.session, self._request.user
        self._csrf = {name: self._request.META.get(name) for name in _CSRF_STATE}
        self._request.session = sessionkit.new_session()
        self._request.user = AnonymousUser()
        return self._request

    def __exit__(self, *exception: object) -> None:
        self._request.session, self._request.user = self._session, self._user
        self._request.META.update(self._csrf)  # signing in has rotated the token of the browser's pages: put it back


def open_session(request: HttpRequest, user: User) -> TokenPair:
    """Sign the user in on `request.session` (a TokenSession's) and give the first pair of tokens."""
    get_adapter(request).login(request, user)
    session = request.session
    session.set_expiry(app_settings.JWT_REFRESH_TOKEN_EXPIRES_IN)
    session.save()
    pair = _make_pair(user, session)
    session.save()
    return pair


def rotate(refresh: str) -> TokenPair:
    """A new pair for a refresh token, which is dead from now on. Used twice, it ends the whole family.

    Raises NotAuthenticated. Writes the session under a row lock, so that of two simultaneous uses one is the second.
    """
    payload = internal.decode_token(refresh, "refresh")
    key = internal.session_key_from_sid(payload["sid"]) if payload else None
    pair = _rotate_locked(key, payload) if payload and key else None
    if pair is None:
        raise NotAuthenticated("The refresh token is not valid any more. Sign in again.", code="refresh_invalid")
    return pair


@transaction.atomic
def _rotate_locked(key: str, payload: dict[str, Any]) -> TokenPair | None:
    if not Session.objects.select_for_update().filter(session_key=key).exists():
        return None
    session = sessionkit.lookup_session(key)
    user = internal.validate_token_user(payload, session) if session else None
    if session is None or user is None:
        return None
    if payload["jti"] not in internal.get_refresh_token_state(session):
        session.flush()
        return None
    internal.invalidate_refresh_token(session, payload)
    pair = _make_pair(user, session)
    session.save()
    return pair


def _make_pair(user: Any, session: SessionBase) -> TokenPair:
    access = internal.create_access_token(user, session, {})
    return TokenPair(access, internal.create_refresh_token(user, session))


def session_of(token: str, use: str = "access") -> SessionBase | None:
    """The live session of a token that we signed, or None."""
    payload = internal.decode_token(token, use)
    return internal.get_token_session(payload) if payload else None


def authenticate(access: str) -> tuple[User, SessionBase] | None:
    """The user and session of an access token, None when forged, expired or ended. Two queries."""
    payload = internal.decode_token(access, "access")
    session = internal.get_token_session(payload) if payload else None
    if payload is None or session is None:
        return None
    user = internal.validate_token_user(payload, session)
    return (user, session) if isinstance(user, User) else None


def end_session(session: SessionBase) -> None:
    """Delete the session: all its tokens are dead."""
    session.flush()
