"""The streaming client against servers that send what real and broken servers send, over real sockets."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.http import EgressBlocked
from llm.providers import http1
from llm.providers.http1 import pool

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


class Server:
    """Answers each request on a connection with the next of these pieces of bytes; "" closes the connection."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers and (head := await reader.readuntil(b"\r\n\r\n")):
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if not answer:
                    break
                for piece in answer.split(b"|PAUSE|"):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                if b"|END|" in answer or b"close" in answer or b"Content-Length" not in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(server: Server, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await http1.close_pool()
        listener.close()


def target_of(server: Server, *, guarded: bool = False, scheme: str = "http", host: str = "127.0.0.1") -> http1.Target:
    return http1.make_target(f"{scheme}://{host}:{server.port}/v1/x?a=1", {"User-Agent": "GiLo"}, guarded=guarded)


async def post(server: Server, **options: object) -> tuple[int, bytes]:
    own = await http1.get_pool()
    connection = await own.post(target_of(server, **options), b"{}", 5.0)  # type: ignore[arg-type]
    body = b""
    while data := await connection.read():
        body += data
    status = connection.status
    connection.release()
    return status, body


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 20|PAUSE|0 OK\r\nConte|PAUSE|nt-Length: 5\r\n\r\nhe|PAUSE|llo", 200, b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n|PAUSE|HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil |PAUSE|the end", 200, b"until the end"),
    ],
)
async def test_post_reads_the_answer_however_it_is_cut(answer: bytes, status: int, body: bytes) -> None:
    async with serving(Server(answer)) as server:
        assert await post(server) == (status, body)
        assert server.requests[0].startswith(b"POST /v1/x?a=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
        assert server.requests[0].endswith(b"\r\n\r\n{}")


async def test_post_reads_chunks() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab|PAUSE|cd\r\n2\r\nef\r\n0\r\n\r\n"
    async with serving(Server(chunks)) as server:
        assert await post(server) == (200, b"abcdef")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort|END|",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 80_000,
    ],
)
async def test_post_of_a_broken_answer_is_connection_lost(answer: bytes) -> None:
    async with serving(Server(answer)) as server:
        with pytest.raises(http1.ConnectionLost):
            await post(server)


async def test_post_keeps_its_connection_and_replaces_one_that_was_closed() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with serving(Server(ok, ok, b"", ok)) as server:
        assert await post(server) == await post(server) == (200, b"ok")
        assert server.connections == 1
        assert await post(server) == (200, b"ok")  # the kept one ends without an answer
        assert server.connections == 2
        assert len(server.requests) == 4


async def test_post_on_a_new_connection_that_closes_is_not_sent_twice() -> None:
    async with serving(Server(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        with pytest.raises(http1.ConnectionLost):
            await post(server)
        assert len(server.requests) == 1


async def test_post_does_not_keep_what_the_server_wants_closed() -> None:
    once = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with serving(Server(once, once)) as server:
        assert await post(server) == await post(server) == (200, b"ok")
        assert server.connections == 2


async def test_read_of_a_fast_server_holds_only_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 20 * 1024 * 1024
    async with serving(Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)) as server:
        own = await http1.get_pool()
        connection = await own.post(target_of(server), b"{}", 5.0)
        await asyncio.sleep(0.2)
        first = await connection.read()
        assert len(first) < 2 * 1024 * 1024
        rest = 0
        while data := await connection.read():
            rest += len(data)
        assert len(first) + rest == size
        connection.release()


async def test_post_that_gets_no_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_LONGEST_TICK", 0.02)
    async with serving(Server(b"HTTP/1.1 ")) as server:
        server.answers[0] += b"|PAUSE|" * 60
        with pytest.raises(TimeoutError):
            await (await http1.get_pool()).post(target_of(server), b"{}", 0.05)


async def test_guarded_post_never_connects_to_a_private_address() -> None:
    async with serving(Server()) as server:
        for host in ("127.0.0.1", "localhost", "localtest.invalid"):
            with pytest.raises((EgressBlocked, http1.NameUnknown)):
                await post(server, guarded=True, host=host)
        assert server.connections == 0


async def test_post_to_a_server_with_a_wrong_certificate_is_not_trusted(tmp_path: Path) -> None:
    async with serving(Server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), self_signed(tmp_path)) as server:
        with pytest.raises(http1.NotTrusted):
            await post(server, scheme="https", host="localhost")
        assert server.requests == []


async def test_post_over_tls_to_a_trusted_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(pool, "_tls_context", lambda: trusting)
    async with serving(Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), context) as server:
        assert await post(server, scheme="https", host="localhost") == (200, b"ok")


@pytest.mark.parametrize("text", ["a\r\nX: 1", "é", "a\x00"])
def test_make_target_refuses_what_would_break_the_head(text: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        http1.make_target("http://host/v1", {"Authorization": text}, guarded=False)


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
