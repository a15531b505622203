import asyncio

import pytest
import uvicorn

from gilo.protocol import HttpProtocol, WholeAnswers
from tests.processes import free_port

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Recorder:
    """The transport below: what it was asked to send, piece by piece."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.sent.append(data)

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str, default: object = None) -> str:
        return f"info of {name}"


@pytest.fixture
async def below():
    return Recorder()


@pytest.fixture
async def transport(below):
    return WholeAnswers(below)


async def test_head_leaves_with_the_body_that_follows_it(transport, below):
    for piece in (HEAD, b"first", b"second"):
        transport.write(piece)
    await asyncio.sleep(0)
    assert below.sent == [HEAD + b"first", b"second"]


async def test_head_whose_body_is_late_is_not_held_back(transport, below):
    transport.write(HEAD)
    assert below.sent == []
    await asyncio.sleep(0)
    assert below.sent == [HEAD]
    transport.write(b"late")
    assert below.sent == [HEAD, b"late"]


async def test_head_is_sent_before_the_connection_closes(transport, below):
    transport.write(HEAD)
    transport.close()
    await asyncio.sleep(0)
    assert (below.sent, below.is_closed) == ([HEAD], True)


async def test_answers_on_one_connection_stay_in_order(transport, below):
    for piece in (HEAD, b"one", HEAD, b"two"):
        transport.write(piece)
    await asyncio.sleep(0)
    assert b"".join(below.sent) == HEAD + b"one" + HEAD + b"two"


async def test_all_else_is_the_transports_own(transport):
    assert transport.get_extra_info("peername") == "info of peername"


async def answer_ok(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port(monkeypatch):
    """A server with this protocol on a real socket, and little patience for headers."""
    monkeypatch.setattr("gilo.protocol.HEAD_SECONDS", 0.3)
    number = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            answer_ok, port=number, http=HttpProtocol, ws="websockets-sansio", lifespan="off", log_config=None
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield number
    server.should_exit = True
    await serving


async def test_connection_that_says_nothing_is_closed(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


@pytest.mark.parametrize("is_first", [True, False])
async def test_headers_that_never_end_are_answered_408(port, is_first):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if not is_first:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout") and b'"request_timeout"' in answer
    writer.close()


async def test_connection_is_kept_between_requests(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.5)  # longer than headers may take
    writer.close()


@pytest.mark.parametrize(
    "line",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 2",
        b"GET / HTTP/1.1\r\nContent-Length: 2",
        b"GET / HTTP/1.1" + b"\r\nX: a" * 200,
    ],
)
async def test_handshake_that_nobody_can_read_is_answered(port, line):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line + b"\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{}")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request") and b"no WebSocket handshake" in answer
    writer.close()
