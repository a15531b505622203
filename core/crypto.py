"""Secrets at rest and tokens in hand.

Stored secrets are encrypted with keys of their own (`GILO_ENCRYPTION_KEYS`, newest first), never with SECRET_KEY.
Tokens are 178 random bits with check characters: that much entropy needs no slow hash, so SHA-256 is stored.
"""

import hashlib
import secrets
import string
import zlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 30
_CHECK_LENGTH = 6


class SecretUnreadable(Exception):
    """The stored secret was written with a key that is no longer configured."""


@lru_cache(maxsize=1)
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(secret: str) -> str:
    """The secret as text that is safe to store."""
    return _fernet().encrypt(secret.encode()).decode() if secret else ""


def decrypt(stored: str) -> str:
    """The secret again; raises SecretUnreadable when no configured key opens it."""
    if not stored:
        return ""
    try:
        return _fernet().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


def make_token(prefix: str) -> str:
    """`prefix` + 30 random base62 characters + 6 check characters (CRC32), in the manner of GitHub's tokens."""
    random = "".join(secrets.choice(_BASE62) for _ in range(_RANDOM_LENGTH))
    return f"{prefix}{random}{_check_characters(random)}"


def is_well_formed_token(token: str, prefix: str) -> bool:
    """Whether the check characters fit: a mistyped or invented token needs no database look-up."""
    body = token[len(prefix) :]
    if not token.startswith(prefix) or len(body) != _RANDOM_LENGTH + _CHECK_LENGTH or not body.isascii():
        return False
    return _check_characters(body[:_RANDOM_LENGTH]) == body[_RANDOM_LENGTH:]


def token_digest(token: str) -> str:
    """What is stored of a token: 64 hexadecimal characters."""
    return hashlib.sha256(token.encode()).hexdigest()


def _check_characters(random: str) -> str:
    number = zlib.crc32(random.encode())
    characters = ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, 62)
        characters = _BASE62[digit] + characters
    return characters
