"""The egress guard: every request to an address that a user chose goes through here.

Twice: `check_url` refuses on save what can be judged by its spelling; `egress_session` and `egress_httpx_client`
resolve the name once at connect, check every address it has, and connect to a checked one, so that a name cannot
point elsewhere a moment later (DNS rebinding). Each redirect is a new connection and passes the same check.
Addresses that the operator set (OPENAI_BASE_URL, OLLAMA_URL, EMBEDDING_BASE_URL) do not come through here.
"""

import asyncio
import re
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from django.utils.translation import gettext as _

from core.addresses import Address, Network, is_public, parse_address, parse_networks
from core.errors import UrlNotAllowed

MAX_URL_LENGTH = 500
CONNECT_TIMEOUT = 5.0  # seconds
KEEPALIVE = 60.0  # seconds
MAX_ANSWER_BYTES = 10 * 1024 * 1024
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*")
_ENDS_IN_NUMBER = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)$")
_LOCAL_SUFFIXES = ("local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa")
_WEB_PORTS = {80, 443}
_SYSTEM_PORTS_BELOW = 1024
# databases, queues, caches, remote control: never what an OpenAI-compatible endpoint or a web page listens on
_DENIED_PORTS = frozenset(
    {1433, 1434, 1521, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5433, 5671, 5672, 5900, 5984}
    | {5985, 5986, 6000, 6379, 6380, 6432, 6443, 8086, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 15672, 26379}
    | {27017, 27018, 50000}
)


class EgressBlocked(UrlNotAllowed):
    """Refused at connect. The same words whatever is behind: open, closed or filtered."""

    code = "egress_blocked"
    message = "This address is not allowed. Only public internet addresses can be reached from here."


def check_url(url: str, *, allow_private: bool = False) -> None:
    """Refuse an address by its spelling (no look-up); raises UrlNotAllowed with the reason.

    `allow_private` is for addresses of the operator's own: only the form is checked.
    """
    parts = _split(url)
    host, port = parts.hostname or "", _port_of(parts)
    if parse_address(host) is None:
        _check_name(host, allow_private)
    if allow_private:
        return
    _check_port(port)
    address = parse_address(host)
    if address is not None and not is_public(address, _allowed_networks()):
        raise UrlNotAllowed(_("This address is not allowed. Use a public http or https address."))


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_LENGTH:
        raise UrlNotAllowed(_("The address is too long."))
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise UrlNotAllowed(_("The address may only hold plain ASCII characters, without spaces or backslashes."))
    try:
        parts = urlsplit(url)
        port = parts.port  # raises ValueError for a port that is no number
    except ValueError:
        raise UrlNotAllowed(_("The address cannot be read.")) from None
    if port == 0:
        raise UrlNotAllowed(_("This port is not allowed."))
    if parts.scheme not in {"http", "https"}:
        raise UrlNotAllowed(_("The address must begin with http:// or https://."))
    if "@" in parts.netloc or "#" in url:
        raise UrlNotAllowed(_("The address must not hold a user name, a password or a fragment."))
    if not parts.hostname or ("[" in parts.netloc and parse_address(parts.hostname) is None):
        raise UrlNotAllowed(_("The address names no host."))
    return parts


def _port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _check_port(port: int) -> None:
    if port in _DENIED_PORTS or (port < _SYSTEM_PORTS_BELOW and port not in _WEB_PORTS):
        raise UrlNotAllowed(_("This port is not allowed."))


def _check_name(host: str, allow_private: bool) -> None:
    if not _HOST_NAME.fullmatch(host):
        raise UrlNotAllowed(_("The host name is not valid."))
    if _ENDS_IN_NUMBER.search(host):
        raise UrlNotAllowed(_("Write an IPv4 address as four decimal numbers."))
    if allow_private or _allowed_networks():
        return  # the name may lead into an allowed network: the check at connect decides
    if "." not in host or host == "localhost" or host.endswith((".localhost", *(f".{s}" for s in _LOCAL_SUFFIXES))):
        raise UrlNotAllowed(_("This address is not allowed. Use a public http or https address."))


def _allowed_networks() -> tuple[Network, ...]:
    return _parse_allowed(tuple(settings.EGRESS_ALLOWED_NETWORKS))


