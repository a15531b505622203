"""Workers that die, services that are down, disks that are full: for real."""

import errno
import os
import resource
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import orjson
import pytest
from django.utils import timezone

from knowledge.embedding import get_embedder
from knowledge.errors import EmbeddingRejected, EmbeddingUnavailable
from knowledge.jobs import Lease, LeaseLost, claim_next
from knowledge.models import Chunk, ChunkVector, Document
from knowledge.processing import process_next
from knowledge.remote_embedding import PAUSE_SECONDS, QUERY_SECONDS
from knowledge.retrieval import search
from tests import factories
from tests.dripping import dripping
from tests.processes import database_url, running, wait_until

LONG = "\n\n".join(
    f"Chapter {number} tells of the harbour of town {number * 7}. " + f"Ships {number} carried grain and oil. " * 60
    for number in range(32)
)


def outcome(document):
    chunks = Chunk.objects.filter(document=document).order_by("position")
    vectors = ChunkVector.objects.filter(document=document).order_by("chunk__position", "window")
    return (
        list(chunks.values_list("position", "page", "content", "token_count")),
        list(vectors.values_list("chunk__position", "window", "embedding_model")),
    )


def wait_ready(name: str) -> Document:
    ready = Document.objects.filter(name=name, status="ready")
    return wait_until(ready.first, 60, f"{name} becomes ready")


@pytest.mark.django_db(transaction=True)
def test_killed_product_resumes_a_document_with_the_same_chunks(upload, settings, tmp_path):
    data_dir = tmp_path / "data"
    settings.MEDIA_ROOT = data_dir / "files"
    env = {
        "DATABASE_URL": database_url(),
        "GILO_SEED_DEMO": "0",
        "GILO_DOCUMENT_LEASE_SECONDS": "6",  # a batch takes a second or two where much else runs
        "GILO_DOCUMENT_SWEEP_SECONDS": "1",
    }
    upload("killed.txt", LONG.encode())
    document = Document.objects.get()
    with running(data_dir, env=env, is_first_start=False) as killed:
        wait_until(lambda: ChunkVector.objects.filter(document=document).exists(), 60, "the first vectors")
        killed.send(signal.SIGKILL)
        killed.wait_end()
        document.refresh_from_db()
        assert document.status == "embedding", "killed in the middle"
        assert 0 < document.chunks_embedded < document.chunk_count
    with running(data_dir, env=env):
        resumed = wait_ready("killed.txt")
        upload("undisturbed.txt", LONG.encode())
        undisturbed = wait_ready("undisturbed.txt")
    assert outcome(resumed) == outcome(undisturbed)
    assert len(outcome(resumed)[0]) == resumed.chunk_count > 10


@pytest.mark.django_db
def test_document_that_keeps_killing_its_workers_is_given_up(upload):
    upload("deadly.txt", b"some text")
    for _ in range(4):
        assert claim_next()
        Document.objects.update(leased_until=timezone.now() - timezone.timedelta(seconds=1))
    assert claim_next() is None
    document = Document.objects.get()
    assert (document.status, document.error_code) == ("failed", "worker_lost")


@pytest.mark.django_db
def test_deleted_document_is_not_resurrected_by_its_worker(upload, member, agent):
    upload("gone.txt", b"some text")
    document, lease = claim_next()
    member.delete(f"/api/agents/{agent.pk}/knowledge/{document.pk}")
    with pytest.raises(LeaseLost):
        lease.write(status="ready")
    assert not Document.objects.exists()
    assert not Chunk.objects.exists()


@pytest.mark.django_db
def test_lease_of_an_overtaken_worker_writes_nothing(upload):
    upload("a.txt", b"some text")
    _, slow = claim_next()
    Document.objects.update(leased_until=timezone.now() - timezone.timedelta(seconds=1))
    _, fast = claim_next()
    with pytest.raises(LeaseLost):
        slow.renew()
    fast.release(status="ready")
    with pytest.raises(LeaseLost):
        Lease(fast.document_id).renew()


@pytest.mark.django_db
def test_workspaces_take_turns(upload, agent):
    crowded = agent
    for number in range(5):
        upload(f"{number}.txt", b"text", to=crowded)
    other = factories.make_agent(factories.make_workspace()[0])
    Document.objects.create(
        workspace_id=other.workspace_id,
        agent=other,
        name="other",
        mime_type="text/plain",
        size=1,
        sha256="",
        storage_key="o",
    )
    names = [claim_next()[0].name for _ in range(3)]
    assert names == ["0.txt", "other", "1.txt"]


