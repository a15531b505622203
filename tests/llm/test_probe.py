"""The test button and the list of models against servers that answer what no server should."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llm import probe
from llm.probe import Target, fetch_models, probe_endpoint

MODELS = b'{"object": "list", "data": [%b]}'
DEEP = b'{"data": ' + b"[" * 200_000


@pytest.fixture
def serve(settings) -> Iterator[Callable[[bytes, int], Target]]:
    """Answer everything with this body and status; gives where to ask."""
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    servers: list[ThreadingHTTPServer] = []

    def start(body: bytes, status: int = 200) -> Target:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Target(f"http://127.0.0.1:{server.server_port}/v1", "sk-secret", "m", False)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_names_that_cannot_be_shown_are_left_out(serve) -> None:
    ids = [r'"good"', r'"\ud800"', r'"a\u0000b"', r'"\u202eevil"', '"a\\nb"']
    target = serve(MODELS % b",".join(b'{"id": %b}' % text.encode() for text in ids))
    assert fetch_models(target, timeout=5) == ["good"]


def test_no_more_models_are_listed_than_anybody_has(serve, monkeypatch) -> None:
    monkeypatch.setattr(probe, "MOST_MODELS", 3)
    target = serve(MODELS % b",".join(b'{"id": "m%d"}' % number for number in range(9)))
    assert fetch_models(target, timeout=5) == ["m0", "m1", "m2"]


def test_endless_nesting_is_no_openai_compatible_server(serve) -> None:
    target = serve(DEEP)
    assert fetch_models(target, timeout=5) is None
    assert "not an OpenAI-compatible server" in probe_endpoint(target).steps[-1].message


def test_words_of_a_provider_can_be_written_in_an_answer(serve) -> None:
    target = serve(rb'{"error": {"message": "no \ud800 way \u0000 here"}}', 400)
    assert "(no ? way here)" in probe_endpoint(target).steps[-1].message
