"""Budgets as callers meet them: reserved before the model is asked, settled after, exact in a crowd."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest

from agents.services import rotate_api_key
from billing.models import Budget, BudgetCounter, UsageRecord
from chat.models import Message, Run
from llm.models import ModelEndpoint
from llm.services import create_endpoint
from tests.chat.conftest import make_client
from tests.chat.serving import Client
from tests.processes import wait_until


@pytest.fixture
def endpoint(agent, fake_model, settings) -> ModelEndpoint:
    """The workspace's own endpoint with an unlisted model, at a thousand dollars for a million tokens."""
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    return create_endpoint(
        workspace_id=agent.workspace_id, name="Ours", base_url=fake_model.url, default_model="fake-model",
        input_price=Decimal(1000), output_price=Decimal(1000),
    )  # fmt: skip


def cap(agent, *, tokens=None, usd=None, scope="agent", period="day", **fields):
    return Budget.objects.create(
        workspace=agent.workspace, agent_id=agent.pk, scope=scope, period=period, limit_tokens=tokens, limit_usd=usd,
        **fields,
    )  # fmt: skip


def configure(agent, **changes):
    config = {**agent.draft_version.config, **changes}
    type(agent.draft_version).objects.filter(pk=agent.draft_version_id).update(config=config)


def test_turn_is_settled_with_what_it_cost(client_with_key, agent):
    budget = cap(agent, tokens=100_000)
    answer = client_with_key.ask("Hello")
    counter = BudgetCounter.objects.get(budget=budget)
    used = answer["usage"]["input_tokens"] + answer["usage"]["output_tokens"]
    assert used > 0
    assert (counter.reserved_tokens, counter.spent_tokens, counter.room_tokens) == (0, used, 100_000 - used)
    assert Run.objects.get().reservation is None


def test_conversation_deleted_under_an_answer_is_counted_first(client_with_key, agent):
    cap(agent, tokens=100_000)
    with client_with_key.streaming("WORDS:400 DELAY:50") as events:
        conversation = next(events).data["conversation_id"]
        next(events)
        assert client_with_key.call("DELETE", f"/api/v1/conversations/{conversation}").status_code == 200
    counter, record = BudgetCounter.objects.get(), UsageRecord.objects.get()
    assert (counter.reserved_tokens, counter.spent_tokens) == (0, record.input_tokens + record.output_tokens)
    assert record.output_tokens > 0
    assert not Run.objects.exists()


def test_turn_over_the_cap_is_refused_before_the_model_is_asked(client_with_key, agent, fake_model):
    cap(agent, tokens=10)
    response = client_with_key.post_chat("Hello", stream=False)
    assert response.status_code == 402
    error = response.json()["error"]
    assert error["code"] == "budget_exceeded"
    assert "10 tokens a day" in error["message"]
    assert "starts anew on" in error["message"]
    assert int(response.headers["Retry-After"]) > 0
    assert fake_model.chats == []
    assert (Run.objects.count(), Message.objects.count()) == (0, 0)
    counter = BudgetCounter.objects.get()
    assert (counter.reserved_tokens, counter.spent_tokens, counter.room_tokens) == (0, 0, 10)


def test_turn_on_an_unlisted_model_is_reserved_and_settled_by_the_entered_prices(client_with_key, agent, endpoint):
    cap(agent, usd=1000)
    with client_with_key.streaming("WORDS:20 DELAY:100") as events:
        next(events)
        held = BudgetCounter.objects.get()
        assert held.reserved_usd == Decimal(held.reserved_tokens) / 1000 > 1
        list(events)
    settled = BudgetCounter.objects.get()
    assert settled.reserved_usd == 0
    assert settled.spent_usd == Decimal(settled.spent_tokens) / 1000 > 0
    assert Run.objects.get().cost_usd == settled.spent_usd


def test_budget_in_dollars_refuses_a_turn_on_an_unlisted_model_with_prices(
    client_with_key, agent, endpoint, fake_model
):
    cap(agent, usd=Decimal("0.5"))
    refused = client_with_key.post_chat("Hello", stream=False)
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
    assert "$0.50 a day" in refused.json()["error"]["message"]
    assert fake_model.chats == []


def test_operators_prices_hold_for_the_platforms_unlisted_model(client_with_key, agent, settings):
    settings.OPENAI_INPUT_PRICE = settings.OPENAI_OUTPUT_PRICE = Decimal(1000)
    cap(agent, usd=1000)
    answer = client_with_key.ask("Hello")
    used = answer["usage"]["input_tokens"] + answer["usage"]["output_tokens"]
    assert BudgetCounter.objects.get().spent_usd == Decimal(used) / 1000 == Decimal(str(answer["usage"]["cost_usd"]))
    Budget.objects.update(limit_usd=Decimal("0.01"))
    assert client_with_key.post_chat("Hello", stream=False).status_code == 402


