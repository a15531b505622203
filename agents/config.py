"""What shapes an agent's answers: the JSON in `AgentVersion.config`, as an immutable value."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from django.utils.translation import gettext_noop

# What becomes of what an OpenAI-compatible request says for itself (the first is the default).
SYSTEM_MESSAGES = ("append", "refuse", "ignore")
TEMPERATURES = ("allow", "refuse", "ignore")
DEFAULT_INSTRUCTIONS = gettext_noop(  # pages write it in the maker's language
    "You are a helpful assistant. Answer briefly, in the language of the question. "
    "When passages from documents are given, answer from them and cite them; if they do not hold the answer, say so."
)


# Pairs of colours: to choose from, and of agents that have none of their own.
GRADIENTS = (
    ("#7c3aed", "#06b6d4"), ("#f97316", "#ec4899"), ("#059669", "#22b8a6"), ("#2563eb", "#7c5cf6"),
    ("#e11d63", "#a855f7"), ("#e08b0b", "#e0453a"), ("#0284c7", "#10b981"), ("#c026d3", "#6366f1"),
    ("#0d9488", "#3b82f6"), ("#4f46e5", "#e04f9c"), ("#65870f", "#0f9f6e"), ("#475569", "#7c6cf0"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Appearance:
    """How the chat looks: two hexadecimal colours of the gradient and a glyph (an icon name or one letter)."""

    color: str = "#7c3aed"
    color_2: str = "#06b6d4"
    glyph: str = ""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One version's whole configuration. `endpoint_id` None and `model` "": the workspace's default."""

    instructions: str = DEFAULT_INSTRUCTIONS
    endpoint_id: str | None = None
    model: str = ""
    temperature: float = 0.3
    max_tokens: int = 1024
    welcome_message: str = ""
    suggested_questions: tuple[str, ...] = ()
    knowledge_enabled: bool = True
    language: str = "auto"
    appearance: Appearance = field(default_factory=Appearance)
    openai_system_messages: str = SYSTEM_MESSAGES[0]
    openai_temperature: str = TEMPERATURES[0]

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read a stored configuration; fields that a later version added take their defaults."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        if "suggested_questions" in values:
            values["suggested_questions"] = tuple(values["suggested_questions"])
        if "appearance" in values:
            values["appearance"] = Appearance(**values["appearance"])
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        stored = asdict(self)
        stored["suggested_questions"] = list(self.suggested_questions)
        return stored
