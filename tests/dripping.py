"""A server over real HTTP on loopback that never comes to an end: it drips header lines, or says nothing at all."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Dripping:
    """`url` is a base URL, ending in /v1; `requests` counts connections, `drips` answers that have begun."""

    port: int
    pause: float | None
    missing: bytes = b""
    requests: int = 0
    drips: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(self, listener: socket.socket) -> None:
        while not self.ended.is_set():
            with contextlib.suppress(OSError):
                connection, _address = listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        self.requests += 1
        with connection, contextlib.suppress(OSError):
            if self.pause is None:
                self.ended.wait()
                return
            request = connection.recv(65536)
            if self.missing and self.missing in request:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            self.drips += 1
            while not self.ended.wait(self.pause):
                connection.sendall(b"X-A: b\r\n")


@contextmanager
def dripping(pause: float | None, *, missing: bytes = b"") -> Iterator[Dripping]:
    """One header line after each `pause` in seconds; None: connections are taken and nothing is said.

    Requests that hold `missing` get a 404.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = Dripping(listener.getsockname()[1], pause, missing)
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            with contextlib.suppress(OSError):  # wakes `accept`
                socket.create_connection(("127.0.0.1", server.port), 1).close()
            thread.join(5)
