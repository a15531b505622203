"""How many webhooks one worker delivers a second: from events in the outbox to deliveries recorded as delivered.

    python -m bench.webhooks [--events 2000] [--rounds 5]

The receiver is a process of its own on loopback; it answers 200 at once and remembers the ids. Three cases: events
spread over 20 endpoints, all for a single endpoint, and 20 healthy endpoints beside 20 that never answer. Signing,
the egress guard, the outbox and the log of each delivery are on.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ["GILO_EGRESS_ALLOWED_NETWORKS"] = "127.0.0.1/32"

from bench.serving import free_port
from bench.throwaway import throwaway_agent

_DEADLINE = 120.0  # seconds


def serve(port: int, received: Any) -> None:
    """The receiver: `/hook` answers at once, `/never` not at all, `/ids` says how many different ids came."""
    from aiohttp import web

    ids: set[str] = set()

    async def hook(request: web.Request) -> web.Response:
        await request.read()
        ids.add(request.headers["webhook-id"])
        received.value = len(ids)
        return web.Response(text="ok")

    async def never(request: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/hook", hook), web.post("/never", never)])
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


@contextmanager
def receiver() -> Iterator[tuple[str, Any]]:
    context = multiprocessing.get_context("spawn")
    port, received = free_port(), context.Value("i", 0)
    process = context.Process(target=serve, args=(port, received), daemon=True)
    process.start()
    time.sleep(1.5)
    try:
        yield f"http://127.0.0.1:{port}", received
    finally:
        process.kill()  # it still owes answers to those who are never answered
        process.join(5)


def make_events(agents: list[Any], count: int) -> None:
    from django.utils import timezone

    from chat.models import OutboxEvent

    now = timezone.now()
    data = {"conversation_id": "0" * 36, "message_id": "0" * 36, "role": "assistant", "content": "The sea. " * 60}
    OutboxEvent.objects.bulk_create(
        OutboxEvent(
            workspace_id=agent.workspace_id, agent=agent, type="message.created", data=data, created_at=now,
        )
        for agent in (agents[number % len(agents)] for number in range(count))
    )  # fmt: skip


def measure(agents: list[Any], count: int, healthy: str) -> tuple[float, float]:
    """(deliveries a second, CPU seconds of the worker for each)."""
    from django.db import connection

    from integrations.models import Delivery
    from integrations.webhooks.courier import Courier

    make_events(agents, count)
    done = Delivery.objects.filter(state="delivered", endpoint__url=healthy)
    before, expected = done.count(), count
    courier = Courier()
    started, cpu = time.monotonic(), time.process_time()
    courier.start()
    while done.count() - before < expected:
        if time.monotonic() - started > _DEADLINE:
            raise SystemExit(f"only {done.count() - before} of {expected} were delivered")
        time.sleep(0.05)
    seconds, spent = time.monotonic() - started, time.process_time() - cpu
    courier.stop()
    connection.close()
    return expected / seconds, spent / expected


def prepare(template: Any, url: str, count: int, *, dead: str = "") -> list[Any]:
    from agents.services import create_agent
    from integrations.services import create_webhook

    agents = []
    for number in range(count):
        agent = create_agent(workspace_id=template.workspace_id, actor=None, name=f"Agent {number}")
        create_webhook(agent=agent, url=url, events=["message.created"])
        if dead:
            create_webhook(agent=agent, url=dead, events=["message.created"])
        agents.append(agent)
    return agents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with receiver() as (url, received), throwaway_agent() as template:
        hook, never = f"{url}/hook", f"{url}/never"
        cases = {
            "20 endpoints": prepare(template, hook, 20),
            "a single endpoint": prepare(template, hook, 1),
            "20 endpoints beside 20 that never answer": prepare(template, hook, 20, dead=never),
        }
        total = 0
        for name, agents in cases.items():
            rounds = [measure(agents, options.events, hook) for _ in range(options.rounds)]
            total += options.events * options.rounds
            rates = sorted(rate for rate, _ in rounds)
            cpu = statistics.median(spent for _, spent in rounds) * 1000
            print(
                f"{name}: {statistics.median(rates):.0f} deliveries/s (median of {options.rounds}, "
                f"{rates[0]:.0f} to {rates[-1]:.0f}), {cpu:.2f} ms of CPU each in the worker"
            )
        print(f"different ids received: {received.value} of {total}")


if __name__ == "__main__":
    main()
