"""Visitors: people who chat in a widget or on a hosted page, with or without a name that the site vouches for.

A visitor's session is a signed token, no row. Anonymous visitors are `visitor:<uuid>`, and stay the same person by
showing their last token; a name alone never makes anybody somebody. A site that knows its users signs a JWT (HS256,
`sub`, `exp`) with the key's identity secret: such a visitor is `user:<sub>` on every device.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from accounts.permissions import Login
from agents.errors import IdentityInvalid, IdentityRequired
from agents.keys import KeyIdentity
from agents.models import KeyKind
from agents.visitor_tokens import (
    ANONYMOUS,
    VERIFIED,
    VISITOR_TOKEN_SECONDS,
    VisitorToken,
    read_visitor_token,
    write_visitor_token,
)
from core.crypto import SecretUnreadable, decrypt
from core.ids import uuid7
from core.ratelimit import MINUTE_SECONDS, RateLimited, RateLimiter, Window
from core.text import is_storable

SESSIONS_PER_MINUTE = 60  # of one address at one door: an office behind one is many people
IDENTITY_SECONDS = 24 * 3600  # a site's signed identity lives at most this long
LEEWAY_SECONDS = 60  # clocks differ
MAX_SUBJECT_CHARACTERS = 190
LOGIN_SESSION_SECONDS = 3600  # of our own users, whose right may have changed meanwhile; pages renew it
REMEMBERED_SECONDS = 180 * 24 * 3600  # how long after its end a token still proves who an anonymous visitor was
_MAX_IDENTITY_CHARACTERS = 4096
_ALGORITHM = "HS256"
_windows = (Window("minute", MINUTE_SECONDS, SESSIONS_PER_MINUTE),)
_limiter = RateLimiter(settings.REDIS_URL)


@dataclass(frozen=True, slots=True)
class VisitorSession:
    """A visitor's session: the token goes with each request as `Authorization: Bearer`."""

    token: str
    end_user: str
    is_verified: bool
    expires_at: datetime


async def admit_address(door: str, address: str) -> None:
    """Count that this address asks for a session. Raises RateLimited for too many: guessing counts, too."""
    decision = await _limiter.hit(f"{door}:{address}", _windows)
    if not decision.allowed:
        raise RateLimited(decision)


def open_visitor_session(
    identity: KeyIdentity,
    *,
    visitor: str | None = None,
    identity_token: str | None = None,
    channel: str | None = None,
    login: Login | None = None,
    grant_id: UUID | None = None,
    is_platform_paid: bool = False,
) -> VisitorSession:
    """Open or renew a visitor's session under a widget's or hosted page's key (`agents.keys.resolve_page_key`).

    `visitor` is the token of the visitor's last session (also one that has expired): it keeps an anonymous visitor the
    same person; anything else there makes a new one. `identity_token` is the site's JWT; `login` is of a user of ours
    whom the caller has authenticated: their session is short, and ends with the login (`accounts.doors`).
    With a `grant_id` each message takes one use of that grant. Raises IdentityRequired, IdentityInvalid.
    """
    if login is not None:
        end_user = f"{VERIFIED}{login.user_id}"
    elif identity_token:
        end_user = VERIFIED + read_identity(identity, identity_token)
    elif identity.requires_identity:
        raise IdentityRequired()
    else:
        end_user = _recognise(identity, visitor) or f"{ANONYMOUS}{uuid7()}"
    expires_at = int(time.time()) + (VISITOR_TOKEN_SECONDS if login is None else LOGIN_SESSION_SECONDS)
    token = VisitorToken(
        identity.key_id,
        end_user,
        channel or _channel_of(identity),
        identity.seal,
        expires_at,
        grant_id,
        is_platform_paid,
        login,
    )
    moment = datetime.fromtimestamp(expires_at, UTC)
    return VisitorSession(write_visitor_token(token), end_user, token.is_verified, moment)


def read_identity(identity: KeyIdentity, token: str) -> str:
    """The subject of a JWT that the site signed with the key's identity secret. Raises IdentityInvalid."""
    if not identity.identity_secret or len(token) > _MAX_IDENTITY_CHARACTERS:
        raise IdentityInvalid()
    try:
        claims = jwt.decode(
            token,
            decrypt(identity.identity_secret),
            algorithms=[_ALGORITHM],
            leeway=LEEWAY_SECONDS,
            options={"require": ["sub", "exp"], "verify_aud": False, "verify_iss": False},
        )
        if claims["exp"] > time.time() + IDENTITY_SECONDS + LEEWAY_SECONDS:
            raise IdentityInvalid(f"The signed identity may live {IDENTITY_SECONDS // 3600} hours at most.")
    except (jwt.PyJWTError, SecretUnreadable, ValueError, TypeError, OverflowError, RecursionError):
        raise IdentityInvalid() from None
    return _read_subject(claims["sub"])


def _read_subject(subject: Any) -> str:
    if not isinstance(subject, str) or not subject.strip() or not subject.isprintable() or not is_storable(subject):
        raise IdentityInvalid("The identity's `sub` must be your id of the user, as text.")
    if len(subject) > MAX_SUBJECT_CHARACTERS:
        raise IdentityInvalid(f"The identity's `sub` may have {MAX_SUBJECT_CHARACTERS} characters at most.")
    return subject


def _recognise(identity: KeyIdentity, visitor: str | None) -> str | None:
    """Who shows this token, if it is an anonymous visitor of this key or of one that it replaced."""
    token = read_visitor_token(visitor) if visitor else None
    if token is None or token.is_verified or token.key_id not in identity.family:
        return None
    return token.end_user if token.expires_at + REMEMBERED_SECONDS > time.time() else None


def _channel_of(identity: KeyIdentity) -> str:
    return KeyKind(identity.kind).value
