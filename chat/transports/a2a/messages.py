"""What a client sends, checked: a message of text, and how it wants the answer."""

from dataclasses import dataclass
from typing import Any

from chat.runtime.intake import MAX_MESSAGE_CHARACTERS, MessageTooLong
from chat.transports.a2a.card import JSON, TEXT
from chat.transports.a2a.errors import ContentUnsupported, PushUnsupported
from core.errors import ValidationFailed

DEFAULT_PAGE, LARGEST_PAGE = 50, 100
_WRITTEN = frozenset({TEXT, JSON, "text", "text/markdown", "text/*", "*/*", "application/*"})
_USER = frozenset({"ROLE_USER", 1})
_OTHER_CONTENT = frozenset({"raw", "url", "data"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A message to the agent."""

    text: str
    task_id: str
    context_id: str
    returns_immediately: bool
    history_length: int | None


def read_sent(params: dict[str, Any]) -> Sent:
    """The request's message. Raises ValidationFailed, MessageTooLong, ContentUnsupported, PushUnsupported."""
    message = _object(params, "message")
    configuration = _object(params, "configuration", may_be_absent=True)
    if message.get("role") not in _USER:
        raise ValidationFailed("`message.role` must be ROLE_USER.", param="message.role")
    if configuration.get("taskPushNotificationConfig"):
        raise PushUnsupported()
    modes = configuration.get("acceptedOutputModes") or []
    if not isinstance(modes, list) or (modes and not any(mode in _WRITTEN for mode in modes if isinstance(mode, str))):
        raise ContentUnsupported(param="configuration.acceptedOutputModes")
    return Sent(
        text=_join(message.get("parts")),
        task_id=read_text(message, "taskId"),
        context_id=read_text(message, "contextId"),
        returns_immediately=configuration.get("returnImmediately") is True,
        history_length=read_history_length(configuration),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks a client wants to see."""

    context_id: str
    state: str
    after: str
    page_size: int
    with_artifacts: bool


def read_wanted(params: dict[str, Any]) -> Wanted:
    """The filters and the page of ListTasks."""
    if params.get("statusTimestampAfter"):
        raise ValidationFailed("`statusTimestampAfter` is not supported.", param="statusTimestampAfter")
    size = params.get("pageSize") or DEFAULT_PAGE
    if type(size) is not int or not 1 <= size <= LARGEST_PAGE:
        raise ValidationFailed(f"`pageSize` must be a whole number from 1 to {LARGEST_PAGE}.", param="pageSize")
    return Wanted(
        context_id=read_text(params, "contextId"),
        state=read_text(params, "status"),
        after=read_text(params, "pageToken"),
        page_size=size,
        with_artifacts=params.get("includeArtifacts") is True,
    )


def read_text(params: dict[str, Any], name: str) -> str:
    """A text that may be absent: "" then."""
    value = params.get(name) or ""
    if not isinstance(value, str):
        raise ValidationFailed(f"`{name}` must be a text.", param=name)
    return value


def read_history_length(params: dict[str, Any]) -> int | None:
    """How many messages of the conversation the client wants with the task; None when it does not say."""
    value = params.get("historyLength")
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= 2**31:
        raise ValidationFailed("`historyLength` must be a whole number, not negative.", param="historyLength")
    return value


def _join(parts: Any) -> str:
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ValidationFailed("`message.parts` must be a list of parts.", param="message.parts")
    if any(_OTHER_CONTENT & part.keys() for part in parts):
        raise ContentUnsupported(param="message.parts")
    texts = [part.get("text") for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ValidationFailed("A part needs a `text`.", param="message.parts")
    joined = "\n".join(text for text in texts if text)
    if not joined.strip():
        raise ValidationFailed("Write a message first: a part with `text`.", param="message.parts")
    if len(joined) > MAX_MESSAGE_CHARACTERS:
        raise MessageTooLong(param="message.parts")
    return joined


def _object(params: dict[str, Any], name: str, *, may_be_absent: bool = False) -> dict[str, Any]:
    value = params.get(name)
    if value is None and may_be_absent:
        return {}
    if not isinstance(value, dict):
        raise ValidationFailed(f"`{name}` must be an object.", param=name)
    return value
