"""`manage.py start`, `stop` and `worker` as real processes: started, killed, restarted."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import requests

from core.embedded_postgres import EmbeddedPostgres
from tests.dripping import dripping
from tests.processes import Process, free_port, running, wait_until

NOISE = ("Warning", "WARNING", "celery@", "superuser", "Traceback", "No hostname", "INFO")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for all: every test starts from whatever state the one before left on purpose."""
    folder = tmp_path_factory.mktemp("start") / "data"
    yield folder
    server(folder).stop()


def server(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "postgres")


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def manage(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Process:
    process = Process(folder, *arguments, env=env)
    process.wait_end(60)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_start_stops_everything_on_a_signal_and_keeps_the_output_clean(data_dir, number):
    with running(data_dir) as gilo:
        postgres = server(data_dir).pid
        assert postgres is not None
        gilo.send(number)
        assert gilo.wait_end(20) == 0
    assert not is_alive(postgres)
    welcome = gilo.log[gilo.log.rindex("GiLo is ready at") :]
    assert f"http://localhost:{gilo.port}" in welcome
    assert not [word for word in NOISE if word in gilo.log], gilo.log


def what_is_stored(data_dir):
    with psycopg.connect(host=str(server(data_dir).sockets), user="postgres", dbname="gilo") as connection:
        return connection.execute(
            "SELECT (SELECT max(applied) FROM django_migrations), (SELECT array_agg(id ORDER BY id) FROM agents_agent),"
            " (SELECT array_agg(id ORDER BY id) FROM accounts_user)"
        ).fetchone()


def test_second_start_keeps_everything_and_makes_nothing_anew(data_dir):
    with running(data_dir):
        first = what_is_stored(data_dir)
    with running(data_dir):
        assert what_is_stored(data_dir) == first


def test_start_adopts_the_server_of_a_killed_process(data_dir):
    with running(data_dir) as killed:
        postgres = server(data_dir).pid
        killed.send(signal.SIGKILL)
        killed.wait_end()
    assert postgres and is_alive(postgres)
    with running(data_dir) as gilo:
        assert server(data_dir).pid == postgres
        gilo.send(signal.SIGTERM)
        assert gilo.wait_end(20) == 0
    assert not is_alive(postgres)


def test_start_recovers_when_postgresql_was_killed_too(data_dir):
    with running(data_dir) as killed:
        postgres = server(data_dir).pid
        assert postgres
        killed.send(signal.SIGKILL)
        os.kill(postgres, signal.SIGKILL)
        killed.wait_end()
    with running(data_dir):
        assert server(data_dir).pid not in {None, postgres}


def test_start_ignores_a_pid_file_whose_pid_now_belongs_to_another(data_dir):
    server(data_dir).start()
    pid_file = data_dir / "postgres" / "postmaster.pid"
    recorded = pid_file.read_text().splitlines()
    server(data_dir).stop()
    owner = pid_file.parent.stat()
    # A process of the same user that is not PostgreSQL: what a reboot leaves under the recorded number.
    with subprocess.Popen(["sleep", "300"], user=owner.st_uid, group=owner.st_gid, extra_groups=[]) as other:
        try:
            for path in (pid_file, server(data_dir).sockets / ".s.PGSQL.5432.lock"):
                path.write_text("\n".join([str(other.pid), *recorded[1:], ""]))
                os.chown(path, owner.st_uid, owner.st_gid)
            with running(data_dir):
                assert server(data_dir).pid not in {None, other.pid}
            assert is_alive(other.pid)
        finally:
            other.kill()


def test_start_begins_anew_after_an_interrupted_initdb(tmp_path):
    folder = tmp_path / "data"
    unfinished = folder / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server(folder).start()
    try:
        assert server(folder).is_ready()
        assert not unfinished.exists()
    finally:
        server(folder).stop()


def test_start_refuses_a_port_in_use_before_touching_anything(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        gilo = manage(tmp_path / "data", env={"PORT": str(port)})
    assert gilo.popen.returncode == 1
    assert f"Port {port}" in gilo.log
    assert f"PORT={port + 1}" in gilo.log
    assert not (tmp_path / "data" / "postgres").exists()


def test_stop_refuses_while_in_use_and_stops_what_a_killed_process_left(data_dir):
    with running(data_dir) as gilo:
        postgres = server(data_dir).pid
        assert postgres
        assert manage(data_dir, "stop").popen.returncode == 1
        assert gilo.health() == 200
        gilo.send(signal.SIGKILL)
        gilo.wait_end()
    assert is_alive(postgres)
    assert manage(data_dir, "stop").popen.returncode == 0
    assert not is_alive(postgres)


def test_a_second_process_keeps_the_server_when_the_first_one_ends(data_dir):
    with running(data_dir) as first, running(data_dir) as second:
        first.send(signal.SIGTERM)
        assert first.wait_end(20) == 0
        assert second.health() == 200


def test_many_processes_prepare_a_fresh_database_at_once(tmp_path):
    folder = tmp_path / "data"
    with contextlib.ExitStack() as stack:
        processes = [Process(folder) for _ in range(3)]
        for process in processes:
            stack.callback(process.close)
        for process in processes:
            process.wait_ready()


def test_second_signal_during_a_request_that_hangs_ends_at_once(data_dir):
    with running(data_dir) as gilo, _half_a_request(gilo):
        gilo.send(signal.SIGINT)
        wait_until(lambda: gilo.health(timeout=1) == 0, message="the listener's end")
        gilo.send(signal.SIGINT)
        gilo.wait_end(8)
    assert server(data_dir).pid is None


def test_sigterm_lets_a_request_in_flight_end(data_dir):
    with running(data_dir) as gilo, _half_a_request(gilo) as connection:
        gilo.send(signal.SIGTERM)
        wait_until(lambda: gilo.health(timeout=1) == 0, message="the listener's end")
        connection.sendall(b'": 1}')
        assert connection.recv(100).startswith(b"HTTP/1.1 4")
        assert gilo.wait_end(20) == 0


DRIPPED_ON = {"GILO_EGRESS_ALLOWED_NETWORKS": "127.0.0.1/32", "GILO_DRAIN_GRACE": "0"}


@pytest.mark.parametrize(("drain", "signals"), [("1", 1), ("60", 2)])
def test_signals_end_everything_while_a_users_server_drips(data_dir, drain, signals):
    """A test of a model endpoint whose client has gone holds a thread; neither it nor its pool may hold the process."""
    with (
        running(data_dir, env={**DRIPPED_ON, "GILO_DRAIN_SECONDS": drain}) as gilo,
        dripping(1, missing=b"/models") as server_of_mine,
    ):
        _test_and_leave(gilo, server_of_mine.url)
        wait_until(lambda: server_of_mine.drips)
        gilo.send(signal.SIGTERM)
        if signals > 1:
            wait_until(lambda: gilo.health(timeout=1) == 0, message="the listener's end")
            gilo.send(signal.SIGTERM)
        assert gilo.wait_end(12) == 0  # the test of the endpoint would have taken half a minute
    assert server(data_dir).pid is None


def test_dripping_servers_leave_the_site_usable(data_dir):
    """More tests of model endpoints than the pool has connections; and few of them at once for one workspace."""
    with (
        running(data_dir, env={**DRIPPED_ON, "DATABASE_POOL_SIZE": "2"}) as gilo,
        dripping(1, missing=b"/models") as server_of_mine,
    ):
        for _ in range(2):
            access = _register(gilo)
            for _ in range(2):
                _test_and_leave(gilo, server_of_mine.url, access)
        wait_until(lambda: server_of_mine.drips == 4)
        assert [requests.get(gilo.url + path, timeout=15).status_code for path in ("/api/health", "/login")] == [
            200
        ] * 2
        assert _ask_for_test(gilo, server_of_mine.url, access, timeout=15).status_code == 429


def _register(gilo: Process) -> str:
    account = {"email": f"{uuid4().hex}@example.com", "password": "correct horse 99"}
    response = requests.post(f"{gilo.url}/api/auth/register", json=account, timeout=30)
    return str(response.json()["access"])


def _test_and_leave(gilo: Process, url: str, access: str = "") -> None:
    """Ask for a test and hang up."""
    with contextlib.suppress(requests.Timeout):
        _ask_for_test(gilo, url, access or _register(gilo), timeout=1)


def _ask_for_test(gilo: Process, url: str, access: str, timeout: float) -> requests.Response:
    return requests.post(
        f"{gilo.url}/api/model-endpoints/test",
        json={"base_url": url, "default_model": "m"},
        headers={"Authorization": f"Bearer {access}"},
        timeout=timeout,
    )


@contextlib.contextmanager
def _half_a_request(gilo: Process) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", gilo.port), timeout=15) as connection:
        connection.sendall(
            b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 7\r\n\r\n{"'
        )
        wait_until(lambda: gilo.health() == 200)  # one whole round trip later, the half has been read as well
        yield connection


def test_restarted_database_costs_503_and_recovers_within_five_seconds(data_dir):
    with running(data_dir) as gilo:
        paths = ("/api/health", "/login", "/api/agents")
        session = {"sessionid": "x" * 32}  # has to be looked up
        for path in paths:
            requests.get(gilo.url + path, cookies=session, timeout=15)
        server(data_dir).stop()
        down = [requests.get(gilo.url + path, cookies=session, timeout=15) for path in paths]
        assert [response.status_code for response in down] == [503] * len(paths), [r.text[:300] for r in down]
        assert all(int(response.headers["Retry-After"]) > 0 for response in down)
        assert down[0].json()["error"]["code"] == down[2].json()["error"]["code"] == "unavailable"
        time.sleep(3)  # an outage long enough for a reconnecting pool to have backed off
        server(data_dir).start()
        restarted = time.monotonic()
        wait_until(lambda: gilo.health() == 200, 5, "health after the restart")
        assert time.monotonic() - restarted < 5


def test_frozen_database_is_told_while_it_is_frozen(data_dir):
    with running(data_dir, is_first_start=False) as gilo:
        postmaster = server(data_dir).pid
        assert postmaster
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        processes = [postmaster, *map(int, children)]
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            assert [gilo.health(timeout=15) for _ in range(2)] == [503, 503]
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
        wait_until(lambda: gilo.health() == 200, 10, "health after the frost")


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
def test_production_shape_with_database_and_redis_of_their_own(data_dir, tmp_path):
    """DATABASE_URL to a server that another process runs, REDIS_URL to a real Redis, the worker apart."""
    other = server(tmp_path / "data")
    other.start()
    port = free_port()
    redis = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    env = {
        "DATABASE_URL": f"postgres://postgres@/postgres?host={other.sockets}",
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        "GILO_PRODUCTION": "1",
        "GILO_SITE_URL": "http://localhost",
        "HOST": "127.0.0.1",
        "SECRET_KEY": "jq8Zx2-Vt5nR9wLk4-Ym7bHs3-Pd6cGf1-Qa0e",
        "GILO_ENCRYPTION_KEYS": "3yUeqZ1mCBv8h0kq6xKf0m5o0T4mN2yq9bq1mJm6w3s=",
    }
    try:
        with running(tmp_path / "files", env=env) as web:
            assert not (tmp_path / "files" / "postgres").exists()
            worker = Process(tmp_path / "files", "worker", env=env)
            wait_until(lambda: "The worker is ready" in worker.log, message="the worker")
            assert web.health() == 200
            worker.send(signal.SIGTERM)
            assert worker.wait_end(20) == 0
        with psycopg.connect(host=str(other.sockets), user="postgres", dbname="postgres") as connection:
            assert connection.execute("SELECT count(*) FROM django_migrations").fetchone() > (0,)
    finally:
        redis.terminate()
        redis.wait()
        other.stop()


def test_worker_without_redis_says_that_there_is_nothing_to_do(data_dir):
    worker = manage(data_dir, "worker")
    assert worker.popen.returncode == 1
    assert "REDIS_URL" in worker.log
