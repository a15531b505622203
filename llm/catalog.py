"""What is known of well-known models: prices, context sizes; and an estimate of tokens.

Prices are list prices in US dollars per million tokens, as of PRICES_AS_OF; those that were entered for the model's
endpoint come first. A model with neither costs 0 and is marked unknown, so that nobody takes an invented figure for a
bill. A listed name is found with the mark of a snapshot behind it, too ("gpt-4.1-mini-2025-04-14"), and with nothing
else: "o3-pro" is no "o3". Snapshots with a price of their own are listed.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from llm.types import OFFLINE_ID, Prices

PRICES_AS_OF = "2025-10"
_MILLION = Decimal(1_000_000)
_MICRO = Decimal("0.000001")
_NOTHING = Decimal("0.000000")
# What a run's row holds: a high price times nonsense for usage must not keep the answer from being stored.
_MOST = Decimal("9999.999999")
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Prices in USD per million tokens; context in tokens, None when unknown."""

    input_price: Decimal
    output_price: Decimal
    context: int | None
    is_known: bool = True


_UNKNOWN = ModelFacts(Decimal(0), Decimal(0), None, is_known=False)
_FREE = ModelFacts(Decimal(0), Decimal(0), None)

# name → (input, output, context)
_TABLE: dict[str, tuple[str, str, int]] = {
    # OpenAI
    "gpt-5": ("1.25", "10", 400_000),
    "gpt-5-mini": ("0.25", "2", 400_000),
    "gpt-5-nano": ("0.05", "0.40", 400_000),
    "gpt-5-pro": ("15", "120", 400_000),
    "gpt-5-chat": ("1.25", "10", 128_000),
    "gpt-5-codex": ("1.25", "10", 400_000),
    "gpt-4.1": ("2", "8", 1_047_576),
    "gpt-4.1-mini": ("0.40", "1.60", 1_047_576),
    "gpt-4.1-nano": ("0.10", "0.40", 1_047_576),
    "gpt-4o": ("2.50", "10", 128_000),
    "gpt-4o-2024-05-13": ("5", "15", 128_000),
    "gpt-4o-mini": ("0.15", "0.60", 128_000),
    "gpt-4-turbo": ("10", "30", 128_000),
    "gpt-4-turbo-preview": ("10", "30", 128_000),
    "gpt-3.5-turbo": ("0.50", "1.50", 16_385),
    "gpt-3.5-turbo-1106": ("1", "2", 16_385),
    "gpt-3.5-turbo-0613": ("1.50", "2", 4_096),
    "o1": ("15", "60", 200_000),
    "o1-preview": ("15", "60", 128_000),
    "o1-mini": ("1.10", "4.40", 128_000),
    "o1-pro": ("150", "600", 200_000),
    "o3": ("2", "8", 200_000),
    "o3-mini": ("1.10", "4.40", 200_000),
    "o3-pro": ("20", "80", 200_000),
    "o3-deep-research": ("10", "40", 200_000),
    "o4-mini": ("1.10", "4.40", 200_000),
    "o4-mini-deep-research": ("2", "8", 200_000),
    # Anthropic
    "claude-opus-4": ("15", "75", 200_000),
    "claude-opus-4-0": ("15", "75", 200_000),
    "claude-opus-4-1": ("15", "75", 200_000),
    "claude-sonnet-4": ("3", "15", 200_000),
    "claude-sonnet-4-0": ("3", "15", 200_000),
    "claude-sonnet-4-5": ("3", "15", 200_000),
    "claude-haiku-4-5": ("1", "5", 200_000),
    "claude-3-7-sonnet": ("3", "15", 200_000),
    "claude-3-5-sonnet": ("3", "15", 200_000),
    "claude-3-5-haiku": ("0.80", "4", 200_000),
    "claude-3-haiku": ("0.25", "1.25", 200_000),
    "claude-3-opus": ("15", "75", 200_000),
    # Google
    "gemini-2.5-pro": ("1.25", "10", 1_048_576),
    "gemini-2.5-flash": ("0.30", "2.50", 1_048_576),
    "gemini-2.5-flash-preview-09-2025": ("0.30", "2.50", 1_048_576),
    "gemini-2.5-flash-lite": ("0.10", "0.40", 1_048_576),
    "gemini-2.5-flash-lite-preview-09-2025": ("0.10", "0.40", 1_048_576),
    "gemini-2.0-flash": ("0.10", "0.40", 1_048_576),
    "gemini-2.0-flash-lite": ("0.075", "0.30", 1_048_576),
    # Mistral
    "mistral-large": ("2", "6", 128_000),
    "mistral-medium": ("0.40", "2", 128_000),
    "mistral-small": ("0.10", "0.30", 128_000),
    "magistral-medium": ("2", "5", 128_000),
    "magistral-small": ("0.50", "1.50", 128_000),
    "ministral-8b": ("0.10", "0.10", 128_000),
    "ministral-3b": ("0.04", "0.04", 128_000),
    "codestral": ("0.30", "0.90", 256_000),
    "open-mistral-nemo": ("0.15", "0.15", 128_000),
    # DeepSeek
    "deepseek-chat": ("0.28", "0.42", 128_000),
    "deepseek-reasoner": ("0.28", "0.42", 128_000),
    # Llama and others on Groq
    "llama-3.3-70b-versatile": ("0.59", "0.79", 131_072),
    "llama-3.1-8b-instant": ("0.05", "0.08", 131_072),
    "openai/gpt-oss-120b": ("0.15", "0.75", 131_072),
    "openai/gpt-oss-20b": ("0.10", "0.50", 131_072),
    # Llama on Together
    "meta-llama/Llama-3.3-70B-Instruct-Turbo": ("0.88", "0.88", 131_072),
    "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo": ("0.18", "0.18", 131_072),
    "meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo": ("3.50", "3.50", 130_815),
}
# gateways name models "vendor/model"
_VENDORS = ("openai/", "anthropic/", "google/", "mistralai/", "deepseek/")
_FACTS = {
    name.lower(): ModelFacts(Decimal(read), Decimal(write), context) for name, (read, write, context) in _TABLE.items()
}
# A date (2025-04-14, 20250514), a month or version (2411, 0125, 001), or the newest.
_SNAPSHOT = re.compile(r"[-@](?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{3,4}|latest)\Z")


