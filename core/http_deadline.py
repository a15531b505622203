"""httpx2 with one deadline over a whole exchange: connect, TLS, headers and body.

httpx2's own timeouts are for each read: a server that sends one byte of its headers every few seconds is never cut.
"""

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2


class DeadlineTransport(httpx2.HTTPTransport):
    """Each exchange ends within `max_seconds`, however regularly the server drips; environment and proxies are ignored.

    Looking the name up is not part of it: the system's resolver has limits of its own.
    """

    def __init__(self, max_seconds: float) -> None:
        # no kept connections: each has the deadline of its one exchange, and httpx2 would share one between host
        # names that have the same address
        super().__init__(trust_env=False, limits=httpx2.Limits(max_connections=10, max_keepalive_connections=0))
        self._pool._network_backend = _DeadlineBackend(max_seconds)  # httpx2 offers no way to hand it over


class _DeadlineBackend(httpcore2.NetworkBackend):
    def __init__(self, max_seconds: float) -> None:
        self._inner, self._max_seconds = httpcore2.SyncBackend(), max_seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        deadline = time.monotonic() + self._max_seconds
        timeout = self._max_seconds if timeout is None else min(timeout, self._max_seconds)
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _DeadlineStream(stream, deadline)


class _DeadlineStream(httpcore2.NetworkStream):
    """A connection that waits for nothing past its deadline."""

    def __init__(self, inner: httpcore2.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._cut(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._cut(timeout, httpcore2.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._cut(timeout, httpcore2.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _cut(self, timeout: float | None, error: type[Exception]) -> float:
        """The seconds to wait at most; raises `error` when none are left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise error("The exchange takes too long.")
        return left if timeout is None else min(timeout, left)