def test_fifty_turns_at_once_at_the_cap_admit_exactly_what_fits(client_with_key, agent, server):
    configure(agent, max_tokens=100)
    budget = cap(agent, tokens=100_000)
    held = one_reservation(client_with_key, budget)
    Budget.objects.filter(pk=budget.pk).update(limit_tokens=BudgetCounter.objects.get().spent_tokens + 7 * held)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client_with_key.post_chat("WORDS:20 DELAY:100", stream=False), range(50)))
    codes = [answer.status_code for answer in answers]
    # what is settled while others still knock makes room again, so at least the seven, and never more than fit at once
    assert codes.count(200) >= 7
    assert set(codes) == {200, 402}
    counter = BudgetCounter.objects.get()
    limit = Budget.objects.get().limit_tokens
    assert counter.reserved_tokens == 0
    assert counter.spent_tokens <= limit


def test_turns_at_once_that_fill_a_variable_in_many_places_stay_within_the_cap(client_with_key, agent):
    configure(agent, instructions="{{n}} {{ n }} {{n}} {{n}}", max_tokens=100)
    budget = cap(agent, tokens=30_000)
    question = {"stream": False, "variables": {"n": "x" * 10_000}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client_with_key.post_chat("WORDS:20 DELAY:50", **question), range(8)))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(402)) == (2, 6)
    assert 20_000 < BudgetCounter.objects.get(budget=budget).spent_tokens <= 30_000


def test_history_that_the_model_does_not_read_is_not_reserved(client_with_key, agent):
    budget = cap(agent, tokens=20_000)
    messages = [("user", "x" * 80_000), ("assistant", "Long."), ("user", "SAY: Thanks")]
    body = {"model": str(agent.pk), "messages": [{"role": role, "content": text} for role, text in messages]}
    answer = client_with_key.call("POST", "/api/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert BudgetCounter.objects.get(budget=budget).spent_tokens == answer.json()["usage"]["total_tokens"] < 100


def one_reservation(client, budget) -> int:
    """How many tokens a turn of this kind holds while it runs."""
    with client.streaming("WORDS:20 DELAY:100") as events:
        next(events)
        held = BudgetCounter.objects.get(budget=budget).reserved_tokens
        assert held > 100
        list(events)
    return held


def test_cancelled_turn_gives_its_reservation_back(client_with_key, agent):
    budget = cap(agent, tokens=100_000)
    with client_with_key.streaming("WORDS:200 DELAY:50") as events:
        run_id = next(events).data["run_id"]
        assert BudgetCounter.objects.get(budget=budget).reserved_tokens > 0
        next(events)
        client_with_key.cancel(run_id)
        list(events)
    counter = BudgetCounter.objects.get(budget=budget)
    assert counter.reserved_tokens == 0
    assert 0 < counter.spent_tokens < 500


def test_turn_cancelled_before_its_first_word_pays_for_the_question(client_with_key, agent, fake_model):
    budget = cap(agent, tokens=100_000)
    with client_with_key.streaming("FIRST:20000 Hello there") as events:
        run_id = next(events).data["run_id"]
        wait_until(lambda: fake_model.chats, 10, "the model call")
        client_with_key.cancel(run_id)
        list(events)
    counter = BudgetCounter.objects.get(budget=budget)
    assert counter.reserved_tokens == 0
    assert 0 < counter.spent_tokens == Run.objects.get().input_tokens


@pytest.mark.parametrize("is_named", [True, False])
def test_rotating_a_key_lifts_no_budget(client_with_key, agent, server, is_named):
    key = agent.api_keys.get()
    budget = cap(agent, tokens=100_000, scope="api_key", api_key_id=key.pk if is_named else None)
    client_with_key.ask("Hello")
    spent = BudgetCounter.objects.get(budget=budget).spent_tokens
    heir, token = rotate_api_key(key=key, actor=None, overlap=timedelta(hours=1))
    client = Client(server, str(agent.pk), {"Authorization": f"Bearer {token}"})
    client.ask("Hello")
    client_with_key.ask("Hello")
    counter = BudgetCounter.objects.get(budget=budget)
    assert (counter.subject, counter.spent_tokens) == (str(key.pk), 3 * spent)
    Budget.objects.update(limit_tokens=counter.spent_tokens)
    _, newest = rotate_api_key(key=heir, actor=None, overlap=timedelta(0))
    client.headers["Authorization"] = f"Bearer {newest}"
    assert client.post_chat("Hello", stream=False).status_code == 402
    client.session.close()


@pytest.mark.parametrize("scope", ["conversation", "end_user", "api_key"])
def test_each_subject_has_its_own_room(client_with_key, agent, server, scope):
    cap(agent, tokens=100_000, scope=scope)
    first = client_with_key.ask("Hello", user="ann")
    client_with_key.ask("Hello", user="bob")
    other_key = make_client(server, agent)
    other_key.ask("Hello", user="ann")
    other_key.session.close()
    subjects = {counter.subject for counter in BudgetCounter.objects.all()}
    expected = {"conversation": 3, "end_user": 2, "api_key": 2}[scope]
    assert len(subjects) == expected
    assert ("ann" in subjects) == (scope == "end_user")
    assert (first["conversation_id"] in subjects) == (scope == "conversation")