@lru_cache(maxsize=1024)
def facts_of(model: str) -> ModelFacts:
    """What is known of a model, by its name or by that of which it is a snapshot."""
    name = model.lower()
    if name == OFFLINE_ID:
        return _FREE
    for candidate in (name, *(name.removeprefix(vendor) for vendor in _VENDORS if name.startswith(vendor))):
        found = _FACTS.get(candidate) or _FACTS.get(_SNAPSHOT.sub("", candidate))
        if found is not None:
            return found
    return _UNKNOWN


def prices_of(model: str, entered: Prices | None) -> Prices | None:
    """Those that were entered for the model's endpoint, else the listed ones; None: nobody knows what it costs."""
    if entered is not None:
        return entered
    facts = facts_of(model)
    return (facts.input_price, facts.output_price) if facts.is_known else None


def cost_usd(model: str, input_tokens: int, output_tokens: int, entered: Prices | None = None) -> Decimal:
    """What one answer costs in US dollars by `prices_of`, to a millionth; 0 for a model without a price."""
    prices = prices_of(model, entered)
    if prices is None:
        return _NOTHING
    read_price, write_price = prices
    cost = ((read_price * input_tokens + write_price * output_tokens) / _MILLION).quantize(_MICRO)
    return min(cost, _MOST)


def count_tokens(text: str) -> int:
    """An estimate: one token for four bytes of UTF-8.

    Against the usual tokenizers it is within 15 % for English prose, counts up to 25 % too few for French and code,
    and up to 40 % off for Chinese. Figures that are billed come from the endpoint's own usage.
    """
    length = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return (length + _BYTES_PER_TOKEN - 1) // _BYTES_PER_TOKEN
