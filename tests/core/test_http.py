"""The egress guard: each spelling of a private address is refused on save, nothing private is reached at connect."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import httpx2
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from core import http
from core.addresses import is_public, parse_address, parse_networks
from core.errors import UrlNotAllowed
from tests.dripping import dripping

LOOPBACK = ["127.0.0.1/32"]

PRIVATE_ADDRESSES = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "192.0.0.192", "100.100.100.200", "100.64.0.1", "168.63.129.16", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
    "2002:a9fe:a9fe::1", "2002:c0a8:101::", "::a9fe:a9fe", "::7f00:1", "::127.0.0.1", "fec0::1", "fe80::1",
    "fd00:ec2::254", "fc00::1", "ff02::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "100::1", "3fff::1", "5f00::1",
    "2001:10::1", "2001:20::1",
]  # fmt: skip
PUBLIC_ADDRESSES = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]

REFUSED_URLS = [
    # loose IPv4 spellings
    "http://127.1/", "http://0177.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://0/", "http://0x7f000001/",
    "http://017700000001/", "http://127.0.0.1./", "http://127.000.000.001/", "http://1.2.3/", "http://1.2.3.4.5/",
    "http://256.1.1.1/", "http://0x/", "http://example.0x7f/", "http://00.0.0.0/",
    # names of this machine and of private networks
    "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://foo.localhost/", "http://redis/",
    "http://metadata.google.internal/", "http://printer.local/", "http://nas.lan/", "http://x.home.arpa/",
    # who is the host?
    "http://user@example.com/", "http://user:pass@example.com/", "http://example.com\\@127.0.0.1/",
    "http://example.com#@127.0.0.1/", "http://example.com/#fragment", "http://@example.com/", "http://:@example.com/",
    "http://127.0.0.1%2f@example.com/", "http://example.com%00.evil.example/", "http://exa%6dple.com/",
    # characters
    "http://\uff11\uff12\uff17.0.0.1/", "http://\u2460\u2461\u2466.0.0.1/", "http://ex\u00e4mple.com/",
    "http://127\u30020\u30020\u30021/", "http://example.com /", "http://exam\tple.com/", "http://example.com\n/",
    "http://example.com\x00/", "http://\u202eexample.com/",
    # schemes
    "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "//example.com/",
    "example.com", "", "http://", "http:///path", "https:example.com", "data:text/plain,x", "unix:///run/docker.sock",
    # ports
    "http://example.com:22/", "http://example.com:25/", "http://example.com:5432/", "http://example.com:6379/",
    "http://example.com:11211/", "http://example.com:27017/", "http://example.com:0/", "http://example.com:99999/",
    "http://example.com:-1/", "http://example.com:8o/", "http://example.com:21/",
    # hosts that are none
    "http://exa mple.com/", "http://-example.com/", "http://example..com/", "http://.example.com/", "http://[::1/",
    "http://[fe80::1%25eth0]/", "http://[v1.x]/", "http://exam_ple!.com/", "http://example.com./",
    f"http://{'a' * 64}.com/", "http://example.com/" + "a" * 600,
]  # fmt: skip
ALLOWED_URLS = [
    "https://api.openai.com/v1", "http://example.com:8000/v1", "https://example.com:8443/", "https://8.8.8.8/v1",
    "http://[2606:4700::1111]:8080/v1", "https://xn--exmple-cua.com/v1", "https://my_host.example.com/v1",
    "https://generativelanguage.googleapis.com/v1beta/openai", "https://4.example.com/", "https://example.com:11434/v1",
]  # fmt: skip


@pytest.fixture
def allow_loopback(settings: Any) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = LOOPBACK


class Canary:
    """A server on loopback that must see no connection."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"the canary's secret")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _handler(canary: "Canary") -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler's own self is within
        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                canary.connections += 1
                super().setup()

            def do_GET(self) -> None:
                canary.requests.append((self.path, dict(self.headers)))
                status, headers, body = canary.answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Handler


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.server.shutdown()
    made.server.server_close()


