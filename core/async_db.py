"""Reads for the event loop: a small pool of asynchronous psycopg connections beside Django's own.

Django's asynchronous ORM hands every query to a thread, which costs more than the query itself. The few statements of
the hot path go straight to psycopg instead. The pool belongs to the event loop of a web process, which opens and closes
it; its connections autocommit and are rebuilt after a database restart. A loop that lives for one call only (a
synchronous view's, a job's) has none and connects for each statement: a pool that nobody closes would outlive it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connections
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.errors import Unavailable

_POOL_SIZE = 4
_WAIT_SECONDS = 5.0
_RECONNECT_SECONDS = 2.0  # an attempt is given up after this, and a request starts a new one: no long pauses
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnectionPool] = WeakKeyDictionary()


def connection_parameters() -> dict[str, Any]:
    """psycopg's connection parameters for the default database, without Django's own extras."""
    parameters = dict(connections["default"].get_connection_params())
    for django_only in ("pool", "cursor_factory", "context", "prepare_threshold", "server_side_binding"):
        parameters.pop(django_only, None)
    return parameters


async def fetch_all(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of one statement. Raises Unavailable when the database does not answer within a few seconds.

    A statement whose connection breaks is run again on another one, so it must bear being run twice.
    """
    pool = _pools.get(asyncio.get_running_loop())
    try:
        if pool is None:
            return await _fetch_alone(statement, parameters)
        for _ in range(_POOL_SIZE):
            rows = await _fetch_once(pool, statement, parameters)
            if rows is not None:
                return rows
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise Unavailable() from error
    raise Unavailable()


async def _fetch_once(
    pool: AsyncConnectionPool, statement: str, parameters: Sequence[Any]
) -> list[tuple[Any, ...]] | None:
    """The rows; None when the connection turned out to be broken. (To ask each one first costs a round trip.)"""
    async with pool.connection(timeout=_WAIT_SECONDS) as connection:
        try:
            cursor = await connection.execute(statement, parameters, prepare=True)
            return await cursor.fetchall()
        except psycopg.OperationalError:
            if not connection.broken:
                raise
            return None


async def _fetch_alone(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    options = {**connection_parameters(), "autocommit": True, "connect_timeout": int(_WAIT_SECONDS)}
    async with await psycopg.AsyncConnection.connect(**options) as connection:
        cursor = await connection.execute(statement, parameters)
        return await cursor.fetchall()


async def close_pool() -> None:
    """Close this loop's pool, at shutdown."""
    pool = _pools.pop(asyncio.get_running_loop(), None)
    if pool:
        await pool.close()


async def open_pool() -> None:
    """Give this loop a pool, at start. It is ready when the database is."""
    pool = AsyncConnectionPool(
        kwargs={**connection_parameters(), "autocommit": True},
        min_size=1,
        max_size=_POOL_SIZE,
        reconnect_timeout=_RECONNECT_SECONDS,
        open=False,
    )
    _pools[asyncio.get_running_loop()] = pool
    await pool.open()
