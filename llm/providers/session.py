"""Pooled HTTP sessions towards models: one for the operator's addresses, one behind the egress guard.

A session belongs to an event loop. Processes have one loop; tests and Celery threads have several, so sessions are
kept per loop and close with it.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import aiohttp

from core.http import egress_session

CONNECT_TIMEOUT = 5.0  # seconds for one connection to be made
IDLE_TIMEOUT = 60.0  # seconds between two reads, and until the first byte
KEEPALIVE = 60.0  # seconds that an unused connection is kept


@dataclass(slots=True)
class _LoopSessions:
    operator: aiohttp.ClientSession
    guarded: aiohttp.ClientSession
    closer: AsyncGenerator[None, None]


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopSessions] = WeakKeyDictionary()


async def get_session(*, guarded: bool) -> aiohttp.ClientSession:
    """The running loop's session. `guarded` for addresses that users chose."""
    sessions = _by_loop.get(asyncio.get_running_loop()) or await _open_sessions()
    return sessions.guarded if guarded else sessions.operator


async def close_sessions() -> None:
    """Close the running loop's sessions, and with them all answers in flight. The next request opens new ones."""
    sessions = _by_loop.pop(asyncio.get_running_loop(), None)
    if sessions is not None:
        await sessions.closer.aclose()


async def _open_sessions() -> _LoopSessions:
    operator, guarded = _operator_session(), egress_session()
    closer = _close_with_loop(operator, guarded)
    sessions = _by_loop[asyncio.get_running_loop()] = _LoopSessions(operator, guarded, closer)
    await anext(closer)
    return sessions


async def _close_with_loop(*sessions: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    # A loop closes its suspended generators when it ends (shutdown_asyncgens): no shutdown hook can be forgotten.
    try:
        yield
    finally:
        for session in sessions:
            await session.close()


def _operator_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=IDLE_TIMEOUT)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