@lru_cache(maxsize=8)
def _parse_allowed(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return parse_networks(texts)


def check_resolved(addresses: list[str]) -> None:
    """Raise EgressBlocked unless every address of the name may be reached: one private among many is an attack."""
    allowed = _allowed_networks()
    parsed: list[Address | None] = [parse_address(address) for address in addresses]
    if not parsed or not all(address is not None and is_public(address, allowed) for address in parsed):
        raise EgressBlocked()


def check_hop(url: str) -> None:
    """The check of one request or redirect at connect, as EgressBlocked."""
    try:
        check_url(url)
    except UrlNotAllowed:
        raise EgressBlocked() from None


class GuardedResolver(AbstractResolver):
    """Resolves once and hands over only when all addresses are allowed; aiohttp connects to exactly these."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        check_resolved([result["host"] for result in results])
        return results

    async def close(self) -> None:
        await self._inner.close()


class GuardedConnector(aiohttp.TCPConnector):
    """Checks the address of each request, redirects included: aiohttp asks no resolver for a literal IP address."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - aiohttp's signature
        check_hop(str(req.url.origin()))
        return await super().connect(req, traces, timeout)


async def resolve_checked(host: str, port: int) -> list[str]:
    """All addresses of a name, each of them allowed; connect to these and to no other.

    Raises EgressBlocked, and socket.gaierror for a name that does not resolve.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(item[4][0]).partition("%")[0] for item in found]
    check_resolved(addresses)
    return addresses


def egress_session(*, resolver: AbstractResolver | None = None, limit: int = 0) -> aiohttp.ClientSession:
    """A session for addresses that users chose; the caller closes it. Needs a running loop.

    Raises EgressBlocked at connect. aiohttp drops Authorization when a redirect leaves the origin; callers that send
    other secrets pass `allow_redirects=False`. `limit` is the number of connections, 0 for no limit.
    """
    connector = GuardedConnector(limit=limit, keepalive_timeout=KEEPALIVE, resolver=GuardedResolver(resolver))
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_read=60)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())


class GuardedTransport(httpx2.BaseTransport):
    """httpx2's side of the guard: the request goes to the checked address, Host and TLS name stay the original's."""

    def __init__(self, max_bytes: int, max_seconds: float) -> None:
        from core.http_deadline import DeadlineTransport  # what it stands on is slow to import: only where it is used

        self._max_bytes = max_bytes
        self._inner = DeadlineTransport(max_seconds)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        check_hop(f"{url.scheme}://{url.netloc.decode('ascii')}/")
        pinned = httpx2.Request(
            request.method,
            url.copy_with(host=self._pin(url.host, url.port or 0)),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )
        response = self._inner.handle_request(pinned)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()  # not asked for, and a few packed bytes can unpack to gigabytes
            raise httpx2.DecodingError("The server packed its answer although it was asked not to.")
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_LimitedStream(response.stream, self._max_bytes),
            extensions=response.extensions,
        )

    def _pin(self, host: str, port: int) -> str:
        addresses = resolve_host(host, port)
        check_resolved(addresses)
        return addresses[0]

    def close(self) -> None:
        self._inner.close()


class _LimitedStream(httpx2.SyncByteStream):
    """A body that ends in an error when it is too long."""

    def __init__(self, inner: Any, max_bytes: int) -> None:
        self._inner, self._left = inner, max_bytes

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            self._left -= len(piece)
            if self._left < 0:
                raise httpx2.ReadError("The answer is too large.")
            yield piece

    def close(self) -> None:
        self._inner.close()


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a name, without zones; raises httpx2.ConnectError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx2.ConnectError(str(error)) from error
    return [str(item[4][0]).partition("%")[0] for item in found]


def egress_httpx_client(timeout: float = 15.0, max_bytes: int = MAX_ANSWER_BYTES) -> httpx2.Client:
    """A client for the openai SDK towards an address that a user chose; redirects are not followed.

    `timeout` is in seconds for each whole exchange, from the connect on; a body over `max_bytes` is an error.
    """
    return httpx2.Client(
        transport=GuardedTransport(max_bytes, max_seconds=timeout),
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT),
        follow_redirects=False,
        trust_env=False,
    )
