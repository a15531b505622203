"""GiLo as a process of its own, for tests that kill and restart real things."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import requests
from django.db import connection

from core.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent


_ROOMY = {"GILO_DEFAULT_PLAN": "unlimited"}  # what limits do is tested where they are set


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def database_url() -> str:
    """The test database, for a process of its own."""
    database = connection.settings_dict
    if not database["HOST"].startswith("/"):
        return os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + database["NAME"]
    return f"postgres://{database['USER']}@{quote(database['HOST'], safe='')}/{database['NAME']}"


def wait_until(condition, seconds: float = 60.0, message: str | Callable[[], str] = "the condition"):
    """The condition's first true value; fails with the message (of that moment) after that many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    message = message() if callable(message) else message
    raise AssertionError(f"{message} did not come true within {seconds:.0f} s")


class Process:
    """One `manage.py` command with its own environment; its output is in `log`."""

    def __init__(self, data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.data_dir, self.port = data_dir, free_port()
        data_dir.mkdir(parents=True, exist_ok=True)
        self._log_path = data_dir.parent / f"{data_dir.name}.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GILO_")}
        kept.pop("DATABASE_URL", None)
        with self._log_path.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "manage.py", *(arguments or ("start",))],
                cwd=ROOT,
                env={**kept, **_ROOMY, "GILO_DATA_DIR": str(data_dir), "PORT": str(self.port), **(env or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def health(self, timeout: float = 15.0) -> int:
        try:
            return requests.get(f"{self.url}/api/health", timeout=timeout).status_code
        except requests.RequestException:
            return 0

    def wait_ready(self, seconds: float = 90.0) -> None:
        def ready() -> bool:
            assert self.popen.poll() is None, self.log
            return self.health() == 200

        wait_until(ready, seconds, lambda: f"health of {self.url}: {self.health()} (log: {self.log[-2000:]})")

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait_end(self, seconds: float = 30.0) -> int:
        return self.popen.wait(seconds)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(25)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def use_template(data_dir: Path) -> None:
    """Give a first start what it would make itself, without what it takes: a database with our tables, and keys.

    The template is made once in a run, by a real first start. How first starts go is tested where they are the point.
    """
    root = Path(os.environ["GILO_TEST_DATA_DIR"])
    template = root / "template"
    with (root / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            unfinished = root / "unfinished"
            with running(unfinished, env={"GILO_SEED_DEMO": "0"}):
                pass
            EmbeddedPostgres(unfinished / "postgres").stop()
            unfinished.rename(template)
    data_dir.mkdir(parents=True)
    for part in ("postgres", "secrets"):
        subprocess.run(["cp", "-a", template / part, data_dir / part], check=True)  # the files' owners stay as they are


@contextmanager
def running(
    data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None, is_first_start: bool = True
) -> Iterator[Process]:
    """A started GiLo that answers; ended after the block. Where the first start is not the point, it is cut short."""
    if not is_first_start and not data_dir.exists():
        use_template(data_dir)
    process = Process(data_dir, *arguments, env=env)
    try:
        process.wait_ready()
        yield process
    finally:
        process.close()
