"""The loop in the worker that sends webhooks: a thread of its own, an event loop, many requests in flight.

The database is asked in one other thread, in short turns that give the connection back: none is held while a receiver
is waited for. Any number of workers may do this at once, and one that dies loses nothing (`queue`'s leases).
"""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import aiohttp
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from psycopg_pool import PoolTimeout

from core.crypto import SecretUnreadable
from core.http import egress_session
from integrations.webhooks.outbox import dispatch_events
from integrations.webhooks.queue import Job, Result, claim, record
from integrations.webhooks.sending import Answer, post
from integrations.webhooks.signing import secrets_of, signed_headers

logger = logging.getLogger(__name__)
MOST_IN_FLIGHT = 400
_POLL_SECONDS = 0.5
_AFTER_TROUBLE_SECONDS = 2.0
_RESOLVER_THREADS = 64  # a name server that does not answer holds a thread each time
STOP_SECONDS = 4.0  # what is on its way longer is sent again by the next worker, with the same id


class Courier:
    """Sends webhooks from `start` to `stop`."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._round: Round | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take nothing new, give what is on its way a few seconds, write what came of it."""
        self._stopped.set()
        if self._loop and self._round and self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._round.stop)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS + 2)

    def _work(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._round = asyncio.get_running_loop(), Round()
        if self._stopped.is_set():
            self._round.stop()
        await self._round.run_until_stopped()


class Round:
    """The state of one running loop: what is on its way, and what is known but not written yet."""

    def __init__(self) -> None:
        self._flights: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._database = ThreadPoolExecutor(1, thread_name_prefix="webhooks-db")

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run_until_stopped(self) -> None:
        """Dispatch, claim and send until `stop`."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_RESOLVER_THREADS, "webhooks-names"))
        async with egress_session() as session:
            while not self._stopping:
                busy = await self._take_turn(session)
                if not busy:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS)
                self._wake.clear()
            await self._finish()

    async def run_until_idle(self) -> None:
        """Work until nothing is due and nothing is on its way."""
        async with egress_session() as session:
            while await self._take_turn(session) or self._flights or self._results:
                if self._flights:
                    await asyncio.wait(self._flights, return_when=asyncio.FIRST_COMPLETED)
        self._database.shutdown()

    async def _take_turn(self, session: aiohttp.ClientSession) -> bool:
        """Write results, take events and deliveries, send these. False when there was nothing to take."""
        results, self._results = self._results, []
        room = MOST_IN_FLIGHT - len(self._flights)
        try:
            events, jobs = await self._in_database_thread(results, room)
        except (DatabaseError, InterfaceError, PoolTimeout):
            logger.warning("webhooks: the database does not answer", exc_info=True)
            self._results = results + self._results
            await asyncio.sleep(_AFTER_TROUBLE_SECONDS)
            return False
        for job in jobs:
            flight = asyncio.create_task(self._send(session, job))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        return bool(events or jobs)

    async def _in_database_thread(self, results: list[Result], room: int) -> tuple[int, list[Job]]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database, _write_and_claim, results, room)

    async def _send(self, session: aiohttp.ClientSession, job: Job) -> None:
        now, message_id = timezone.now(), str(job.event_id)
        try:
            headers = signed_headers(message_id, job.body, secrets_of(job.endpoint, now), now)
        except SecretUnreadable:
            answer = Answer(at=now, request_headers={"webhook-id": message_id}, error="secret_unreadable")
        else:
            answer = await post(session, job.endpoint.url, job.body, headers)
        self._results.append(Result(job, answer))
        self._wake.set()

    async def _finish(self) -> None:
        if self._flights:
            await asyncio.wait(self._flights, timeout=STOP_SECONDS)
        with suppress(DatabaseError, InterfaceError, PoolTimeout):  # then the leases end, and they are sent again
            await self._in_database_thread(self._results, 0)
        for flight in self._flights:
            flight.cancel()
        self._database.shutdown(wait=False)


def _write_and_claim(results: list[Result], room: int) -> tuple[int, list[Job]]:
    try:
        if results:
            record(results)
        return (dispatch_events(), claim(room)) if room else (0, [])
    finally:
        connection.close()  # back to the pool
