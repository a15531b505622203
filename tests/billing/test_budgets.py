import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import orjson
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection as django_connection
from django.utils.translation import override
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from billing import budgets
from billing.budgets import (
    CAPS_SUBQUERY,
    COUNT_MANY_CTES,
    COUNT_ONE_CTE,
    COUNTING_COLUMNS,
    COUNTING_SUMS,
    OPEN_COUNTERS,
    Cap,
    as_reservation,
    exceeded_from,
    is_over_budget,
    parse_caps,
    period_at,
    reserve,
    settle,
    taking,
)
from billing.models import Budget, BudgetCounter
from core.async_db import close_pool, connection_parameters
from core.ids import uuid7
from tests.factories import make_agent, make_workspace

COUNTING = f"""
counting AS MATERIALIZED (
    SELECT {COUNTING_SUMS} FROM json_to_recordset(%s::json) AS r({COUNTING_COLUMNS}) GROUP BY counter
)"""
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def cap_of(budget):
    return Cap(budget.pk, budget.scope, budget.api_key_id, budget.period)


def make_budget(workspace=None, **fields):
    workspace = workspace or make_workspace()[0]
    given = {"agent_id": uuid4(), "scope": "agent", "period": "day", "limit_usd": Decimal(1), **fields}
    return Budget.objects.create(workspace=workspace, **given)


def ask(budgets, usd="0.1", tokens=100, api_key_id=None, key_family=(), end_user="", conversation_id=None, now=NOW):
    return reserve(
        [cap_of(budget) for budget in budgets],
        api_key_id=api_key_id, key_family=key_family, end_user=end_user, conversation_id=conversation_id or uuid4(),
        usd=Decimal(usd), tokens=tokens, now=now,
    )  # fmt: skip


def paid(rows, usd="0.1", tokens=100):
    return settle(as_reservation(rows), usd=Decimal(usd), tokens=tokens)


async def connect():
    return await psycopg.AsyncConnection.connect(**connection_parameters(), autocommit=True)


def statements(reserving, settling):
    """As the group commit does it: counters that may be missing are made first."""
    changes = [*taking(reserving), *settling]
    several = len({str(row["counter"]) for row in changes}) > 1
    ctes = COUNT_MANY_CTES if several else COUNT_ONE_CTE
    return [
        (OPEN_COUNTERS.replace("$1", "%s"), [orjson.dumps(list(reserving)).decode()]),
        (f"WITH {COUNTING}, {ctes} SELECT 1", [orjson.dumps(changes).decode()]),
    ]


async def write(connection, reserving=(), settling=()):
    for statement, parameters in statements(reserving, settling):
        await connection.execute(statement, parameters)


async def try_write(connection, rows):
    try:
        await write(connection, rows)
    except psycopg.errors.CheckViolation as error:
        assert is_over_budget(error)
        return False
    return True


@pytest.fixture
async def link(transactional_db):
    connection = await connect()
    yield connection
    await connection.close()
    await close_pool()


@pytest.fixture
async def budget(transactional_db):
    return await sync_to_async(make_budget)()


async def counter_of(budget):
    return await BudgetCounter.objects.aget(budget=budget)


async def test_reservation_takes_room_and_settlement_gives_back_what_was_not_spent(link, budget):
    rows = ask([budget], "0.3", 500)
    await write(link, rows)
    held = await counter_of(budget)
    assert (held.reserved_usd, held.room_usd, held.reserved_tokens) == (Decimal("0.3"), Decimal("0.7"), 500)
    assert (held.starts_at, held.resets_at) == (datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC))
    await write(link, settling=paid(rows, "0.1", 120))
    done = await counter_of(budget)
    assert (done.reserved_usd, done.reserved_tokens, done.spent_usd, done.spent_tokens) == (0, 0, Decimal("0.1"), 120)
    assert done.room_usd == Decimal("0.9")


async def test_50_parallel_reservations_on_two_connections_admit_exactly_what_fits(link, budget):
    links = [link, await connect()]

    async def take(number):
        async with locks[number % 2]:
            return await try_write(links[number % 2], ask([budget], "0.0999"))

    locks = [asyncio.Lock(), asyncio.Lock()]
    admitted = await asyncio.gather(*(take(number) for number in range(50)))
    await links[1].close()
    assert sum(admitted) == 10
    assert (await counter_of(budget)).reserved_usd == Decimal("0.999")