class FakeResolver(AbstractResolver):
    """Names with the addresses that a test gives them; each look-up is counted, later ones may differ."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        name = host.partition(".")[0]
        addresses = self.answers[name]
        if len(addresses) > 1 and name.startswith("rebind"):
            addresses = [self.answers[name].pop(0)]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_is_public_refuses_private_addresses(address: str) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert not is_public(parsed)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_is_public_lets_the_internet_pass(address: str) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert is_public(parsed)


def test_is_public_allows_the_operators_networks_in_every_spelling() -> None:
    networks = parse_networks(["10.1.0.0/16", "fd00:1::/32"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"):
        assert is_public(parse_address(address), networks)  # type: ignore[arg-type]
    for address in ("10.2.0.1", "fd00:2::5", "127.0.0.1"):
        assert not is_public(parse_address(address), networks)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_check_url_refuses_private_addresses(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UrlNotAllowed) as caught:
        http.check_url(f"http://{host}:8000/v1")
    assert caught.value.code == "url_not_allowed"
    assert caught.value.status == 422


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_check_url_refuses(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        http.check_url(url)


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_check_url_allows(url: str) -> None:
    http.check_url(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:11434/v1", "http://localhost:8000/v1", "http://ollama:11434/v1", "http://db:5432"]
)
def test_check_url_of_the_operators_own_addresses_allows_private(url: str) -> None:
    http.check_url(url, allow_private=True)


def test_check_url_allows_networks_that_the_operator_named(settings: Any) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = ["10.0.0.0/8"]
    http.check_url("http://10.1.2.3:8000/v1")
    http.check_url("http://models.internal:8000/v1")
    for refused in ("http://192.168.1.1/", "http://10.1.2.3:5432/", "http://10.1/"):
        with pytest.raises(UrlNotAllowed):
            http.check_url(refused)


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]]
)
async def test_egress_session_refuses_names_with_a_private_address(canary: Canary, answer: list[str]) -> None:
    async with http.egress_session(resolver=FakeResolver(evil=answer)) as session:
        with pytest.raises(http.EgressBlocked) as caught:
            await session.get(f"http://evil.example.com:{canary.port}/")
    assert caught.value.code == "egress_blocked"
    assert canary.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
async def test_egress_session_refuses_literal_addresses(canary: Canary, host: str) -> None:
    async with http.egress_session() as session:
        with pytest.raises((http.EgressBlocked, aiohttp.InvalidURL)):
            await session.get(f"http://{host}:{canary.port}/")
    assert canary.connections == 0


async def test_egress_session_connects_to_the_checked_address(canary: Canary, allow_loopback: None) -> None:
    resolver = FakeResolver(good=["127.0.0.1"])
    async with http.egress_session(resolver=resolver) as session:
        response = await session.get(f"http://good.example.com:{canary.port}/path")
        assert await response.read() == b"the canary's secret"
    assert resolver.asked == ["good.example.com"]
    assert canary.requests[0][1]["Host"] == f"good.example.com:{canary.port}"


async def test_egress_session_resolves_again_for_a_new_connection_and_checks_again(
    canary: Canary, allow_loopback: None, settings: Any
) -> None:
    resolver = FakeResolver(rebind=["127.0.0.1", "10.0.0.1"])
    async with http.egress_session(resolver=resolver) as session:
        session.connector._use_dns_cache = False  # type: ignore[union-attr]
        await (await session.get(f"http://rebind.example.com:{canary.port}/", headers={"Connection": "close"})).read()
        with pytest.raises(http.EgressBlocked):
            await session.get(f"http://rebind.example.com:{canary.port}/")
    assert len(canary.requests) == 1


@pytest.mark.parametrize("target", ["http://10.0.0.1/", "http://169.254.169.254/latest", "http://inner.example.com/"])
async def test_egress_session_refuses_a_redirect_to_a_private_address(
    canary: Canary, allow_loopback: None, target: str
) -> None:
    canary.answer = (302, {"Location": target}, b"")
    resolver = FakeResolver(good=["127.0.0.1"], inner=["10.0.0.1"])
    async with http.egress_session(resolver=resolver) as session:
        with pytest.raises(http.EgressBlocked):
            await session.get(f"http://good.example.com:{canary.port}/")
    assert len(canary.requests) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1:6379/_", "ftp://example.com/"])
async def test_egress_session_refuses_a_redirect_to_another_scheme(
    canary: Canary, allow_loopback: None, target: str
) -> None:
    canary.answer = (307, {"Location": target}, b"")
    async with http.egress_session(resolver=FakeResolver(good=["127.0.0.1"])) as session:
        with pytest.raises((http.EgressBlocked, aiohttp.ClientError)):
            await session.get(f"http://good.example.com:{canary.port}/")
    assert len(canary.requests) == 1


async def test_egress_session_drops_authorization_across_hosts(canary: Canary, allow_loopback: None) -> None:
    other = Canary()
    canary.answer = (307, {"Location": f"http://other.example.com:{other.port}/"}, b"")
    resolver = FakeResolver(good=["127.0.0.1"], other=["127.0.0.1"])
    async with http.egress_session(resolver=resolver) as session:
        headers = {"Authorization": "Bearer secret"}
        await (await session.get(f"http://good.example.com:{canary.port}/", headers=headers)).read()
    other.server.shutdown()
    other.server.server_close()
    assert canary.requests[0][1]["Authorization"] == "Bearer secret"
    assert "Authorization" not in other.requests[0][1]


async def test_egress_session_says_the_same_for_open_closed_and_filtered(canary: Canary) -> None:
    messages = set()
    async with http.egress_session() as session:
        for target in (f"127.0.0.1:{canary.port}", "127.0.0.1:9", "10.255.255.1:8000", "127.0.0.1:5432"):
            with pytest.raises(http.EgressBlocked) as caught:
                await session.get(f"http://{target}/")
            messages.add(caught.value.message)
    assert len(messages) == 1
    assert canary.connections == 0


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What httpx2's look-ups answer."""
    table: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in table:
            return [item for address in table[host] for item in real(address, port, *args, **kwargs)]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return table


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "evil.example.com", "many.example.com"])
def test_egress_httpx_client_refuses_private_addresses(canary: Canary, names: dict[str, list[str]], host: str) -> None:
    names.update({"evil.example.com": ["127.0.0.1"], "many.example.com": ["93.184.216.34", "127.0.0.1"]})
    with http.egress_httpx_client() as client, pytest.raises(http.EgressBlocked):
        client.get(f"http://{host}:{canary.port}/")
    assert canary.connections == 0


