"""The agent that answers on the landing page of a demo machine.

The page shows its key's id to everybody. So the key is a widget's: each visitor has a session of their own, and nobody
reads what another one has asked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from agents.config import AgentConfig
from agents.keys import KEY_PREFIX, forget_keys
from agents.models import Agent, ApiKey, KeyKind
from agents.selectors import find_serving_key
from agents.services import create_api_key
from core.crypto import token_digest


@dataclass(frozen=True, slots=True)
class LandingDemo:
    """What the page's chat is mounted with."""

    agent: Agent
    key_id: UUID

    def as_json(self) -> dict[str, Any]:
        version = self.agent.live_version or self.agent.draft_version
        look = AgentConfig.from_json(version.config if version else {}).as_json()["appearance"]
        return {
            "key": str(self.key_id),
            "agent": {
                "id": str(self.agent.pk),
                "name": self.agent.name,
                "appearance": look,
                "welcome_message": _("Hello! Ask me anything about GiLo. I answer from its guide."),
                "suggested_questions": [
                    _("Which file formats can an agent read?"),
                    _("How do I connect a model?"),
                    _("How much does Pro cost?"),
                ],
            },
        }


def open_landing_demo(agent: Agent) -> None:
    """Give the landing page a key to this agent, and remember which one."""
    key, _token = create_api_key(agent=agent, actor=None, name="Landing page", kind=KeyKind.WIDGET)
    _remember(key)


def narrow_landing_key() -> None:
    """Make the key of an earlier version a widget's: it was a secret one, of all scopes, and stood in the page.

    What people asked with it stays with the agent's owner; no visitor sees it any more.
    """
    token = _read_remembered()
    if not token.startswith(KEY_PREFIX):
        return
    with transaction.atomic():
        key = ApiKey.objects.select_for_update(of=("self",)).filter(digest=token_digest(token)).first()
        if key is None:
            _key_path().unlink()
            return
        key.kind, key.scopes = KeyKind.WIDGET, []
        key.save(update_fields=["kind", "scopes", "updated_at"])
        transaction.on_commit(forget_keys)
    _remember(key)


def load_landing_demo() -> LandingDemo | None:
    """The demo, or None where there is none: not a demo machine, or its agent is gone or off, or its key has ended."""
    key_id = _read_remembered()
    if not settings.SEED_DEMO or not key_id or key_id.startswith(KEY_PREFIX):
        return None
    key = find_serving_key(kind=KeyKind.WIDGET, pk=UUID(key_id))
    return LandingDemo(key.agent, key.pk) if key else None


def _read_remembered() -> str:
    """The key's id; its text where an earlier version wrote the file; "" without a demo."""
    path = _key_path()
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _remember(key: ApiKey) -> None:
    path = _key_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(str(key.pk), encoding="ascii")


def _key_path() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "secrets" / "landing_key"
