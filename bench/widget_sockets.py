"""What a thousand visitors at once cost the web process in memory.

    python -m bench.widget_sockets [--sockets 1000] [--idle 20]

An idle widget holds nothing open: no socket, no stream, no poll (tests/e2e/widget/test_widget.py looks). So this opens
what a visitor could hold at most: a WebSocket each on /ws/agents/{id}/chat, idle, each with a visitor's own token.
Memory is the web process's resident set, before the first socket, with all of them open, and after some idle seconds
with the access check running over all of them every few seconds.
"""

import argparse
import asyncio
import json
import resource
from collections import Counter
from pathlib import Path
from typing import Any

from bench.serving import free_port, process, web_command
from bench.throwaway import throwaway_agent

LIMIT_MB = 300
AT_ONCE = 50  # handshakes
VISITORS_EACH = 250  # of one workspace, which may ask 1,000 times a minute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, options.sockets * 2 + 500), most))
    with throwaway_agent():
        visitors = asyncio.run(make_visitors(options.sockets))
        port = free_port()
        with process(web_command(port), f"http://127.0.0.1:{port}/api/health", {}) as pid:
            asyncio.run(measure(pid, port, visitors, options.idle))


async def make_visitors(count: int) -> list[tuple[str, str]]:
    """(agent, visitor's token) for so many visitors, shared out between workspaces: each has its limit a minute."""
    from asgiref.sync import sync_to_async

    from agents.keys import resolve_page_key
    from agents.visitors import open_visitor_session
    from core.async_db import close_pool

    visitors = []
    for begin in range(0, count, VISITORS_EACH):
        agent_id, key = await sync_to_async(_make_key)()
        identity = await resolve_page_key(key)
        if identity is None:
            raise SystemExit("the key that was just made does not open")
        share = min(VISITORS_EACH, count - begin)
        visitors += [(agent_id, open_visitor_session(identity).token) for _ in range(share)]
    await close_pool()
    return visitors


def _make_key() -> tuple[str, str]:
    from accounts.models import Workspace
    from agents import services
    from agents.models import KeyKind

    workspace = Workspace.objects.create(name="Widgets", plan="team")
    agent = services.create_agent(workspace_id=workspace.pk, actor=None, name="Widget")
    origins = ["https://www.example.com"]
    _, key = services.create_api_key(agent=agent, actor=None, name="Site", kind=KeyKind.WIDGET, allowed_origins=origins)
    return str(agent.pk), key


async def measure(pid: int, port: int, visitors: list[tuple[str, str]], idle: float) -> None:
    from websockets.asyncio.client import connect

    origin: Any = f"http://127.0.0.1:{port}"
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one(agent_id: str, token: str) -> Any:
        url = f"ws://127.0.0.1:{port}/ws/agents/{agent_id}/chat"
        async with gate:
            socket = await connect(url, origin=origin, ping_interval=None, max_queue=1)
            await socket.send(json.dumps({"authenticate": token}))
            return socket

    warm = await open_one(*visitors[0])  # what the first socket loads is nobody's share
    await warm.close()
    before = resident_mb(pid)
    sockets = await asyncio.gather(*(open_one(*visitor) for visitor in visitors))
    opened = resident_mb(pid)
    await asyncio.sleep(idle)
    ends = Counter(socket.close_code for socket in sockets)
    after = resident_mb(pid)
    print(
        f"web process: {before:.0f} MB before, {opened:.0f} MB with {len(sockets)} sockets, "
        f"{after:.0f} MB {idle:.0f} s later"
    )
    print(
        f"{ends.pop(None, 0)} of {len(sockets)} sockets are open; {1000 * (after - before) / len(sockets):.0f} kB each"
    )
    print(f"closed by code: {dict(ends)}" if ends else "none was closed")
    print(f"growth {after - before:.0f} MB, limit {LIMIT_MB} MB: {'met' if after - before < LIMIT_MB else 'MISSED'}")
    await asyncio.gather(*(socket.close() for socket in sockets))


def resident_mb(pid: int) -> float:
    """The resident set of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


if __name__ == "__main__":
    main()
