"""F5: Redis away, and Redis emptied, in the production arrangement: web and worker apart, a PostgreSQL of their own.

The outage is 5 s instead of a minute; what a longer one changes is the worker's pause between two attempts to connect,
which `test_worker_comes_back_within_seconds_of_any_outage` holds.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
import requests
from django.conf import settings

from core.embedded_postgres import EmbeddedPostgres
from gilo.celery import app
from tests.gilo.visitor import PASSWORD, Visitor, refusal_of
from tests.processes import Process, free_port, running, use_template, wait_until

pytestmark = [
    pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed"),
]
OUTAGE_SECONDS = 5
DRAINED_SECONDS = 30


@dataclass
class Redis:
    """A real server that keeps nothing on disk: restarted, it is empty."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, 10, "redis-server")

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def empty(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError), redis.Redis(port=self.port) as client:
            return bool(client.ping())
        return False


@dataclass
class Production:
    """Web and worker apart, with a database and a Redis of their own."""

    web: Process
    worker: Process
    redis: Redis


@pytest.fixture(scope="module")
def production(tmp_path_factory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    with contextlib.ExitStack() as stack:
        use_template(folder / "database")
        database = EmbeddedPostgres(folder / "database" / "postgres")
        database.start()
        stack.callback(database.stop)
        server = Redis(folder)
        server.start()
        stack.callback(server.kill)
        env = production_env(database, server)
        web = stack.enter_context(running(folder / "files", env=env))
        worker = Process(folder / "files", "worker", env=env)
        stack.callback(worker.close)
        wait_until(lambda: "The worker is ready" in worker.log, 60, lambda: f"the worker ({worker.log[-500:]})")
        yield Production(web, worker, server)


def production_env(database: EmbeddedPostgres, server: Redis) -> dict[str, str]:
    return {
        "DATABASE_URL": f"postgres://postgres@/gilo?host={database.sockets}",
        "REDIS_URL": f"redis://127.0.0.1:{server.port}/0",
        "GILO_PRODUCTION": "1",
        "GILO_SITE_URL": "http://localhost",
        "HOST": "127.0.0.1",
        "SECRET_KEY": "jq8Zx2-Vt5nR9wLk4-Ym7bHs3-Pd6cGf1-Qa0e",
        "GILO_ENCRYPTION_KEYS": "3yUeqZ1mCBv8h0kq6xKf0m5o0T4mN2yq9bq1mJm6w3s=",
    }


@pytest.fixture
def visitor(production) -> Iterator[Visitor]:
    visitor = Visitor(production.web.url)
    yield visitor
    visitor.close()


def statuses(visitor: Visitor) -> dict[str, str]:
    return {document["name"]: document["status"] for document in visitor.documents()}


def wait_drained(visitor: Visitor, names: set[str]) -> None:
    wait_until(
        lambda: statuses(visitor) == dict.fromkeys(names, "ready"), DRAINED_SECONDS, lambda: str(statuses(visitor))
    )


def log_in(visitor: Visitor, password: str) -> requests.Response:
    credentials = {"email": visitor.email, "password": password}
    return requests.post(f"{visitor.url}/api/auth/login", json=credentials, timeout=15)


def test_outage_loses_nothing_and_sign_in_fails_closed(production, visitor):
    assert visitor.upload("before.txt", b"Before the outage.").status_code == 202
    wait_drained(visitor, {"before.txt"})
    assert log_in(visitor, PASSWORD).status_code == 200
    production.redis.kill()
    down_since = time.monotonic()
    names = {"before.txt", *(f"during {number}.txt" for number in range(3))}
    for name in names - {"before.txt"}:
        assert visitor.upload(name, f"During the outage: {name}".encode()).status_code == 202
    guesses = [log_in(visitor, f"wrong guess {number}") for number in range(8)]
    assert {refusal_of(guess)[0] for guess in guesses} <= {503, 429}, "guesses were counted nowhere, yet answered"
    assert refusal_of(log_in(visitor, PASSWORD))[0] == 503
    assert visitor.chat("Are you there?").json()["status"] == "complete"
    assert production.web.health() == 200
    time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - down_since)))
    production.redis.start()
    wait_drained(visitor, names)
    assert production.worker.popen.poll() is None
    wait_until(lambda: log_in(visitor, PASSWORD).status_code == 200, 10, "signing in afterwards")


def test_emptied_redis_loses_nothing(production, visitor):
    names = {f"{number}.txt" for number in range(5)}
    for name in names:
        assert visitor.upload(name, f"A text called {name}".encode()).status_code == 202
        production.redis.empty()
    wait_drained(visitor, names)
    assert visitor.chat("Are you there?").json()["status"] == "complete"


def test_limits_on_guesses_hold_after_redis_was_emptied(production, visitor):
    assert [log_in(visitor, f"wrong guess {number}").status_code for number in range(7)] == [401] * 5 + [429] * 2
    production.redis.empty()
    answers = [log_in(visitor, f"another guess {number}").status_code for number in range(7)]
    assert answers == [401] * 5 + [429] * 2, "the count begins anew, and it counts"


class Enough(Exception):
    """Ends the attempts of a test."""


def test_worker_comes_back_within_seconds_of_any_outage():
    """The pauses between the worker's attempts, against a port where nobody answers: they do not grow with time."""
    assert app.conf.broker_connection_max_retries is None, "it never gives up"
    pauses: list[float] = []

    def note(error: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 5:
            raise Enough

    broker = app.connection_for_read(f"redis://127.0.0.1:{free_port()}/0")
    with broker, pytest.raises(Enough):
        broker.ensure_connection(note, app.conf.broker_connection_max_retries)
    assert pauses == [1, 2, 3, 3, 3]
    assert max(pauses) + settings.DOCUMENT_SWEEP_SECONDS < DRAINED_SECONDS / 2
