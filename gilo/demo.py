"""The agent that answers on the landing page of a demo machine, through an API key of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from agents.config import AgentConfig
from agents.models import Agent, ApiKey
from agents.services import create_api_key
from core.crypto import token_digest


@dataclass(frozen=True, slots=True)
class LandingDemo:
    """What the page's chat is mounted with."""

    agent: Agent
    key: str

    def as_json(self) -> dict[str, Any]:
        version = self.agent.live_version or self.agent.draft_version
        look = AgentConfig.from_json(version.config if version else {}).as_json()["appearance"]
        return {
            "key": self.key,
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
    """Give the landing page a key to this agent, kept beside the machine's other secrets."""
    _key, token = create_api_key(agent=agent, actor=None, name="Landing page")
    path = _key_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(token, encoding="ascii")


def load_landing_demo() -> LandingDemo | None:
    """The demo, or None where there is none: not a demo machine, or its agent or key is gone."""
    if not settings.SEED_DEMO or not _key_path().exists():
        return None
    token = _key_path().read_text(encoding="ascii")
    keys = ApiKey.objects.select_related("agent__draft_version", "agent__live_version")
    key = keys.filter(digest=token_digest(token), revoked_at=None).first()
    return LandingDemo(key.agent, token) if key else None


def _key_path() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "secrets" / "landing_key"