async def test_group_that_does_not_fit_writes_nothing_and_its_turns_fit_one_by_one(link, budget):
    turns = [ask([budget], "0.4") for _ in range(3)]
    assert not await try_write(link, [row for turn in turns for row in turn])
    assert (await counter_of(budget)).reserved_usd == 0
    assert [await try_write(link, turn) for turn in turns] == [True, True, False]


async def test_group_that_fits_is_one_change_of_the_counter(link, budget):
    assert await try_write(link, [row for _ in range(10) for row in ask([budget], "0.1")])
    assert (await counter_of(budget)).room_usd == 0


async def test_one_statement_that_reserves_and_settles_the_same_counter_counts_both(link, budget):
    first = ask([budget], "0.9")
    await write(link, first)
    second = ask([budget], "0.7")
    await write(link, second, paid(first, "0.3"))
    counter = await counter_of(budget)
    assert (counter.reserved_usd, counter.spent_usd, counter.room_usd) == (Decimal("0.7"), Decimal("0.3"), 0)


async def test_settlement_above_the_reservation_is_kept_and_closes_the_budget(link, budget):
    rows = ask([budget], "0.5")
    await write(link, rows)
    await write(link, settling=paid(rows, "1.7"))
    counter = await counter_of(budget)
    assert (counter.reserved_usd, counter.spent_usd, counter.room_usd) == (0, Decimal("1.7"), 0)
    assert not await try_write(link, ask([budget], "0.00000001"))


async def test_room_after_overspending_counts_the_overspent_part(link, budget):
    small, large = ask([budget], "0.1"), ask([budget], "0.5")
    await write(link, small + large)
    await write(link, settling=paid(small, "0.9"))
    await write(link, settling=paid(large, "0"))
    assert (await counter_of(budget)).room_usd == Decimal("0.1")


async def test_token_cap_refuses_without_a_money_cap(link):
    budget = await sync_to_async(make_budget)(limit_usd=None, limit_tokens=1_000)
    assert await try_write(link, ask([budget], "999", 1_000))
    assert not await try_write(link, ask([budget], "0", 1))
    assert (await counter_of(budget)).room_usd is None


async def test_cap_that_was_raised_or_removed_meanwhile_holds_at_once(link, budget):
    assert await try_write(link, ask([budget], "1"))
    assert not await try_write(link, ask([budget], "0.5"))
    await Budget.objects.filter(pk=budget.pk).aupdate(limit_usd=2)
    assert await try_write(link, ask([budget], "0.5"))
    await Budget.objects.filter(pk=budget.pk).aupdate(limit_usd=Decimal("0.1"))
    assert not await try_write(link, ask([budget], "0.01"))
    await Budget.objects.filter(pk=budget.pk).adelete()
    rows = ask([budget], "5")
    assert await try_write(link, rows)
    await write(link, settling=paid(rows))
    assert not await BudgetCounter.objects.aexists()


async def test_each_scope_has_counters_of_its_own(link, budget):
    workspace = await sync_to_async(lambda: budget.workspace)()
    key, other_key = uuid4(), uuid4()
    scopes = {"api_key": {}, "end_user": {}, "conversation": {}, "named": {"scope": "api_key", "api_key_id": key}}
    made = {
        name: await sync_to_async(make_budget)(workspace, **{"scope": name, **fields})
        for name, fields in scopes.items()
    }
    conversation = uuid4()
    caps = [budget, *made.values()]
    await write(link, ask(caps, api_key_id=key, end_user="ann", conversation_id=conversation))
    await write(link, ask(caps, api_key_id=other_key, end_user="bob", conversation_id=conversation))
    await write(link, ask(caps, conversation_id=uuid4()))
    counts = {name: await BudgetCounter.objects.filter(budget=row).acount() for name, row in made.items()}
    assert counts == {"api_key": 2, "end_user": 2, "conversation": 2, "named": 1}
    assert (await counter_of(budget)).reserved_tokens == 300


