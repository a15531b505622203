"""F12: disks that are full, under the whole product: its files' disk, its database's disk, and no room even for WAL."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests

from chat.models import Message, Run
from core.embedded_postgres import EmbeddedPostgres
from knowledge.models import Document
from tests.gilo.disks import fill, small_disk
from tests.gilo.visitor import Visitor, refusal_of
from tests.knowledge.test_faults import database_url
from tests.processes import Process, running, wait_until

QUIET = {"GILO_SEED_DEMO": "0", "GILO_WORKER_INSIDE": "0"}
FULL = {(507, "storage_full"), (503, "unavailable")}


@pytest.mark.django_db(transaction=True)
def test_files_disk_full_refuses_uploads_and_chats_go_on(tmp_path):
    env = {**QUIET, "DATABASE_URL": database_url()}
    with small_disk(tmp_path / "disk", "64m") as disk, running(disk / "data", env=env) as web:
        visitor = Visitor(web.url)
        filler = fill(disk)
        assert refusal_of(visitor.upload("big.txt", b"some text " * 100_000)) == (507, "storage_full")
        assert (visitor.documents(), Document.objects.count()) == ([], 0)
        assert files_in(disk / "data") == [], "half an upload was left behind"
        answer = visitor.chat("Are you there?")
        assert (answer.status_code, answer.json()["status"]) == (200, "complete")
        assert Run.objects.get().status == "complete"
        assert Message.objects.get(role="assistant").content == answer.json()["content"] != ""
        filler.unlink()
        assert visitor.upload("big.txt", b"some text " * 100_000).status_code == 202
        visitor.close()


def files_in(data_dir: Path) -> list[str]:
    return [str(path) for name in ("files", "tmp") for path in (data_dir / name).rglob("*") if path.is_file()]


@contextlib.contextmanager
def product_on_a_small_disk(folder: Path) -> Iterator[tuple[Process, Path]]:
    """The default arrangement: database, files and everything else on one disk."""
    with small_disk(folder, "300m") as disk, running(disk / "data", env=QUIET, is_first_start=False) as web:
        yield web, disk


def test_database_disk_full_refuses_writes_and_reads_go_on(tmp_path):
    with product_on_a_small_disk(tmp_path / "disk") as (web, disk):
        visitor = Visitor(web.url)
        filler = fill(disk)
        names, refusal = make_agents_until_refused(visitor)
        assert refusal in FULL
        assert refusal_of(visitor.upload("a.txt", b"some text " * 100_000)) in FULL
        chats = {refusal_of(response) for response in big_questions(visitor)}
        assert chats <= FULL and chats
        assert web.health() == 200
        assert [requests.get(web.url + page, timeout=15).status_code for page in ("/", "/login")] == [200, 200]
        listed = visitor.must("GET", "/api/agents?limit=100")["data"]
        assert sorted(agent["name"] for agent in listed) == sorted(["Guide", *names]), "half of an agent is there"
        assert visitor.documents() == []
        filler.unlink()
        wait_until(lambda: visitor.chat("And now?").status_code == 200, 10, "an answer when there is space again")
        assert visitor.upload("a.txt", b"some text").status_code == 202
        assert visitor.call("POST", "/api/agents", json={"name": "After"}).status_code == 201
        visitor.close()


def make_agents_until_refused(visitor: Visitor) -> tuple[list[str], tuple[int, str]]:
    """The names that were acknowledged, and how the first one that was not was refused."""
    names: list[str] = []
    for number in range(90):
        # Random text: PostgreSQL packs what repeats itself, and a packed row would fit for very long.
        config = {"instructions": os.urandom(49_000).hex()}
        response = visitor.call("POST", "/api/agents", json={"name": f"Agent {number}", "config": config})
        if response.status_code != 201:
            return names, refusal_of(response)
        names.append(f"Agent {number}")
    raise AssertionError("the disk was never full")


def big_questions(visitor: Visitor) -> Iterator[requests.Response]:
    """Questions that need space; those that still found some are left out."""
    for _ in range(3):
        response = visitor.chat(os.urandom(10_000).hex())
        if response.status_code != 200:
            yield response


def test_database_that_died_of_a_full_disk_is_started_again_when_there_is_space(tmp_path):
    with product_on_a_small_disk(tmp_path / "disk") as (web, disk):
        visitor = Visitor(web.url)
        kept = visitor.chat("Before").json()
        server = EmbeddedPostgres(web.data_dir / "postgres")
        filler = fill(disk)
        use_up_the_log(server)
        assert server.pid is None
        assert refusal_of(visitor.call("GET", "/api/agents")) == (503, "unavailable")
        assert refusal_of(visitor.chat("Meanwhile")) == (503, "unavailable")
        assert web.health() == 503
        filler.unlink()
        freed = time.monotonic()
        wait_until(lambda: web.health() == 200, 30, "the database's return")
        assert time.monotonic() - freed < 30
        messages = visitor.must("GET", f"/api/conversations/{kept['conversation_id']}/messages")["data"]
        assert kept["content"] in {message["content"] for message in messages}, "an acknowledged answer is lost"
        wait_until(lambda: visitor.chat("After").status_code == 200, 10, "an answer afterwards")
        visitor.close()


def use_up_the_log(server: EmbeddedPostgres) -> None:
    """Write to the log ahead of writing (WAL) until its next file finds no space, of which PostgreSQL dies."""
    address = {"host": str(server.sockets), "user": "postgres", "dbname": "gilo"}
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(**address, autocommit=True) as connection:
        while True:
            connection.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000))")
    wait_until(lambda: server.pid is None, 20, "the server's end")


def test_killed_database_is_started_again(tmp_path):
    with running(tmp_path / "data", env=QUIET, is_first_start=False) as web:
        server = EmbeddedPostgres(web.data_dir / "postgres")
        killed = server.pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.pid not in {None, killed} and web.health() == 200, 30, "the database's return")
        web.send(signal.SIGTERM)
        assert web.wait_end(20) == 0
    assert server.pid is None
