"""What a caller sends, checked: the fields of a chat request."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.errors import FieldError, NotFound, TooLarge, ValidationFailed

MAX_MESSAGE_CHARACTERS = 100_000
MAX_VARIABLES = 50
MAX_VARIABLE_CHARACTERS = 10_000
MAX_END_USER_CHARACTERS = 200
_FIELDS = frozenset({"message", "conversation_id", "stream", "variables", "user", "regenerate"})


class MessageTooLong(TooLarge):
    code = "message_too_long"
    message = f"The message is too long: at most {MAX_MESSAGE_CHARACTERS} characters. Shorten it or upload a document."


@dataclass(frozen=True, slots=True)
class ChatInput:
    """One checked chat request."""

    message: str
    conversation_id: UUID | None = None
    stream: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    end_user: str = ""
    regenerate: bool = False


def read_chat_input(body: Any) -> ChatInput:
    """The request's fields from its JSON; raises ValidationFailed, MessageTooLong, or NotFound for a malformed id."""
    if not isinstance(body, dict):
        raise ValidationFailed("The body must be a JSON object.")
    unknown = body.keys() - _FIELDS
    if unknown:
        raise ValidationFailed(errors=[FieldError(name, "This field is not known here.") for name in sorted(unknown)])
    regenerate = _flag(body, "regenerate", False)
    return ChatInput(
        message=read_message(body.get("message"), may_be_absent=regenerate),
        conversation_id=_conversation_id(body.get("conversation_id"), regenerate),
        stream=_flag(body, "stream", True),
        variables=_variables(body.get("variables")),
        end_user=_end_user(body.get("user")),
        regenerate=regenerate,
    )


def read_message(value: Any, *, may_be_absent: bool = False) -> str:
    """The message's text; only a regeneration may come without one."""
    if value is None and may_be_absent:
        return ""
    if not isinstance(value, str):
        raise ValidationFailed("`message` must be a text.", param="message")
    if len(value) > MAX_MESSAGE_CHARACTERS:
        raise MessageTooLong(param="message")
    if not value or value.isspace():
        raise ValidationFailed("Write a message first.", param="message")
    return value


def _conversation_id(value: Any, required: bool) -> UUID | None:
    if value is None:
        if required:
            raise ValidationFailed("`regenerate` needs a `conversation_id`.", param="conversation_id")
        return None
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise NotFound() from None


def _flag(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise ValidationFailed(f"`{name}` must be true or false.", param=name)
    return value


def _variables(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_VARIABLES:
        raise ValidationFailed(f"`variables` must be an object of at most {MAX_VARIABLES} texts.", param="variables")
    for name, text in value.items():
        if not isinstance(text, str) or len(text) > MAX_VARIABLE_CHARACTERS:
            raise ValidationFailed(
                f"A variable must be a text of at most {MAX_VARIABLE_CHARACTERS} characters.", param=f"variables.{name}"
            )
    return value


def _end_user(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_END_USER_CHARACTERS:
        raise ValidationFailed(f"`user` must be a text of at most {MAX_END_USER_CHARACTERS} characters.", param="user")
    return value
