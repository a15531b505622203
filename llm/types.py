"""What passes between the run loop and a model: requests, events, endpoints. Plain values, no Django."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

OFFLINE_ID = "offline"
PLATFORM_ID = "platform"

# US dollars for a million tokens: read, and written
Prices = tuple[Decimal, Decimal]


def make_prices(read: Decimal | None, written: Decimal | None) -> Prices | None:
    """Both, or None when one is missing."""
    return None if read is None or written is None else (read, written)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of the prompt: role `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document found for the question; `index` is the number of its citation mark, `[1]` and up."""

    index: int
    document_id: str
    filename: str
    page: int | None
    content: str
    score: float
    chunk_id: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One answer asked of a model.

    `passages` and `question` are for the demo model, which reads no prompt: they are already within `messages`.
    `language` is a code ("fr", "en") or "auto".
    """

    messages: list[ChatMessage]
    temperature: float
    max_tokens: int
    passages: tuple[Passage, ...] = ()
    language: str = "auto"
    question: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: the first piece of each `index` carries id and name, arguments come as JSON fragments."""

    index: int
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written. Comes once, before or after `Finished`, when the endpoint says it."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Why the model stopped: `stop`, `length`, `tool_calls`, `content_filter`, or what the endpoint says."""

    reason: str


ModelEvent = TextDelta | ToolCallDelta | Usage | Finished


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an answer comes from. `id` is a ModelEndpoint's id, OFFLINE_ID or PLATFORM_ID.

    `is_platform` marks an address of the operator's: it may be private and needs no egress guard. `prices` were entered
    with the address and go before the list prices (`llm.catalog`).
    """

    id: str
    base_url: str
    api_key: str = field(repr=False)
    model: str
    is_platform: bool
    kind: Literal["openai", "offline"]
    prices: Prices | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What is tried: not necessarily saved. `is_operator` marks an address of the operator's own."""

    base_url: str
    api_key: str
    model: str
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried, and how it went. `ms` is how long it took."""

    name: str
    ok: bool
    message: str
    ms: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All steps up to the first that failed. `base_url` is a better one when the given one lacks /v1, else ""."""

    ok: bool
    steps: list[Step]
    models: list[str]
    base_url: str = ""
