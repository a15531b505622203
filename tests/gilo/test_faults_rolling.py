"""F15: both web processes restarted by SIGTERM, one after the other, under load: no request fails."""

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable

import pytest
import requests

from core.embedded_postgres import EmbeddedPostgres
from tests.chat.serving import Client, text_of
from tests.gilo.balancer import Balancer
from tests.gilo.test_faults_redis import Redis, production_env
from tests.gilo.visitor import Visitor, refusal_of
from tests.processes import Process, running, use_template, wait_until

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed"),
]
WORDS = 40
QUESTION = f"WORDS:{WORDS} DELAY:25"  # a second's stream


@pytest.fixture
def env(tmp_path, fake_model):
    """The production arrangement, with a model that streams."""
    with contextlib.ExitStack() as stack:
        use_template(tmp_path / "database")
        database = EmbeddedPostgres(tmp_path / "database" / "postgres")
        database.start()
        stack.callback(database.stop)
        redis = Redis(tmp_path)
        redis.start()
        stack.callback(redis.kill)
        model = {"OPENAI_BASE_URL": fake_model.url, "OPENAI_MODEL": "fake-model"}
        yield {**production_env(database, redis), **model, "GILO_DEFAULT_PLAN": "unlimited", "GILO_DRAIN_GRACE": "4"}


class Load:
    """Requests without a pause from several threads, each over a connection that it keeps; what failed."""

    def __init__(self, url: str, visitor: Visitor) -> None:
        self.done = 0
        self.failures: list[str] = []
        self._url, self._visitor = url, visitor
        self._stopping = threading.Event()
        kinds = [self._stream, self._stream, self._stream, self._ask, self._read]
        self._threads = [threading.Thread(target=self._repeat, args=(kind,), daemon=True) for kind in kinds]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _repeat(self, kind: Callable[[Client], str]) -> None:
        client = Client(self._url, self._visitor.agent, {"Authorization": f"Bearer {self._visitor.key}"})
        while not self._stopping.is_set():
            try:
                failure = kind(client)
            except requests.RequestException as error:
                failure = repr(error)
            if failure:
                self.failures.append(f"{kind.__name__}: {failure}")
            self.done += 1
        client.session.close()

    def _stream(self, client: Client) -> str:
        with client.streaming(QUESTION) as stream:
            events = list(stream)
        is_whole = events[-1].name == "run.finished" and len(text_of(events).split()) == WORDS
        return "" if is_whole else str(events[-1])

    def _ask(self, client: Client) -> str:
        response = client.post_chat("WORDS:3", stream=False)
        return "" if response.status_code == 200 else response.text

    def _read(self, client: Client) -> str:
        response = client.session.get(
            f"{self._url}/api/agents",
            headers={"Authorization": self._visitor.http.headers["Authorization"]},
            timeout=20,
        )
        return "" if response.status_code == 200 else response.text


def test_rolling_restart_under_load_fails_no_request(env, tmp_path):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(running(tmp_path / "first", env=env))
        second = stack.enter_context(running(tmp_path / "second", env=env))
        visitor = Visitor(first.url)
        stack.callback(visitor.close)
        balancer = stack.enter_context(Balancer(first.port, second.port))
        successors = [Process(tmp_path / name, env=env) for name in ("third", "fourth")]
        for process in successors:
            stack.callback(process.close)
            process.wait_ready()
        wait_until(lambda: len(balancer.healthy) == 2, 20, "both processes in service")
        with Load(balancer.url, visitor) as load:
            wait_until(lambda: load.done > 20, 30, "the first answers")
            for old, new in zip((first, second), successors, strict=True):
                old.send(signal.SIGTERM)
                assert old.wait_end(60) == 0, old.log[-2000:]
                balancer.backends = [new.port if port == old.port else port for port in balancer.backends]
                wait_until(lambda: len(balancer.healthy) == 2, 20, "the new process in service")
                before = load.done
                wait_until(lambda before=before: load.done > before + 20, 30, "answers of both")
        assert load.failures == []
        assert load.done > 60


def test_leaving_process_serves_while_its_health_says_503(env, tmp_path):
    with running(tmp_path / "web", env=env) as web:
        visitor = Visitor(web.url)
        web.send(signal.SIGTERM)
        wait_until(lambda: web.health() == 503, 10, "the announcement")
        response = requests.get(f"{web.url}/api/health", timeout=10)
        assert refusal_of(response) == (503, "unavailable")
        answer = visitor.chat("WORDS:3")
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert web.wait_end(30) == 0
        visitor.close()
