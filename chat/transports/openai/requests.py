"""What both APIs ask, checked. What has no meaning for an agent is refused rather than dropped in silence; hints that
can do no harm are taken without effect. docs/openai.md lists which is which."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from agents.config import AgentConfig
from chat.runtime.intake import MAX_END_USER_CHARACTERS, read_message
from core.errors import ValidationFailed
from llm.types import ChatMessage

MAX_MESSAGES = 1000
# Taken without effect by both APIs: of OpenAI itself, then what clients of other servers send along.
HINTS = frozenset(
    {
        *("access_programs", "metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "seed", "service_tier", "store", "top_p", "user", "safety_identifier"),
        *("top_k", "min_p", "typical_p", "repetition_penalty", "num_ctx", "keep_alive", "session_id", "chat_id"),
    }
)
# What may be sent when it asks for nothing special.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "top_logprobs": (None, 0),
    "moderation": (None,),
}
_REASONS = {
    "tools": "The agent has the tools that its maker gave it: a request brings none.",
    "functions": "The agent has the tools that its maker gave it: a request brings none.",
    "conversation": "Use `previous_response_id` to go on with a conversation.",
    "prompt": "The prompt is the agent: send `input`.",
}


class Asked(NamedTuple):
    """What a request asks of the agent, whatever the API: the last question, what came before it, and its wishes."""

    question: str
    history: tuple[ChatMessage, ...] = ()
    told: tuple[str, ...] = ()  # system and developer messages
    temperature: float | None = None
    max_tokens: int | None = None
    end_user: str = ""


def read_object(body: Any, known: Collection[str], neutral: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The body once it is an object of fields that we know, those that we cannot serve being neutral."""
    if not isinstance(body, dict):
        raise ValidationFailed("The body must be a JSON object.")
    for name, value in body.items():
        if name in known:
            continue
        if name not in neutral:
            raise ValidationFailed(f"`{name}` is not known here.", param=name)
        if value not in neutral[name]:
            raise ValidationFailed(_REASONS.get(name, f"`{name}` cannot be set: the agent decides it."), param=name)
    return body


def split_messages(messages: list[ChatMessage], param: str) -> tuple[str, tuple[ChatMessage, ...], tuple[str, ...]]:
    """(the question, the history before it, what system messages tell); the last message must be the user's."""
    if messages[-1].role != "user":
        raise ValidationFailed("The last message must be the user's.", param=param)
    history = tuple(message for message in messages[:-1] if message.role in {"user", "assistant"})
    return messages[-1].content, history, tuple(m.content for m in messages if m.role in {"system", "developer"})


def read_role(value: Any, param: str) -> str:
    """The message's role."""
    role = value.get("role") if isinstance(value, dict) else None
    if role in ("tool", "function"):
        raise ValidationFailed("Results of tools cannot be sent: the agent runs its own.", param=param)
    if role not in ("system", "developer", "user", "assistant"):
        raise ValidationFailed("A message needs a `role`: system, developer, user or assistant.", param=param)
    return str(role)


def make_message(role: str, content: Any, text_parts: Collection[str], param: str) -> ChatMessage:
    """A message of a role from its `content`: text, or parts of these types."""
    text = _join_parts(content, text_parts, f"{param}.content")
    return ChatMessage(role, read_message(text) if role == "user" else text)


def _join_parts(content: Any, types: Collection[str], param: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ValidationFailed("`content` must be text, or a list of parts that hold text.", param=param)
    return "".join(_text_of(part, types, param) for part in content)


def _text_of(part: Any, types: Collection[str], param: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in tuple(types):
        raise ValidationFailed(f"Only text can be read here: parts of type {' or '.join(sorted(types))}.", param=param)
    if not isinstance(part.get("text"), str):
        raise ValidationFailed("A part of text needs `text`.", param=param)
    return str(part["text"])


def read_flag(body: dict[str, Any], name: str) -> bool:
    return bool(read_typed(body, name, bool, False))


def read_typed(body: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    """A field of this type; `default` when it is absent or null."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise ValidationFailed(f"`{name}` has the wrong type.", param=name)
    return value


def read_number(body: dict[str, Any], name: str, least: float, most: float) -> float | None:
    """A number between two others, both included; None when it is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValidationFailed(f"`{name}` must be a number from {least:g} to {most:g}.", param=name)
    return float(value)


def read_max_tokens(body: dict[str, Any], *names: str) -> int | None:
    """The first of these fields that is set; it lowers the agent's limit, never raises it."""
    name = next((name for name in names if body.get(name) is not None), names[0])
    value = read_number(body, name, 1, 1_000_000)
    return None if value is None else int(value)


def read_end_user(body: dict[str, Any]) -> str:
    """Whom the program asks for: `safety_identifier`, or `user` as it was called before."""
    name = "safety_identifier" if body.get("safety_identifier") is not None else "user"
    value = str(read_typed(body, name, str, ""))
    if len(value) > MAX_END_USER_CHARACTERS:
        raise ValidationFailed(f"`{name}` must have at most {MAX_END_USER_CHARACTERS} characters.", param=name)
    return value


def settle_instructions(config: AgentConfig, told: tuple[str, ...], param: str) -> str:
    """What system messages add to the agent's instructions, by its setting."""
    if told and config.openai_system_messages == "refuse":
        raise ValidationFailed(
            "This agent takes no instructions from a request: leave out system and developer messages.", param=param
        )
    return "\n\n".join(told) if config.openai_system_messages == "append" else ""


def settle_temperature(config: AgentConfig, asked: float | None) -> float | None:
    """The temperature that replaces the agent's, by its setting; None leaves the agent's."""
    if asked is not None and config.openai_temperature == "refuse":
        raise ValidationFailed("This agent's temperature is fixed: leave out `temperature`.", param="temperature")
    return asked if config.openai_temperature == "allow" else None
