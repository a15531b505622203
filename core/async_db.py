"""Reads for the event loop: a small pool of asynchronous psycopg connections beside Django's own.

Django's asynchronous ORM hands every query to a thread, which costs more than the query itself. The few statements of
the hot path go straight to psycopg instead. The pool belongs to the event loop of a web process, which opens and closes
it; its connections autocommit and are rebuilt after a database restart. A loop that lives for one call only (a
synchronous view's, a job's) has none and connects for each statement: a pool that nobody closes would outlive it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from asgiref.sync import sync_to_async
from django.db import connection, connections
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.errors import Unavailable

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
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
    async with pool.connection(timeout=_WAIT_SECONDS) as pooled:
        try:
            cursor = await pooled.execute(statement, parameters, prepare=True)
            return await cursor.fetchall()
        except psycopg.OperationalError:
            if not pooled.broken:
                raise
            return None


async def _fetch_alone(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    options = {**connection_parameters(), "autocommit": True, "connect_timeout": int(_WAIT_SECONDS)}
    async with await psycopg.AsyncConnection.connect(**options) as alone:
        cursor = await alone.execute(statement, parameters)
        return await cursor.fetchall()


async def run_in_thread(
    work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **options: _Arguments.kwargs
) -> _Result:
    """Call what reads and writes through Django's models, off the event loop.

    The thread's connection goes back to Django's pool: the thread may end, or not come here again for long, and a
    connection that a thread takes to its grave is lost to the pool for ever.
    """

    def work_and_close() -> _Result:
        try:
            return work(*arguments, **options)
        finally:
            connection.close()

    return await sync_to_async(work_and_close, thread_sensitive=False)()


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
