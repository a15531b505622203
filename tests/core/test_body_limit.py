"""The guard in front of Django, over real sockets: rows 2, 3 and 4 of what uploads must withstand."""

import asyncio
import contextlib
import json
import re
import resource
import socket
import threading
import time

import pytest
import uvicorn

from core import body_limit
from core.body_limit import BodyLimit

LIMIT = 2 * 1024 * 1024


_clients: list[socket.socket] = []


class Upload:
    """An application that reads its body to the end, as Django does."""

    def __init__(self):
        self.largest = 0
        self.disconnected = 0

    async def __call__(self, scope, receive, send):
        seen = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                return
            seen += len(message.get("body", b""))
            self.largest = max(self.largest, seen)
            if not message.get("more_body"):
                break
        if scope["path"] == "/full":
            raise OSError(28, "No space left on device")
        answer = str(seen).encode()
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setattr(body_limit, "GRACE_SECONDS", 2.0)
    application = Upload()
    guarded = BodyLimit(application, routes=[(re.compile("/upload"), LIMIT)])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(guarded, lifespan="off", log_level="error", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield application, listener.getsockname()[1]
    while _clients:
        _clients.pop().close()
    server.should_exit = True
    thread.join(5)
    listener.close()


def open_request(port, *headers, path="/upload"):
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    _clients.append(client)
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    client.sendall("\r\n".join(lines).encode())
    return client


def pour(client, block, megabytes):
    """Send until the server has had enough; megabytes that went out."""
    sent = 0
    with contextlib.suppress(OSError):
        while sent < megabytes:
            client.sendall(block)
            sent += 1
    return sent


def read_answer(client):
    data = b""
    with contextlib.suppress(OSError):
        while piece := client.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body.startswith(b"{") else body


def memory_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_honest_gigabyte_is_refused_before_it_is_read(served):
    application, port = served
    before = memory_mb()
    client = open_request(port, f"Content-Length: {1024**3}")
    client.sendall(bytes(256 * 1024))
    status, body = read_answer(client)
    assert (status, body["error"]["code"]) == (413, "too_large")
    assert "2 MB" in body["error"]["message"]
    assert body["error"]["request_id"]
    assert application.largest == 0
    assert memory_mb() - before < 20


def test_honest_gigabyte_that_keeps_coming_is_cut_off(served):
    application, port = served
    before = memory_mb()
    client = open_request(port, f"Content-Length: {1024**3}")
    assert pour(client, bytes(1024 * 1024), 1024) < 64, "the kernel's buffers take some; the server does not"
    assert application.largest == 0
    assert memory_mb() - before < 20


def test_chunked_body_is_cut_at_the_cap(served):
    application, port = served
    before = memory_mb()
    client = open_request(port, "Transfer-Encoding: chunked")
    block = b"100000\r\n" + bytes(1024 * 1024) + b"\r\n"
    sender = threading.Thread(target=pour, args=(client, block, 1024))
    sender.start()
    status, body = read_answer(client)
    client.close()
    sender.join(20)
    assert (status, body["error"]["code"]) == (413, "too_large")
    assert application.largest <= LIMIT
    assert application.disconnected == 1
    assert memory_mb() - before < 20


def test_slow_body_times_out_and_others_are_served_meanwhile(served):
    application, port = served
    client = open_request(port, "Content-Length: 1000")
    begun, stop = time.monotonic(), threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not stop.wait(0.2):
                client.sendall(b"x")

    sender = threading.Thread(target=drip)
    sender.start()
    other = open_request(port, "Content-Length: 5", "Connection: close")
    other.sendall(b"hello")
    assert read_answer(other) == (200, b"5")
    assert time.monotonic() - begun < 1.5
    status, body = read_answer(client)
    stop.set()
    sender.join()
    assert (status, body["error"]["code"]) == (408, "request_timeout")
    assert time.monotonic() - begun < 6
    assert application.disconnected == 1


def test_default_deadline_for_one_byte_a_second_is_under_thirty_seconds():
    assert body_limit.GRACE_SECONDS + 30 / body_limit.SLOWEST_BYTES_PER_SECOND < 30


def test_other_routes_have_the_default_limit(served):
    _, port = served
    client = open_request(port, f"Content-Length: {LIMIT + 1}", "Connection: close", path="/else")
    client.sendall(bytes(LIMIT + 1))
    assert read_answer(client) == (200, str(LIMIT + 1).encode())
    client = open_request(port, f"Content-Length: {body_limit.DEFAULT_LIMIT + 1}", path="/else")
    assert read_answer(client)[0] == 413


def test_full_disk_while_the_body_is_kept_answers_507(served):
    _, port = served
    client = open_request(port, "Content-Length: 1", path="/full")
    client.sendall(b"x")
    status, body = read_answer(client)
    assert (status, body["error"]["code"]) == (507, "storage_full")
