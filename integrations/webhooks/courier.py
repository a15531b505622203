"""The loop in the worker that sends webhooks: a thread of its own, an event loop, many requests in flight.

The database is asked in one other thread, in short turns that give the connection back: none is held while a receiver
is waited for. Any number of workers may do this at once, and one that dies loses nothing (`queue`'s leases).
"""

import asyncio
import logging
import threading
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import aiohttp
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from psycopg_pool import PoolTimeout

from core.crypto import SecretUnreadable
from core.http import egress_session
from integrations.webhooks.outbox import dispatch_events
from integrations.webhooks.queue import Job, Result, claim, give_back, record
from integrations.webhooks.sending import Answer, post
from integrations.webhooks.signing import secrets_of, signed_headers

logger = logging.getLogger(__name__)
AT_ONCE = 4  # requests in flight to one endpoint
MOST_HELD = 1000  # deliveries, in flight or about to be
_POLL_SECONDS = 0.5
_GATHER_SECONDS = 0.02  # between two turns: results are written many at once
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
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(_RESOLVER_THREADS, "webhooks-names"))
        while not self._stopped.is_set():
            self._round = Round()
            if self._stopped.is_set():
                break  # `stop` may have come before there was a round to tell
            try:
                await self._round.run_until_stopped()
            except Exception:  # one odd delivery must not end all others: its lease ends, and the loop begins anew
                logger.exception("webhooks: the loop failed and begins anew")
                await asyncio.sleep(_AFTER_TROUBLE_SECONDS)


@dataclass(slots=True)
class Lane:
    """What is held for one endpoint: `running` requests, and `waiting` ones that follow on their heels."""

    waiting: deque[Job] = field(default_factory=deque)
    running: int = 0


class Round:
    """The state of one running loop: lanes with requests on their way, and what is known but not written yet."""

    def __init__(self) -> None:
        self._lanes: defaultdict[UUID, Lane] = defaultdict(Lane)
        self._flights: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._unsent: list[Job] = []
        self._held = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._database = ThreadPoolExecutor(1, thread_name_prefix="webhooks-db")

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run_until_stopped(self) -> None:
        """Dispatch, claim and send until `stop`."""
        async with egress_session() as session:
            try:
                while not self._stopping:
                    if not await self._take_turn(session):
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS)
                    self._wake.clear()
                    await asyncio.sleep(_GATHER_SECONDS)
                await self._finish()
            finally:
                for flight in self._flights:
                    flight.cancel()
                self._database.shutdown(wait=False)

    async def run_until_idle(self) -> None:
        """Work until nothing is due and nothing is on its way."""
        async with egress_session() as session:
            while await self._take_turn(session) or self._flights or self._results or self._unsent:
                if self._flights:
                    await asyncio.wait(self._flights, return_when=asyncio.FIRST_COMPLETED)
        self._database.shutdown()

    async def _take_turn(self, session: aiohttp.ClientSession) -> bool:
        """Write what came of the last ones, take events and deliveries, send these. False when there were none."""
        results, self._results = self._results, []
        unsent, self._unsent = self._unsent, []
        try:
            events, jobs = await self._in_database_thread(unsent, results, MOST_HELD - self._held)
        except (DatabaseError, InterfaceError, PoolTimeout):
            logger.warning("webhooks: the database does not answer", exc_info=True)
            self._results, self._unsent = results + self._results, unsent + self._unsent
            await asyncio.sleep(_AFTER_TROUBLE_SECONDS)
            return False
        self._held += len(jobs)
        for job in jobs:
            self._lanes[job.endpoint.pk].waiting.append(job)
        for endpoint_id in {job.endpoint.pk for job in jobs}:
            self._fill(session, endpoint_id)
        return bool(events or jobs)

    async def _in_database_thread(self, unsent: list[Job], results: list[Result], room: int) -> tuple[int, list[Job]]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database, _write_and_claim, unsent, results, room)

    def _fill(self, session: aiohttp.ClientSession, endpoint_id: UUID) -> None:
        """Start what the lane has room for. A job whose lease could end before its answer is given back."""
        lane = self._lanes[endpoint_id]
        latest_start = timezone.now() + timedelta(seconds=settings.WEBHOOK_TIMEOUT_SECONDS)
        while lane.waiting and lane.running < AT_ONCE:
            job = lane.waiting.popleft()
            if self._stopping or job.leased_until < latest_start:
                self._let_go([job])
                continue
            lane.running += 1
            flight = asyncio.create_task(self._fly(session, job))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        if not lane.running:
            del self._lanes[endpoint_id]

    async def _fly(self, session: aiohttp.ClientSession, job: Job) -> None:
        lane = self._lanes[job.endpoint.pk]
        try:
            answer = await _send(session, job)
        finally:
            self._held -= 1
            lane.running -= 1
        self._results.append(Result(job, answer))
        if not answer.is_success:  # the next claim knows that this endpoint fails, or is off
            self._let_go(list(lane.waiting))
            lane.waiting.clear()
        self._fill(session, job.endpoint.pk)
        self._wake.set()

    def _let_go(self, jobs: list[Job]) -> None:
        self._held -= len(jobs)
        self._unsent += jobs

    async def _finish(self) -> None:
        for lane in self._lanes.values():
            self._let_go(list(lane.waiting))
            lane.waiting.clear()
        if self._flights:
            await asyncio.wait(self._flights, timeout=STOP_SECONDS)
        with suppress(DatabaseError, InterfaceError, PoolTimeout):  # then the leases end, and they are sent again
            await self._in_database_thread(self._unsent, self._results, 0)


async def _send(session: aiohttp.ClientSession, job: Job) -> Answer:
    now, message_id = timezone.now(), str(job.event_id)
    try:
        headers = signed_headers(message_id, job.body, secrets_of(job.endpoint, now), now)
    except SecretUnreadable:
        return Answer(at=now, request_headers={"webhook-id": message_id}, error="secret_unreadable")
    return await post(session, job.endpoint.url, job.body, headers)


def _write_and_claim(unsent: list[Job], results: list[Result], room: int) -> tuple[int, list[Job]]:
    try:
        if unsent:
            give_back(unsent)
        if results:
            record(results)
        return (dispatch_events(), claim(room)) if room else (0, [])
    finally:
        connection.close()  # back to the pool
