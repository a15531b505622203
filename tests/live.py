"""The whole ASGI application on a real socket, within the test process: the same doors that users come through."""

import threading
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import requests
import uvicorn

from tests.processes import free_port, wait_until


class _NoCookies(DefaultCookiePolicy):
    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False


# A program that asks everything over connections it keeps: making one, and a session, costs more than most answers. It
# remembers nothing: each request says itself who asks.
PROGRAM = requests.Session()
PROGRAM.trust_env = False
PROGRAM.cookies.set_policy(_NoCookies())


class LiveServer:
    """A context manager around uvicorn on a thread of its own, with the application's start and stop hooks."""

    def __init__(self) -> None:
        self.port = free_port()
        config = uvicorn.Config(
            "gilo.asgi:application", port=self.port, lifespan="on", log_config=None, ws="websockets-sansio",
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="live-server", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive(), 30, "the live server's start")
        assert self._server.started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(20)
