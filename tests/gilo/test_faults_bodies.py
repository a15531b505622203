"""Bodies that are too long, lie about their length, or never end, against a started GiLo: SAFETY rows 2 to 4."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from core.body_limit import DEFAULT_LIMIT
from gilo.protocol import MAX_HEAD_BYTES
from gilo.server import MAX_FRAME_BYTES
from gilo.websocket_protocol import MOST_FRAMES
from tests.gilo.visitor import Visitor
from tests.processes import Process, running, wait_until

MEGABYTE = 1024 * 1024
GIGABYTE = 1024 * MEGABYTE
# What comes before a file's own bytes.
FORM = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
HANDSHAKE = (
    b"GET /ws/agents/1/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Protocol: gilo-token\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
DOORS = ["upload", "chat", "chat as member", "completions", "login"]


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Iterator[Process]:
    env = {"GILO_SEED_DEMO": "0", "GILO_WORKER_INSIDE": "0", "GILO_MAX_UPLOAD_MB": "8"}
    with running(tmp_path_factory.mktemp("bodies") / "data", env=env, is_first_start=False) as process:
        yield process


@pytest.fixture(scope="module")
def visitor(web) -> Iterator[Visitor]:
    visitor = Visitor(web.url)
    assert visitor.upload("warm.txt", b"some text").status_code == 202
    assert visitor.chat().status_code == 200
    yield visitor
    visitor.close()


def head_of(visitor: Visitor, door: str, *more: str) -> bytes:
    """The request line and headers of one door, without a length."""
    agent, bearer = visitor.agent, visitor.http.headers["Authorization"]
    path, credentials, kind = {
        "upload": (f"/api/agents/{agent}/knowledge", bearer, "multipart/form-data; boundary=edge"),
        "chat": (f"/api/v1/agents/{agent}/chat", f"Bearer {visitor.key}", "application/json"),
        "chat as member": (f"/api/agents/{agent}/chat", bearer, "application/json"),
        "completions": ("/api/v1/chat/completions", f"Bearer {visitor.key}", "application/json"),
        "login": ("/api/auth/login", "", "application/json"),
    }[door]
    authorization = [f"Authorization: {credentials}"] if credentials else []
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *authorization, *more]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def connected(web: Process) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", web.port), timeout=40) as client:
        yield client


def pour(client: socket.socket, block: bytes, total: int) -> int:
    """Send until the server has had enough; the bytes that went out, the kernel's buffers included."""
    sent = 0
    with contextlib.suppress(OSError):
        while sent < total:
            client.sendall(block)
            sent += len(block)
    return sent


def read_error(client: socket.socket) -> tuple[int, str]:
    """Status and code of the answer, which must have our shape."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            if b"}}" in body:
                break
    assert data, "no answer came before the connection's end"
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    error = json.loads(body)["error"]
    assert headers["content-type"].startswith("application/json")
    assert headers["x-request-id"] == error["request_id"] != ""
    return int(head.split()[1]), error["code"]


def memory(web: Process, line: str) -> int:
    """Bytes: `VmRSS` now, `VmHWM` the most since `forget_peak`."""
    status = Path(f"/proc/{web.popen.pid}/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) * 1024


@contextlib.contextmanager
def grows_by_less_than(web: Process, most: int) -> Iterator[None]:
    Path(f"/proc/{web.popen.pid}/clear_refs").write_text("5")  # the peak begins anew
    before = memory(web, "VmRSS")
    yield
    assert memory(web, "VmHWM") - before < most


def bytes_read(web: Process) -> int:
    return int(Path(f"/proc/{web.popen.pid}/io").read_text().split()[1])


def leftovers(web: Process) -> list[Path]:
    return [path for path in (web.data_dir / "tmp").rglob("*") if path.is_file()]


@pytest.mark.parametrize("door", DOORS)
def test_honest_gigabyte_is_refused_after_a_megabyte_at_most(web, visitor, door):
    with grows_by_less_than(web, 20 * MEGABYTE), connected(web) as client:
        before = bytes_read(web)
        client.sendall(head_of(visitor, door, f"Content-Length: {GIGABYTE}"))
        sent = pour(client, bytes(65536), GIGABYTE)
        assert read_error(client)[0] == 413
        assert bytes_read(web) - before < MEGABYTE + 65536, "bytes of the process's own files are counted, too"
        assert sent < 32 * MEGABYTE, "nobody read the rest"
    assert leftovers(web) == []


@pytest.mark.parametrize("door", DOORS)
def test_endless_chunked_body_is_cut_at_the_cap(web, visitor, door):
    cap = (8 if door == "upload" else DEFAULT_LIMIT // MEGABYTE) * MEGABYTE + MEGABYTE
    with grows_by_less_than(web, 20 * MEGABYTE), connected(web) as client:
        before = bytes_read(web)
        client.sendall(head_of(visitor, door, "Transfer-Encoding: chunked"))
        first = FORM if door == "upload" else b'{"message": "'
        client.sendall(b"%x\r\n%b\r\n" % (len(first), first))
        sender = threading.Thread(target=pour, args=(client, b"10000\r\n" + b"a" * 65536 + b"\r\n", GIGABYTE))
        sender.start()
        assert read_error(client)[0] == 413
        sender.join(30)
        assert not sender.is_alive()
        assert bytes_read(web) - before < cap + MEGABYTE
    wait_until(lambda: leftovers(web) == [], 5, "the temporary file's end")
    assert len(visitor.documents()) == 1


@pytest.mark.parametrize("door", DOORS)
def test_more_bytes_than_announced_are_answered_in_our_shape(web, visitor, door):
    with connected(web) as client:
        client.sendall(head_of(visitor, door, "Content-Length: 5") + b'{"message": "' + b"a" * 100_000)
        status, code = read_error(client)
        assert (status, code) == (400, "http_invalid")
    assert len(visitor.documents()) == 1


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n",
     b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n",
     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_bytes_that_are_no_request_are_answered_in_our_shape(web, request_bytes):
    with connected(web) as client:
        client.sendall(request_bytes)
        assert read_error(client) == (400, "http_invalid")


@pytest.mark.parametrize("header", [b"X-Endless: " + b"a" * 65536, b"X-Many: a\r\n" * 6000])
def test_endless_headers_are_refused(web, visitor, header):
    with grows_by_less_than(web, 20 * MEGABYTE), connected(web) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        sender = threading.Thread(target=pour, args=(client, header, GIGABYTE))
        sender.start()
        assert read_error(client) == (431, "headers_too_large")
        sender.join(30)
        assert not sender.is_alive()


def test_headers_and_pipelined_requests_within_the_limit_are_served(web):
    long = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * (MAX_HEAD_BYTES - 1000) + b"\r\n\r\n"
    with connected(web) as client:
        client.sendall(long * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3:
            piece = client.recv(65536)
            assert piece, answers
            answers += piece


def test_one_byte_a_second_ends_in_408_and_others_are_served_meanwhile(web, visitor):
    results: dict[str, tuple[int, str, float]] = {}

    def drip(door: str) -> None:
        begun = time.monotonic()
        with connected(web) as client:
            client.sendall(head_of(visitor, door, "Content-Length: 1000"))
            stopped = threading.Event()
            sender = threading.Thread(target=drop_by_drop, args=(client, stopped))
            sender.start()
            status, code = read_error(client)
            results[door] = (status, code, time.monotonic() - begun)
            stopped.set()
            sender.join()

    threads = [threading.Thread(target=drip, args=(door,)) for door in DOORS]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert visitor.chat().status_code == web.health() == 200
        time.sleep(0.5)
    assert {door: result[:2] for door, result in results.items()} == dict.fromkeys(DOORS, (408, "request_timeout"))
    assert all(seconds < 30 for _, _, seconds in results.values()), results


@contextlib.contextmanager
def socket_to(web: Process, visitor: Visitor) -> Iterator[ClientConnection]:
    """A WebSocket to the visitor's agent; what it receives may be of any size, and nothing is packed."""
    url = f"ws://127.0.0.1:{web.port}/ws/agents/{visitor.agent}/chat"
    headers = {"Authorization": f"Bearer {visitor.key}"}
    with connect(url, additional_headers=headers, compression=None, max_size=None) as chat:
        yield chat


