"""The web process's ASGI application behind a real uvicorn on loopback, and a client that reads its streams."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import uvicorn

from tests.processes import wait_until


@dataclass
class Event:
    """One server-sent event as it came."""

    id: int
    name: str
    data: Any


@dataclass
class Client:
    """Calls one agent with its key, or a member's routes with a session."""

    url: str
    agent_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    prefix: str = "/api/v1"
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return self.session.request(method, f"{self.url}{path}", headers=headers, timeout=20, **options)

    def post_chat(self, message: str = "Hello", **fields: Any) -> requests.Response:
        path = f"{self.prefix}/agents/{self.agent_id}/chat"
        return self.call("POST", path, json={"message": message, **fields}, stream=fields.get("stream", True))

    def chat(self, message: str = "Hello", **fields: Any) -> list[Event]:
        with self.post_chat(message, **fields) as response:
            assert response.status_code == 200, response.text
            return list(read_events(response))

    def ask(self, message: str = "Hello", **fields: Any) -> dict[str, Any]:
        response = self.post_chat(message, stream=False, **fields)
        assert response.status_code == 200, response.text
        return response.json()

    @contextlib.contextmanager
    def streaming(self, message: str, **fields: Any) -> Iterator[Iterator[Event]]:
        """An answer under way; leaving the block drops the connection."""
        with self.post_chat(message, **fields) as response:
            assert response.status_code == 200, response.text
            yield read_events(response)

    def events(self, run_id: str, after: int = 0) -> list[Event]:
        headers = {"Last-Event-ID": str(after)} if after else {}
        with self.call("GET", f"{self.prefix}/runs/{run_id}/events", headers=headers, stream=True) as response:
            assert response.status_code == 200, response.text
            return list(read_events(response))

    def cancel(self, run_id: str) -> requests.Response:
        return self.call("POST", f"{self.prefix}/runs/{run_id}/cancel")


def read_events(response: requests.Response) -> Iterator[Event]:
    """The events of a stream as they come; comments are skipped."""
    lines: dict[str, str] = {}
    for raw in response.iter_lines(chunk_size=1):
        line = raw.decode()
        if line:
            name, _, value = line.partition(": ")
            lines[name] = value
        elif "event" in lines:
            yield Event(int(lines["id"]), lines["event"], json.loads(lines["data"]))
            lines = {}


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "delta")


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The application on a free port, in a thread with an event loop of its own; ends with its shutdown hooks."""
    from gilo.asgi import application

    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_level="warning",
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="web", daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), 20, "the start of the web server")
        assert server.started
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
