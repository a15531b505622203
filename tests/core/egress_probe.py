"""Run inside a network namespace of its own (tests/core/test_egress_namespace.py): every sink against every address.

The namespace's loopback holds private and public addresses alike; a canary listens on all of them and notes on which
one it was reached. Prints one JSON object: {"outcomes": {sink: {url: outcome}}, "reached": {sink: [address:port]}}.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PUBLIC = "93.184.216.34"
PRIVATE_V4 = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "192.0.0.192", "100.100.100.200", "168.63.129.16",
]  # fmt: skip
PRIVATE_V6 = [
    "fd00:ec2::254", "fec0::1", "fc00::1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2001:db8::1",
]  # fmt: skip
OPEN, CLOSED = 8000, 8001
SYSTEM_PORTS = [22, 25, 5432, 6379]
NAMES = {
    "private.example.com": ["10.0.0.1"],
    "many.example.com": [PUBLIC, "10.0.0.1"],
    "mapped.example.com": ["::ffff:169.254.169.254"],
    "public.example.com": [PUBLIC],
}
REBINDING = "rebind.example.com"  # public when asked first, private ever after
REDIRECTS = [
    "http://10.0.0.1:8000/", "http://169.254.169.254:8000/latest", "http://private.example.com:8000/",
    "file:///etc/passwd", "gopher://127.0.0.1:8000/_x", "http://127.1:8000/", "http://[::ffff:7f00:1]:8000/",
]  # fmt: skip


def addresses_as_hosts() -> list[str]:
    loose = ["127.1", "0177.0.0.1", "0x7f.1", "2130706433", "0", "127.0.0.1", "0.0.0.0", "[::1]", "[::]", "localhost"]
    mapped = ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]"]
    odd = [
        "localhost.",
        "127.0.0.1.",
        "\uff11\uff12\uff17.0.0.1",
        "\u2460\u2461\u2466.0.0.1",
        "127\u30020\u30020\u30021",
    ]
    return [*loose, *mapped, *odd, *PRIVATE_V4, *(f"[{address}]" for address in PRIVATE_V6)]


def private_urls() -> list[str]:
    hosts = [*addresses_as_hosts(), *(name for name in NAMES if name != "public.example.com")]
    tricks = [f"http://{PUBLIC}:8000\\@127.0.0.1:8000/", "http://127.0.0.1:8000#@example.com/"]
    ports = [f"http://{PUBLIC}:{port}/" for port in SYSTEM_PORTS]
    redirects = [f"http://{PUBLIC}:8000/redirect/{status}/{n}" for status in (302, 307) for n in range(len(REDIRECTS))]
    return [*(f"http://{host}:{OPEN}/" for host in hosts), f"http://10.0.0.1:{CLOSED}/", *tricks, *ports, *redirects]


def private_literals() -> list[str]:
    """An open, a closed and an unreachable port of private addresses."""
    return ["http://10.0.0.1:8000/", "http://10.0.0.1:8001/", "http://10.9.9.9:8000/", "http://[fd00:ec2::254]:8000/"]


class Canary:
    """Listens everywhere; `reached` are the addresses and ports on which a connection came."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        for port in (OPEN, *SYSTEM_PORTS):
            server = _Server(("::", port), self._handler())
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def _handler(canary: "Canary") -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler's own self is within
        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                super().setup()
                address, port = self.connection.getsockname()[:2]
                canary.reached.append(f"{address.removeprefix('::ffff:')} {port}")

            def do_GET(self) -> None:
                parts = self.path.split("/")
                redirects = parts[1] == "redirect"
                self.send_response(int(parts[2]) if redirects else 200)
                if redirects:
                    self.send_header("Location", REDIRECTS[int(parts[3])])
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET  # noqa: N815 - the server's name for it

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Handler


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


def lay_addresses() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in [PUBLIC, *PRIVATE_V4]:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    for address in PRIVATE_V6:
        subprocess.run(["ip", "-6", "addr", "add", f"{address}/128", "dev", "lo", "nodad"], check=False)


def answer_names() -> Callable[[], None]:
    """Make look-ups answer by the table above; returns what lets the rebinding name begin anew."""
    real, asked = socket.getaddrinfo, []

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        found = NAMES.get(host)
        if host == REBINDING:
            asked.append(host)
            found = [PUBLIC] if len(asked) == 1 else ["10.0.0.1"]
        if found is None:
            return real(host, port, *args, **options)
        return [item for address in found for item in real(address, port, *args, **options)]

    socket.getaddrinfo = look_up
    return asked.clear


async def by_aiohttp(url: str) -> int:
    from core.http import egress_session

    async with egress_session() as session, session.get(url) as response:
        return response.status


async def by_webhook(url: str) -> int | str:
    from core.http import egress_session
    from integrations.webhooks.sending import post

    async with egress_session() as session:
        answer = await post(session, url, b"{}", {})
    return answer.error or answer.status or 0


async def by_httpx(url: str) -> int:
    from core.http import egress_httpx_client

    with egress_httpx_client() as client:
        return await asyncio.to_thread(lambda: client.get(url).status_code)


async def by_model_client(url: str) -> int:
    from llm.providers.http1 import close_pool, get_pool, make_target

    try:
        connection = await (await get_pool()).post(make_target(url, {}, guarded=True), b"{}", 5)
        return connection.status
    finally:
        await close_pool()


SINKS: dict[str, Callable[[str], Awaitable[Any]]] = {
    "aiohttp": by_aiohttp, "webhook": by_webhook, "httpx": by_httpx, "model": by_model_client,
}  # fmt: skip


async def attempt(sink: str, url: str) -> str:
    try:
        return str(await SINKS[sink](url))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
        return f"{type(error).__name__}: {error}"


def control(canary: Canary) -> list[str]:
    """Reach every address without the guard: what cannot be reached at all would prove nothing."""
    targets = [(address, OPEN) for address in [PUBLIC, "127.0.0.1", *PRIVATE_V4, *PRIVATE_V6]]
    for address, port in [*targets, *((PUBLIC, port) for port in SYSTEM_PORTS)]:
        try:
            socket.create_connection((address, port), timeout=2).close()
        except OSError as error:
            print(address, error, file=sys.stderr)
    threading.Event().wait(0.3)
    found, canary.reached = canary.reached, []
    return found


def main() -> None:
    lay_addresses()
    canary, forget = Canary(), answer_names()
    import django

    django.setup()
    result: dict[str, Any] = {"control": control(canary), "outcomes": {}, "reached": {}}
    rebinding = f"http://{REBINDING}:{OPEN}/"
    for sink in SINKS:
        forget()
        urls = [f"http://public.example.com:{OPEN}/", *private_urls(), *private_literals(), rebinding]
        outcomes = {url: asyncio.run(attempt(sink, url)) for url in urls}
        outcomes["rebound"] = asyncio.run(attempt(sink, rebinding))
        result["outcomes"][sink] = outcomes
        result["reached"][sink], canary.reached = sorted(set(canary.reached)), []
    print(json.dumps(result))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gilo.settings")
    main()
