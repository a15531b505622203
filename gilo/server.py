"""The web server: its socket, and uvicorn made to obey `gilo.shutdown`."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from django.conf import settings
from django.core.management.base import CommandError

from gilo.lifespan import ending_hooks
from gilo.protocol import HttpProtocol
from gilo.shutdown import Shutdown, announce_leaving
from gilo.websocket_protocol import WebSocketProtocol

MAX_FRAME_BYTES = 4 * 1024 * 1024  # of a WebSocket; a chat message is far below, and larger frames are never held
LEAVE_SECONDS = 2.0  # for requests that were told to end and whose thread does not


def bind(host: str, port: int) -> socket.socket:
    """The listening address, taken before anything else is touched. Raises CommandError when it is not to be had."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise CommandError(_explain(error, host, port)) from None
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    reason = f"Port {port} on {host} cannot be used: {error.strerror or error}."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{reason} HOST must be an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them."
    if error.errno == errno.EACCES:
        return f"{reason} Ports below 1024 are the system's: choose a higher one, as in PORT=8000 make run"
    return f"{reason} Stop what uses it, or choose another one: PORT={port + 1} make run"


class Server(uvicorn.Server):
    """uvicorn, but signals come through Shutdown: the server must not end the process, the database is still up."""

    def __init__(self, config: uvicorn.Config, shutdown: Shutdown, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._leave_at: float | None = None
        shutdown.ask = self._drain
        shutdown.insist = self._give_up

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for hook in ending_hooks:
            hook()
        await super().shutdown(sockets)

    def _drain(self) -> None:
        announce_leaving()
        self._leave_at = time.monotonic() + settings.DRAIN_GRACE_SECONDS

    def _give_up(self) -> None:
        self.should_exit = self.force_exit = True


def serve(listener: socket.socket, shutdown: Shutdown, on_ready: Callable[[], None]) -> bool:
    """Serve until asked to stop; then requests in flight end, streams within `settings.DRAIN_SECONDS`.

    False when a request did not end: a thread still waits, so the process must not wait for its threads.
    """
    config = uvicorn.Config(
        "gilo.asgi:application",
        loop="uvloop",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        lifespan="on",
        access_log=False,
        log_config=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.DRAIN_SECONDS,
        server_header=False,
        proxy_headers=False,
    )
    server = Server(config, shutdown, on_ready)
    runner = asyncio.Runner(loop_factory=config.get_loop_factory())
    has_ended = runner.run(_serve_and_leave(server, listener, shutdown))
    if has_ended:
        runner.get_loop().close()  # not the runner: it would wait for the threads of the loop's pool, however long
    return has_ended


async def _serve_and_leave(server: Server, listener: socket.socket, shutdown: Shutdown) -> bool:
    """Serve; then end all tasks, but wait for them neither long nor, once somebody insists, at all."""
    await server.serve(sockets=[listener])
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    deadline = time.monotonic() + LEAVE_SECONDS
    while left:
        _ended, left = await asyncio.wait(left, timeout=0.1)
        if shutdown.insisted or time.monotonic() > deadline:
            break
    if not left:
        await asyncio.get_running_loop().shutdown_asyncgens()
    return not left
