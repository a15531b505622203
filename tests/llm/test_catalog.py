from decimal import Decimal

import pytest

from llm.catalog import cost_usd, count_tokens, facts_of, prices_of
from llm.types import Prices


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4.1-mini", "0.40"),
        ("gpt-4.1-mini-2025-04-14", "0.40"),
        ("gpt-4.1", "2"),
        ("gpt-4o-mini", "0.15"),
        ("gpt-5", "1.25"),
        ("GPT-5-nano", "0.05"),
        ("openai/gpt-4o", "2.50"),
        ("anthropic/claude-sonnet-4-5", "3"),
        ("claude-3-5-haiku-latest", "0.80"),
        ("mistral-small-latest", "0.10"),
        ("o3-mini", "1.10"),
        ("o3", "2"),
        ("o3-pro", "20"),
        ("openai/o3-pro", "20"),
        ("o3-pro-2025-06-10", "20"),
        ("o1-pro", "150"),
        ("gpt-4o-2024-05-13", "5"),
        ("openai/gpt-4o-2024-05-13", "5"),
        ("gpt-4o-2024-11-20", "2.50"),
        ("gpt-5-chat-latest", "1.25"),
        ("claude-opus-4-20250514", "15"),
        ("claude-sonnet-4@20250514", "3"),
        ("claude-sonnet-4-5-20250929", "3"),
        ("gemini-2.0-flash-001", "0.10"),
        ("mistral-large-2411", "2"),
        ("openai/gpt-oss-120b", "0.15"),
    ],
)
def test_facts_of_finds_the_family(model: str, price: str) -> None:
    assert facts_of(model).input_price == Decimal(price)


@pytest.mark.parametrize("model", ["", "llama3.2:3b", "gpt-4.1x", "fake-model", "my-gpt-4o", "o30", "latest", "-2411"])
def test_facts_of_an_unlisted_model_are_unknown_and_free(model: str) -> None:
    assert not facts_of(model).is_known
    assert cost_usd(model, 10**6, 10**6) == 0


@pytest.mark.parametrize(
    "model", ["o3-ultra", "gpt-4o-realtime-preview", "claude-opus-4-9", "codestral:22b", "gpt-5-2025-08-07-mini"]
)
def test_facts_of_a_sibling_are_not_the_familys(model: str) -> None:
    assert not facts_of(model).is_known


def test_cost_usd_is_exact_to_a_millionth() -> None:
    assert cost_usd("gpt-4.1-mini", 1_000, 500) == Decimal("0.001200")
    assert cost_usd("offline", 10**6, 10**6) == 0
    assert facts_of("offline").is_known


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("hello world!", 3), ("été", 2), ("東京都", 3)]
)
def test_count_tokens_estimates(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@pytest.mark.parametrize("model", ["llama3.2:3b", "gpt-4.1-mini"])
def test_cost_usd_takes_the_entered_prices_first(model: str) -> None:
    assert cost_usd(model, 1_000, 500, (Decimal("0.5"), Decimal(2))) == Decimal("0.001500")


def test_cost_usd_stays_within_what_a_run_can_hold() -> None:
    assert cost_usd("llama3.2:3b", 10**7, 10**7, (Decimal(10_000), Decimal(10_000))) == Decimal("9999.999999")
    assert cost_usd("o1-pro", 10**8, 10**8) == Decimal("9999.999999")


@pytest.mark.parametrize(
    ("model", "entered", "prices"),
    [
        ("gpt-4.1-mini", None, (Decimal("0.40"), Decimal("1.60"))),
        ("gpt-4.1-mini", (Decimal(7), Decimal(8)), (Decimal(7), Decimal(8))),
        ("llama3.2:3b", (Decimal(0), Decimal(0)), (Decimal(0), Decimal(0))),
        ("llama3.2:3b", None, None),
    ],
)
def test_prices_of_are_the_entered_ones_then_the_listed_ones(
    model: str, entered: Prices | None, prices: object
) -> None:
    assert prices_of(model, entered) == prices
