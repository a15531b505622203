"""A connection for one prepared statement after another, against the real server."""

import asyncio

import psycopg
import pytest
from asgiref.sync import sync_to_async

from core.async_db import connection_parameters
from core.pg_line import PreparedLine
from tests.chat.test_writer import end_connection

pytestmark = pytest.mark.django_db(transaction=True)
KEEP = "INSERT INTO line_test SELECT $1::text, length($2::text)"


@pytest.fixture
async def line():
    line = await PreparedLine.open(connection_parameters())
    await line.execute("CREATE TEMPORARY TABLE line_test (name text, size integer)", [])
    yield line
    await line.close()


async def stored(line: PreparedLine) -> list[tuple[str, int]]:
    line._stop_watching()  # psycopg's own cursor takes over
    cursor = await line._connection.execute("SELECT name, size FROM line_test ORDER BY name")
    return await cursor.fetchall()


async def test_statements_run_one_after_another_prepared_once(line):
    for name in (b"a", b"b"):
        await line.execute(KEEP, [name, b"xyz"])
    assert len(line._names) == 2
    assert await stored(line) == [("a", 3), ("b", 3)]


async def test_parameter_larger_than_the_sockets_buffer_arrives(line):
    await line.execute(KEEP, [b"big", b"x" * 30_000_000])
    assert await stored(line) == [("big", 30_000_000)]


async def test_failed_statement_raises_its_own_error_and_the_line_goes_on(line):
    with pytest.raises(psycopg.errors.DivisionByZero):
        await line.execute("INSERT INTO line_test SELECT 'x', 1 / $1::integer", [b"0"])
    with pytest.raises(psycopg.errors.SyntaxError):
        await line.execute("NONSENSE", [])
    await line.execute(KEEP, [b"a", b"x"])
    assert await stored(line) == [("a", 1)]


async def test_connection_that_ends_raises_operational_error(line):
    await sync_to_async(end_connection)(line._connection.info.backend_pid)
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            await line.execute(KEEP, [b"a", b"x"])


async def test_connection_that_ends_during_a_statement_raises_operational_error(line):
    task = asyncio.create_task(line.execute("SELECT pg_sleep($1::float)", [b"20"]))
    await asyncio.sleep(0.3)
    await sync_to_async(end_connection)(line._connection.info.backend_pid)
    with pytest.raises(psycopg.OperationalError):
        await task


async def test_give_up_fails_what_is_under_way(line):
    task = asyncio.create_task(line.execute("SELECT pg_sleep($1::float)", [b"20"]))
    await asyncio.sleep(0.3)
    line.give_up()
    with pytest.raises(TimeoutError):
        await task
