"""Visitors' tokens: what a visitor of a widget or a hosted page shows with each request. Signed, stored nowhere."""

import time
from dataclasses import dataclass
from uuid import UUID

from allauth.headless.tokens.strategies.jwt.internal import session_key_from_sid, session_key_to_sid
from django.core.signing import BadSignature, Signer

from accounts.permissions import Login

VISITOR_PREFIX = "gilo_v."
VISITOR_TOKEN_SECONDS = 24 * 3600
VERIFIED = "user:"  # whom the site's own signature names
ANONYMOUS = "visitor:"  # whom we gave a number
_MAX_CHARACTERS = 8192
_signer = Signer(salt="gilo.visitor", sep=".")


@dataclass(frozen=True, slots=True)
class VisitorToken:
    """What a token says. `seal` changes with the key's identity secret: who was vouched for by an old one is out.

    `grant_id` is the right that each message uses; a token that is platform-paid does not use the creator's quota.
    `login` is of a user of ours, in the store: the token is worth nothing without it.
    """

    key_id: UUID
    end_user: str
    channel: str
    seal: str
    expires_at: int  # seconds since 1970
    grant_id: UUID | None = None
    is_platform_paid: bool = False
    login: Login | None = None

    @property
    def is_verified(self) -> bool:
        return self.end_user.startswith(VERIFIED)

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= time.time()


def write_visitor_token(token: VisitorToken) -> str:
    """The token as text; only letters, digits, `-`, `_` and `.`, so that it fits every header."""
    parts = [token.key_id.hex, token.end_user, token.channel, token.seal, token.expires_at]
    if token.grant_id or token.is_platform_paid or token.login:
        parts += [_write_id(token.grant_id), int(token.is_platform_paid), _write_login(token.login)]
    return VISITOR_PREFIX + _signer.sign_object(parts)


def read_visitor_token(text: str) -> VisitorToken | None:
    """What a token says, expired or not; None when it is not ours."""
    if not text.startswith(VISITOR_PREFIX) or len(text) > _MAX_CHARACTERS or not text.isascii():
        return None
    try:
        key_id, end_user, channel, seal, expires_at, *rights = _signer.unsign_object(text.removeprefix(VISITOR_PREFIX))
        grant, is_platform_paid, login = rights or ("", 0, [])
        paid = (_read_id(grant), bool(is_platform_paid), _read_login(login))
        return VisitorToken(UUID(key_id), end_user, channel, seal, expires_at, *paid)
    except (BadSignature, ValueError):
        return None


def _write_id(value: UUID | None) -> str:
    return value.hex if value else ""


def _read_id(text: str) -> UUID | None:
    return UUID(text) if text else None


def _write_login(login: Login | None) -> list[str]:
    if login is None:
        return []
    # The session's key is encrypted as in access tokens: pages' scripts read this token, and never the cookie.
    return [_write_id(login.user_id), session_key_to_sid(login.session_key or ""), _write_id(login.workspace_id)]


def _read_login(parts: list[str]) -> Login | None:
    if not parts:
        return None
    user_id, sid, workspace_id = parts
    return Login(_read_id(user_id), session_key_from_sid(sid) or "", _read_id(workspace_id))