def test_egress_httpx_client_connects_to_the_checked_address(
    canary: Canary, names: dict[str, list[str]], allow_loopback: None
) -> None:
    names["good.example.com"] = ["127.0.0.1"]
    with http.egress_httpx_client() as client:
        response = client.get(f"http://good.example.com:{canary.port}/path?x=1")
    assert response.content == b"the canary's secret"
    path, headers = canary.requests[0]
    assert (path, headers["Host"]) == ("/path?x=1", f"good.example.com:{canary.port}")


def test_egress_httpx_client_does_not_follow_redirects(canary: Canary, allow_loopback: None) -> None:
    canary.answer = (302, {"Location": f"http://127.0.0.1:{canary.port}/secret"}, b"")
    with http.egress_httpx_client() as client:
        assert client.get(f"http://127.0.0.1:{canary.port}/").status_code == 302
    assert len(canary.requests) == 1


def test_egress_httpx_client_cuts_what_is_too_large_or_packed(canary: Canary, allow_loopback: None) -> None:
    canary.answer = (200, {}, b"x" * 100_000)
    with http.egress_httpx_client(max_bytes=50_000) as client:
        with pytest.raises(httpx2.ReadError):
            client.get(f"http://127.0.0.1:{canary.port}/")
        canary.answer = (200, {"Content-Encoding": "gzip"}, b"x" * 100)
        with pytest.raises(httpx2.DecodingError):
            client.get(f"http://127.0.0.1:{canary.port}/")


@pytest.mark.parametrize(("scheme", "pause"), [("http", 0.05), ("http", None), ("https", None)])
def test_egress_httpx_client_has_one_deadline_over_the_whole_exchange(
    scheme: str, pause: float | None, allow_loopback: None
) -> None:
    """Neither dripping headers nor a TLS handshake that never comes hold the caller."""
    with dripping(pause) as server, http.egress_httpx_client(timeout=0.5) as client:
        begun = time.monotonic()
        with pytest.raises(httpx2.TimeoutException):
            client.get(f"{scheme}://127.0.0.1:{server.port}/")
    assert 0.4 < time.monotonic() - begun < 4


async def test_concurrent_refusals_leave_nothing_behind(canary: Canary) -> None:
    async with http.egress_session(resolver=FakeResolver(evil=["127.0.0.1"])) as session:
        url = f"http://evil.example.com:{canary.port}/"
        results = await asyncio.gather(*(session.get(url) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(result, http.EgressBlocked) for result in results)
    assert canary.connections == 0