class _EmbeddingService:
    """An OpenAI-compatible /embeddings over real HTTP, which can be told to fail."""

    def __init__(self):
        self.status = 200
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                given = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
                data = [
                    {
                        "object": "embedding",
                        "index": index,
                        "embedding": [len(text) % 7 + 1.0, text.count("e") + 1.0, 1.0],
                    }
                    for index, text in enumerate(given["input"])
                ]
                answer = {
                    "object": "list",
                    "model": given["model"],
                    "data": data,
                    "usage": {"prompt_tokens": 1, "total_tokens": 1},
                }
                body = orjson.dumps(answer if service.status == 200 else {"error": {"message": "no"}})
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def embedding_service(settings):
    service = _EmbeddingService()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    settings.EMBEDDING_BASE_URL = service.url
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.mark.django_db
@pytest.mark.parametrize("status", [500, 429, 0])
def test_embedding_service_that_is_down_is_waited_for(upload, member, agent, embedding_service, settings, status):
    embedding_service.status = status
    if status == 0:
        settings.EMBEDDING_BASE_URL = "http://127.0.0.1:9/v1"
    shown = upload("a.txt", b"some text").json()
    assert process_next()
    path = f"/api/agents/{agent.pk}/knowledge/{shown['id']}"
    waiting = member.get(path).json()
    assert (waiting["status"], waiting["error"]["code"]) == ("embedding", "embedding_unavailable")
    assert waiting["next_attempt_at"]
    assert not process_next(), "its time has not come"
    embedding_service.status = 200
    settings.EMBEDDING_BASE_URL = embedding_service.url
    Document.objects.update(next_attempt_at=timezone.now())
    assert process_next()
    assert member.get(path).json() | {"created_at": "", "id": ""} == {
        **shown, "status": "ready", "error": None, "chunks": 1, "progress": 1.0, "created_at": "", "id": "",
    }  # fmt: skip


@pytest.mark.django_db
def test_embedding_service_that_refuses_fails_the_document_until_retried(upload, member, agent, embedding_service):
    embedding_service.status = 401
    document = upload("a.txt", b"some text").json()
    process_next()
    path = f"/api/agents/{agent.pk}/knowledge/{document['id']}"
    assert member.get(path).json()["error"]["code"] == "embedding_rejected"
    embedding_service.status = 200
    assert member.post(f"{path}/retry").status_code == 202
    process_next()
    assert member.get(path).json()["status"] == "ready"


@pytest.mark.django_db
def test_change_of_model_embeds_again_and_never_mixes(learn, agent, embedding_service, settings):
    document = learn("a.txt", b"The zebra is striped.")
    first_model = document.embedding_model
    settings.EMBEDDING_BASE_URL = ""
    assert [passage.filename for passage in search(agent.pk, "zebra")] == ["a.txt"], "words find it meanwhile"
    assert search(agent.pk, "zebra", mode="vectors") == [], "vectors of another model are not compared"
    assert process_next()
    document.refresh_from_db()
    assert document.embedding_model != first_model
    assert set(ChunkVector.objects.values_list("embedding_model", flat=True)) == {document.embedding_model}
    assert search(agent.pk, "zebra", mode="vectors")


@pytest.mark.django_db
def test_search_falls_back_to_words_when_the_service_is_down(learn, agent, embedding_service):
    learn("a.txt", b"The zebra is striped.")
    embedding_service.status = 500
    assert [passage.filename for passage in search(agent.pk, "zebra")] == ["a.txt"]


@pytest.mark.django_db
def test_search_waits_little_and_once_for_a_service_that_hangs(learn, agent, settings, monkeypatch):
    """The first question waits for QUERY_SECONDS, the others of the next PAUSE_SECONDS not at all."""
    learn("a.txt", b"The zebra is striped.")
    monkeypatch.setattr("knowledge.remote_embedding.PAUSE_SECONDS", 3600)
    with dripping(None) as service:
        settings.EMBEDDING_BASE_URL = service.url
        begun = time.monotonic()
        for _ in range(20):
            assert [passage.filename for passage in search(agent.pk, "zebra")] == ["a.txt"]
        assert time.monotonic() - begun < 3 * QUERY_SECONDS
        assert service.requests == 1


def test_query_embeddings_go_on_after_the_pause(embedding_service, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 1_000.0)
    monkeypatch.setattr("knowledge.remote_embedding.time", clock)
    embedder = get_embedder()
    embedding_service.status = 500
    with pytest.raises(EmbeddingUnavailable):
        embedder.embed_query("zebra")
    embedding_service.status = 200
    with pytest.raises(EmbeddingUnavailable):
        embedder.embed_query("zebra")
    assert embedder.embed(["zebra"]).shape == (1, 3), "documents are embedded with patience of their own"
    clock.monotonic = lambda: 1_000.0 + PAUSE_SECONDS
    for _ in range(2):
        assert embedder.embed_query("zebra").shape == (3,)


def test_question_that_the_service_refuses_pauses_nothing(embedding_service):
    embedder = get_embedder()
    embedding_service.status = 400
    with pytest.raises(EmbeddingRejected):
        embedder.embed_query("too long")
    embedding_service.status = 200
    assert embedder.embed_query("zebra").shape == (3,)


@contextmanager
def files_limited_to(size):
    """No file of this process may grow past `size` bytes: the kernel then fails writes as a full disk does."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.django_db
def test_upload_that_may_not_be_written_answers_507_and_leaves_nothing(upload, settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    with files_limited_to(64 * 1024):
        response = upload("big.txt", b"some text " * 20_000)
    assert (response.status_code, response.json()["error"]["code"]) == (507, "storage_full")
    assert not Document.objects.exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert upload("small.txt", b"some text").status_code == 202


@pytest.fixture
def full_disk(tmp_path):
    """A real file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.django_db
def test_full_disk_answers_507_and_leaves_nothing(upload, settings, full_disk):
    settings.MEDIA_ROOT = full_disk
    response = upload("big.txt", b"some text " * 100_000)
    assert (response.status_code, response.json()["error"]["code"]) == (507, "storage_full"), os.strerror(errno.ENOSPC)
    assert not Document.objects.exists()
    assert not [path for path in full_disk.rglob("*") if path.is_file()]
    assert upload("small.txt", b"some text").status_code == 202