def test_largest_frame_is_read_and_its_message_refused(web, visitor):
    with socket_to(web, visitor) as chat:
        chat.send("a" * MAX_FRAME_BYTES)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                chat.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4413


@pytest.mark.parametrize("parts", [1, 64], ids=["one frame", "a message of many frames"])
def test_larger_frames_close_the_socket_unread(web, visitor, parts):
    size = 8 * MAX_FRAME_BYTES
    with grows_by_less_than(web, 20 * MEGABYTE), socket_to(web, visitor) as chat:
        with contextlib.suppress(ConnectionClosed):
            chat.send("a" * size if parts == 1 else iter(["a" * (size // parts)] * parts))
        with pytest.raises(ConnectionClosed) as closed:
            chat.recv(timeout=20)
    # Who is still sending when the server closes may find the connection reset before the code is read.
    assert closed.value.rcvd is None or closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG
    assert visitor.chat().status_code == 200


@pytest.mark.parametrize("kind", ["text/plain; x*=nobody''%41", "text/plain; charset*=utf-8''%00", "a/b; x*=idna''%ff"])
def test_header_that_cannot_be_decoded_is_refused(web, visitor, kind):
    with connected(web) as client:
        client.sendall(head_of(visitor, "login", "Content-Length: 0").replace(b"application/json", kind.encode()))
        assert read_error(client) == (400, "bad_request")


PING, OPENS_TEXT, GOES_ON = b"\x89", b"\x01", b"\x00"  # the first byte of a frame; all but the ping say "not the last"
EMPTY, ONE_LETTER, MASK = b"\x80", b"\x81", b"\x00" * 4
FLOODS = {
    "pings": PING + EMPTY + MASK,
    "empty fragments": GOES_ON + EMPTY + MASK,
    "fragments of a letter": GOES_ON + ONE_LETTER + MASK + b"a",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_of_small_frames_closes_the_socket(web, flood):
    """From somebody who has not said who they are; each frame costs us more than it costs them."""
    with grows_by_less_than(web, 20 * MEGABYTE), connected(web) as client:
        client.sendall(HANDSHAKE)
        while not client.recv(4096).endswith(b"\r\n\r\n"):
            pass
        client.sendall(OPENS_TEXT + EMPTY + MASK + FLOODS[flood] * (MOST_FRAMES + 1))
        answered = b"".join(iter(lambda: client.recv(65536), b""))
    assert b'"code":"rate_limited"' in answered
    assert (4429).to_bytes(2) in answered[-4:]
    assert web.health() == 200


def test_first_frame_is_no_larger_than_a_token(web):
    url = f"ws://127.0.0.1:{web.port}/ws/agents/{uuid4()}/chat"
    with connect(url, subprotocols=["gilo-token"]) as chat:
        chat.send("[" + ",".join(["{}"] * 10_000) + "]")
        assert json.loads(chat.recv(timeout=20))["data"]["error"]["code"] == "too_large"
        with pytest.raises(ConnectionClosed) as closed:
            chat.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4413


def drop_by_drop(client: socket.socket, stopped: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not stopped.wait(1):
            client.sendall(b"{")
