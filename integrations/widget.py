"""The widget: its script, which pages its frame may stand in, and the key behind it."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from accounts.origin import is_own_origin
from agents.errors import KeyNotForPages, OriginNotAllowed
from agents.keys import KEY_PREFIX, KeyIdentity, look_up_key_id, require_serving, resolve_page_key
from agents.models import KeyKind
from agents.origins import is_listed
from core.errors import Unavailable
from core.tenancy import parse_id
from integrations.errors import ChatNotFound, OriginsMissing

_SCRIPT = "widget/widget.js"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True, slots=True)
class Script:
    """The loader as it is served: its bytes, how they are packed, and their ETag."""

    content: bytes
    encoding: str
    etag: str


def load_script(accepted: str) -> Script:
    """The built loader, packed as the browser accepts it. Raises Unavailable before the first build."""
    for encoding, suffix in _ENCODINGS:
        path = settings.STATIC_ROOT / f"{_SCRIPT}{suffix}"
        if encoding in accepted and path.exists():
            return _read_script(path, path.stat().st_mtime_ns, encoding)
    for path in (settings.STATIC_ROOT / _SCRIPT, settings.BUILD_DIR / "assets" / _SCRIPT):
        if path.exists():
            return _read_script(path, path.stat().st_mtime_ns, "")
    raise Unavailable("The widget is not built. Run scripts/build_assets.py.")


@lru_cache(maxsize=8)
def _read_script(path: Path, _changed: int, encoding: str) -> Script:
    content = path.read_bytes()
    return Script(content, encoding, f'"{hashlib.sha256(content).hexdigest()[:16]}"')


async def find_page_key(key: str, agent_id: UUID | None = None) -> KeyIdentity:
    """The widget's or hosted page's key, named by itself or by its id (both are public: they stand in web pages).

    Raises ChatNotFound for a key that is unknown, ended or another agent's; KeyNotForPages, AgentOff.
    """
    identity = await (resolve_page_key(key) if key.startswith(KEY_PREFIX) else _find_by_id(key))
    if identity is None or (agent_id is not None and identity.agent.agent_id != agent_id):
        raise ChatNotFound()
    return identity


async def _find_by_id(key_id: str) -> KeyIdentity | None:
    identity = await look_up_key_id(parse_id(key_id))
    if identity is None or identity.kind == KeyKind.STORE:  # only the store opens its sessions
        return None
    require_serving(identity)
    if identity.kind == KeyKind.SECRET:
        raise KeyNotForPages()
    return identity


def require_page(identity: KeyIdentity, origin: str, host: str) -> None:
    """Raise OriginsMissing or OriginNotAllowed unless the widget may stand in this page.

    `origin` is the embedding page's, "" when the browser did not say: then `frame-ancestors` alone decides.
    """
    if origin and is_own_origin(origin, host):
        return  # the preview in the builder
    if not identity.allowed_origins:
        raise OriginsMissing()
    if origin and not is_listed(origin, identity.allowed_origins):
        raise OriginNotAllowed()


def origin_of(request: HttpRequest) -> str:
    """The origin of the page that asks for the frame, as the browser says it; "" when it does not."""
    claimed = request.headers.get("Origin") or request.headers.get("Referer") or ""
    scheme, slashes, rest = claimed.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if slashes else claimed
