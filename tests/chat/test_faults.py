"""Real processes killed, a real database restarted."""

import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import pytest
import requests
from django.conf import settings as django_settings
from django.db import connection

from chat.models import Message, Run
from core.embedded_postgres import EmbeddedPostgres
from tests.chat.serving import Client, text_of
from tests.processes import ROOT, running, wait_until

QUIET = {"GILO_WORKER_INSIDE": "0", "GILO_SEED_DEMO": "0", "GILO_CHAT_DEAD_AFTER": "2", "GILO_CHAT_SWEEP": "1"}


def model_of(fake_model):
    return {"OPENAI_BASE_URL": fake_model.url, "OPENAI_MODEL": "fake-model"}


def database_url() -> str:
    """The test database, for a process of its own."""
    database = connection.settings_dict
    if not database["HOST"].startswith("/"):
        return django_settings.DATABASES["default"].get("URL", "") or pytest.skip("needs a database on a socket")
    return f"postgres://{database['USER']}@{quote(database['HOST'], safe='')}/{database['NAME']}"


def test_web_process_killed_in_mid_stream(client_with_key, fake_model, tmp_path, settings):
    settings.CHAT_DEAD_AFTER_SECONDS = 2
    settings.CHAT_SWEEP_SECONDS = 0.5
    env = {**QUIET, **model_of(fake_model), "DATABASE_URL": database_url()}
    with running(tmp_path / "victim", env=env, is_first_start=False) as victim:
        doomed = Client(victim.url, client_with_key.agent_id, client_with_key.headers)
        read = []
        with pytest.raises(requests.RequestException), doomed.streaming("WORDS:900 DELAY:20") as events:
            for event in events:
                read.append(event)
                if len(read) == 150:
                    os.kill(victim.popen.pid, signal.SIGKILL)
            raise requests.ConnectionError("the stream ended without its last event")
        doomed.session.close()
        killed_at = time.monotonic()
    run_id, shown = read[0].data["run_id"], text_of(read)
    assert Message.objects.get(role="user").content == "WORDS:900 DELAY:20"
    run = wait_until(lambda: Run.objects.filter(pk=run_id).exclude(status="streaming").first(), 15, "the sweep")
    assert time.monotonic() - killed_at < 60
    answer = Message.objects.get(role="assistant")
    assert (run.status, answer.status, run.error["code"]) == ("partial", "partial", "interrupted")
    assert shown.startswith(answer.content)
    lost = len(shown[len(answer.content) :].split())
    assert lost <= 1.5 * 1000 / 20, "more than a second of text is lost (with half a second for a busy machine)"
    last = client_with_key.events(run_id, read[-1].id)[-1]
    assert (last.name, last.data["error"]["code"]) == ("error", "interrupted")
    again = client_with_key.ask("SAY: Alive", conversation_id=read[0].data["conversation_id"])
    assert again["content"] == "Alive"


def test_web_process_stopped_in_mid_stream_keeps_the_text(client_with_key, fake_model, tmp_path):
    env = {**QUIET, **model_of(fake_model), "DATABASE_URL": database_url()}
    with running(tmp_path / "stopped", env=env, is_first_start=False) as stopped:
        client = Client(stopped.url, client_with_key.agent_id, client_with_key.headers)
        with client.streaming("WORDS:3000 DELAY:20") as events:
            run_id = next(events).data["run_id"]
            next(events)
            stopped.send(signal.SIGTERM)
            rest = list(events)
        client.session.close()
        stopped.wait_end()
    assert (rest[-1].name, rest[-1].data["error"]["code"]) == ("error", "interrupted")
    run = Run.objects.select_related("answer").get(pk=run_id)
    assert (run.status, run.answer.status) == ("partial", "partial")
    assert run.answer.content.endswith(rest[-2].data["text"])


def test_database_restarted_under_load(fake_model, tmp_path):
    env = {**QUIET, **model_of(fake_model)}
    with running(tmp_path / "data", env=env, is_first_start=False) as web:
        agent_id, key = make_agent_in(web.data_dir)
        calls = Calls(web.url, agent_id, key)
        calls.start()
        wait_until(lambda: len(calls.answers) > 20, 20, "the first answers")
        postgres = EmbeddedPostgres(web.data_dir / "postgres")
        postgres.stop()
        time.sleep(9)  # long enough for a pool that doubles its pauses to miss the return
        postgres.start()
        back_at = time.monotonic()
        before = len(calls.answers)
        wait_until(lambda: len(calls.answers) > before + 20, 20, "answers after the restart")
        first_after = min(at for at, _ in calls.answers[before:])
        calls.stop()
        assert first_after - back_at < 5
        assert {status for status, _ in calls.refusals} <= {503}, calls.refusals
        assert all(retry_after for _, retry_after in calls.refusals)
        stored = stored_answers(web.data_dir)
        assert {run_id for _, run_id in calls.answers} <= stored, "an acknowledged answer is lost"


class Calls:
    """Questions without a pause from four threads; what was answered and what was refused."""

    def __init__(self, url, agent_id, key):
        self.answers, self.refusals = [], []
        self._address = (url, agent_id, {"Authorization": f"Bearer {key}"})
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(4)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(20)

    def _ask(self):
        client = Client(*self._address)
        while not self._stopping.is_set():
            response = client.post_chat("WORDS:2", stream=False)
            if response.status_code == 200:
                self.answers.append((time.monotonic(), response.json()["run_id"]))
            else:
                self.refusals.append((response.status_code, response.headers.get("Retry-After")))
        client.session.close()


def in_shell(data_dir, code):
    """The output of some lines of Python in the process's own settings."""
    env = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "GILO_TEST_DATA_DIR"}}
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    result = subprocess.run(
        command, cwd=ROOT, env={**env, "GILO_DATA_DIR": str(data_dir)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def make_agent_in(data_dir):
    return in_shell(
        data_dir,
        "from tests.factories import *\n"
        "agent = make_agent(make_workspace()[0], knowledge_enabled=False)\n"
        "print(agent.pk, make_key(agent))",
    )


def stored_answers(data_dir):
    return set(
        in_shell(
            data_dir,
            "from chat.models import Run\n"
            "runs = Run.objects.filter(status='complete', answer__content='word0 word1 ')\n"
            "print(*runs.values_list('id', flat=True))",
        )
    )
