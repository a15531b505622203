"""Signatures by the Standard Webhooks scheme, so that receivers verify them with a library they already have.

Signed is `id.timestamp.body`. Each valid secret makes one signature; the header holds them side by side.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from core.crypto import decrypt
from integrations.models import WebhookEndpoint

SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin, not one
_SECRET_BYTES = 32


def make_secret() -> str:
    """A new secret in the form that receivers paste into their settings."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def secrets_of(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The secrets that sign now, newest first. Raises SecretUnreadable when a stored one cannot be opened."""
    stored = [endpoint.secret]
    if endpoint.previous_secret_until and endpoint.previous_secret_until > now:
        stored.append(endpoint.previous_secret)
    return [decrypt(secret) for secret in stored]


def signed_headers(message_id: str, body: bytes, valid_secrets: list[str], now: datetime) -> dict[str, str]:
    """The three headers of one request at this moment."""
    timestamp = str(int(now.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{_sign(content, secret)}" for secret in valid_secrets]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def _sign(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