@pytest.mark.parametrize("named", [None, 0, 1])
def test_keys_that_replaced_one_another_are_one_to_a_budget(named):
    keys = sorted(uuid7() for _ in range(3))  # in the order of their making, even of one millisecond
    cap = Cap(uuid4(), "api_key", None if named is None else keys[named], "day")

    def counter_for(key, family=()):
        turn = {"end_user": "", "conversation_id": uuid4(), "usd": Decimal(0), "tokens": 1, "now": NOW}
        return [row["counter"] for row in reserve([cap], api_key_id=key, key_family=family, **turn)]

    alone = counter_for(keys[named or 0])
    for size in (2, 3):
        families = [keys[:size], keys[:size][::-1]]
        assert {tuple(counter_for(key, family)) for key in keys[:size] for family in families} == {tuple(alone)}
    stranger = uuid7()
    assert counter_for(stranger, (stranger,)) != alone


@pytest.mark.parametrize(
    ("period", "now", "starts", "resets"),
    [
        ("day", "2026-03-04T23:59:59+00:00", "2026-03-04T00:00:00+00:00", "2026-03-05T00:00:00+00:00"),
        ("day", "2026-03-05T01:00:00+02:00", "2026-03-04T00:00:00+00:00", "2026-03-05T00:00:00+00:00"),
        ("month", "2026-12-31T12:00:00+00:00", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("month", "2026-01-31T12:00:00+00:00", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
    ],
)
def test_period_edges_are_utc(period, now, starts, resets):
    expected = tuple(datetime.fromisoformat(text) for text in (starts, resets))
    assert period_at(period, datetime.fromisoformat(now)) == expected


async def test_total_never_starts_anew(link):
    budget = await sync_to_async(make_budget)(period="total")
    await write(link, ask([budget], "0.6"))
    assert not await try_write(link, ask([budget], "0.6", now=NOW + timedelta(days=400)))
    assert (await counter_of(budget)).resets_at is None


async def test_next_day_has_its_own_room_and_late_settlements_go_to_their_day(link, budget):
    rows = ask([budget], "1")
    await write(link, rows)
    assert await try_write(link, ask([budget], "1", now=NOW + timedelta(days=1)))
    await write(link, settling=paid(rows, "0.2"))
    spent = [counter.spent_usd async for counter in BudgetCounter.objects.order_by("starts_at")]
    assert spent == [Decimal("0.2"), 0]


async def test_alert_is_noted_once_at_80_percent_of_what_is_spent(link, budget):
    first = ask([budget], "0.79999999")
    await write(link, first)
    await write(link, settling=paid(first, "0.79999999"))
    assert (await counter_of(budget)).alerted_at is None
    second, third = ask([budget], "0.1"), ask([budget], "0.1")
    await write(link, second + third)
    await write(link, settling=paid(second, "0.00000001"))
    noted = (await counter_of(budget)).alerted_at
    assert noted is not None
    await write(link, settling=paid(third, "0.1"))
    assert (await counter_of(budget)).alerted_at == noted


async def test_alert_is_noted_when_a_statement_settles_and_reserves(link, budget):
    first = ask([budget], "0.85")
    await write(link, first)
    await write(link, ask([budget], "0.1"), paid(first, "0.85"))
    assert (await counter_of(budget)).alerted_at is not None


async def test_error_says_which_cap_how_much_and_when(link, budget):
    workspace = await sync_to_async(lambda: budget.workspace)()
    tokens = await sync_to_async(make_budget)(
        workspace, scope="conversation", period="total", limit_usd=None, limit_tokens=50
    )
    spacious = await sync_to_async(make_budget)(workspace, limit_usd=100, period="month")
    await write(link, ask([budget, spacious], "0.95"))
    rows = ask([spacious, budget], "0.1")
    assert not await try_write(link, rows)
    with override("en"):
        error = await exceeded_from(rows, NOW)
    assert (int(error.status), error.code, error.scope, error.period) == (402, "budget_exceeded", "agent", "day")
    assert "$1.00 a day" in error.message and "2026-03-05 00:00 UTC" in error.message
    assert error.headers == {"Retry-After": str(12 * 3600 + 1)}
    both = ask([spacious, budget, tokens], "0.1")
    with override("en"):
        error = await exceeded_from(both, NOW)
    assert (error.scope, error.period, error.resets_at, error.headers) == ("conversation", "total", None, {})
    assert "50 tokens in total" in error.message


async def test_error_of_caps_that_are_gone_is_still_one(link, budget):
    rows = ask([budget], "5")
    await Budget.objects.filter(pk=budget.pk).adelete()
    assert (await exceeded_from(rows, NOW)).code == "budget_exceeded"


async def test_other_check_violations_are_not_ours(link):
    with pytest.raises(psycopg.errors.CheckViolation) as refusal:
        await link.execute(
            "INSERT INTO billing_budget (id, workspace_id, agent_id, scope, period, created_at, updated_at) "
            "SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'agent', 'day', now(), now()"
        )
    assert not is_over_budget(refusal.value)


async def test_crossing_groups_on_many_counters_never_wait_for_each_other(link, budget):
    """Two connections reserve and settle the same counters, in opposite orders: no deadlock, nothing left hanging."""
    workspace = await sync_to_async(lambda: budget.workspace)()
    caps = [await sync_to_async(make_budget)(workspace, limit_usd=1_000_000) for _ in range(8)]

    async def work(connection, seed):
        order = random.Random(seed)
        for _ in range(60):
            rows = ask(order.sample(caps, 4))
            await write(connection, rows, paid(last[seed]))
            last[seed] = rows

    last = {0: [], 1: []}
    other = await connect()
    await asyncio.gather(work(link, 0), work(other, 1))
    await other.close()
    await write(link, settling=paid(last[0]) + paid(last[1]))
    totals = [(c.reserved_usd, c.spent_usd + c.room_usd) async for c in BudgetCounter.objects.all()]
    assert totals == [(0, 1_000_000)] * 8
    assert sum([c.spent_tokens async for c in BudgetCounter.objects.all()]) == 2 * 60 * 4 * 100


@pytest.mark.django_db
def test_caps_come_with_the_agents_row():
    agent = make_agent(make_workspace()[0])
    key = uuid7()
    query = f"SELECT {CAPS_SUBQUERY} FROM agents_agent agent WHERE agent.id = %s"

    def read():
        with django_connection.cursor() as cursor:
            cursor.execute(query, [agent.pk])
            stored = cursor.fetchone()[0]
        return parse_caps(orjson.loads(stored) if isinstance(stored, str) else stored)

    assert read() == ()
    budget = make_budget(agent.workspace, agent_id=agent.pk, scope="api_key", api_key_id=key, period="month")
    make_budget(agent.workspace, agent_id=agent.pk, is_active=False)
    make_budget(agent.workspace)
    assert read() == (Cap(budget.pk, "api_key", key, "month"),)


AMOUNTS = st.integers(0, 40).map(lambda cents: Decimal(cents) / 100)
STEPS = st.lists(
    st.tuples(st.lists(AMOUNTS, max_size=3), st.lists(st.tuples(st.integers(0, 50), AMOUNTS), max_size=2)), max_size=12
)


@pytest.mark.django_db
@given(STEPS)
@property_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
def test_counter_is_what_a_ledger_says(steps):
    """Any sequence of groups, each reserving for some turns and settling others, against plain arithmetic."""
    budget = make_budget(make_workspace()[0])
    open_turns, spent = [], Decimal(0)
    for wanted, ends in steps:
        ended = []
        for number, cost in ends:
            if number < len(open_turns):
                ended.append((open_turns.pop(number), cost))
        after = sum((usd for _, usd in open_turns), spent) + sum(cost for _, cost in ended)
        fits = not wanted or after + sum(wanted) <= 1
        turns = [(ask([budget], usd), usd) for usd in wanted]
        settling = [row for (rows, _), cost in ended for row in paid(rows, cost)]
        assert change([row for rows, _ in turns for row in rows], settling) is fits
        if fits:
            open_turns += turns
        else:
            assert change([], settling)
        spent += sum(cost for _, cost in ended)
        counter = BudgetCounter.objects.filter(budget=budget).first()
        if counter:
            reserved = sum(usd for _, usd in open_turns)
            assert (counter.spent_usd, counter.reserved_usd) == (spent, reserved)
            assert counter.room_usd == max(1 - spent - reserved, 0)


def change(reserving, settling):
    from django.db import IntegrityError, transaction

    try:
        with transaction.atomic(), django_connection.cursor() as cursor:
            for statement, parameters in statements(reserving, settling):
                cursor.execute(statement, parameters)
    except IntegrityError as error:
        assert budgets.is_over_budget(error.__cause__)
        return False
    return True
