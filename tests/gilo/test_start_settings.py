"""Settings and surroundings that cannot be right, as who starts GiLo meets them: one sentence, never a traceback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from core.embedded_postgres import EmbeddedPostgres
from gilo.environment import Environment, WrongSetting
from gilo.prepare import check_redis
from gilo.settings import BASE_DIR
from tests.processes import free_port, wait_until


def start(tmp_path, command="start", **environment):
    return subprocess.run(
        [sys.executable, "manage.py", command],
        check=False, cwd=BASE_DIR, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "abc", "PORT must be a whole number from 1 to 65535, not 'abc'."),
        ("PORT", "99999", "PORT must be a whole number from 1 to 65535, not '99999'."),
        ("PORT", "--1", "PORT must be a whole number from 1 to 65535, not '--1'."),
        ("GILO_MAX_UPLOAD_MB", "5 MB", "GILO_MAX_UPLOAD_MB must be a whole number of at least 1, not '5 MB'."),
        ("GILO_DEFAULT_PLAN", "gold", "GILO_DEFAULT_PLAN must be one of free, pro, team, unlimited, not 'gold'."),
        ("DATABASE_URL_FILE", "/no/such", "DATABASE_URL_FILE names /no/such, which cannot be used: "
         "No such file or directory."),
    ],
)  # fmt: skip
def test_start_says_in_one_sentence_which_setting_is_wrong(tmp_path, name, value, sentence):
    refused = start(tmp_path, **{name: value})
    assert refused.returncode == 1
    assert refused.stderr == f"{sentence}\n"
    assert not (tmp_path / "postgres").exists()


READERS = {
    "flag": lambda env: env.flag("X", True),
    "number": lambda env: env.number("X", 3, least=1),
    "prices": lambda env: env.prices("X", "Y"),
    "choice": lambda env: env.choice("X", "a", ("a", "b")),
    "key": lambda env: env.key("X", begins=("sk_", "rk_")),
    "keys": lambda env: env.keys("X", begins="whsec_"),
    "pair": lambda env: env.pair("X", "Y"),
    "address": lambda env: env.web_address("X", "http://localhost"),
    "site": lambda env: env.web_address("X", "http://localhost", may_have_path=False),
    "hosts": lambda env: env.hosts("X"),
    "domain": lambda env: env.domain("X"),
    "networks": lambda env: env.networks("X"),
    "sender": lambda env: env.sender("X", "a@b"),
    "folder": lambda env: env.folder("X", "."),
    "redis": lambda env: env.redis_address("X"),
    "database": lambda env: env.database("X"),
}
WRONG = {
    "flag": ["ture", "2"],
    "number": ["0", "-1", "1.5", "9" * 5000],
    "prices": ["1", "x"],
    "choice": ["c", "A"],
    "key": ["pk_live_1", "sk_ 1", "sk_é", "sk_1\n2"],
    "keys": ["sk_1", "whsec_1,x"],
    "pair": ["only one"],
    "address": ["example.com", "ftp://example.com", "https://", "http://host:port", "http://[::1"],
    "site": ["https://example.com/gilo", "https://me@example.com", "https://example.com?x=1"],
    "hosts": ["https://example.com", "example.com:8000", "a.example,b/c"],
    "domain": ["https://agents.example", "a b"],
    "networks": ["10.0.0.1/8", "intranet"],
    "sender": ["nobody", "a@b\nBcc: c@d"],
    "folder": ["~nobody-has-this-name/x"],
    "redis": ["localhost:6379", "http://localhost", "redis://", "redis://host:port", "unix://"],
    "database": ["mysql://u:p@h/x", "nonsense", "postgres://u:pa/ss@h:5432/x", "postgres://h", "postgres://h:x/y", ""],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in WRONG.items() for value in values])
def test_what_cannot_be_right_is_refused_by_name(kind, value):
    with pytest.raises(WrongSetting) as refused:
        READERS[kind](Environment({"X": value}))
    sentence = str(refused.value)
    assert "X" in sentence and sentence.endswith(".") and "\n" not in sentence
    assert not any(secret in sentence for secret in ("pa/ss", "pk_live_1", "sk_1", "only one"))


RIGHT = {
    "flag": [("", True), ("off", False), ("Yes", True)],
    "number": [(" ", 3), ("7", 7)],
    "choice": [("", "a"), ("b", "b")],
    "key": [("", ""), ("rk_1", "rk_1")],
    "keys": [("", []), ("whsec_1, whsec_2", ["whsec_1", "whsec_2"])],
    "pair": [("", ("", ""))],
    "address": [("", "http://localhost"), ("https://example.com/v1/", "https://example.com/v1")],
    "site": [("https://example.com:8443/", "https://example.com:8443")],
    "hosts": [("*", ["*"]), (".example.com,[::1], b", [".example.com", "[::1]", "b"])],
    "domain": [(".Agents.Example.com", "agents.example.com")],
    "networks": [("10.0.0.0/8, fd00::/8", ["10.0.0.0/8", "fd00::/8"])],
    "sender": [("", "a@b"), ("Ada <ada@example.com>", "Ada <ada@example.com>")],
    "redis": [(url, url) for url in ("", "rediss://:p%40ss@host:6379/0", "unix:///run/redis.sock")],
}


@pytest.mark.parametrize(
    ("kind", "value", "read"), [(kind, value, read) for kind, pairs in RIGHT.items() for value, read in pairs]
)
def test_what_is_right_or_empty_is_read(kind, value, read):
    assert READERS[kind](Environment({"X": value})) == read


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_file_of_a_variable_that_holds_no_text_is_refused(tmp_path, content):
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(WrongSetting, match=r"X_FILE names .*secret, which cannot be used"):
        Environment({"X_FILE": str(path)}).text("X")


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("plain@/plain", 'permission denied to create extension "vector"'),
        ("plain@/missing", 'database "missing" does not exist'),
        ("plain@/plain?no_such_option=1", 'invalid connection option "no_such_option"'),
    ],
)
def test_database_that_cannot_be_used_is_told_in_one_sentence(tmp_path, other_server, server, reason):
    url = f"postgres://{server}{'&' if '?' in server else '?'}host={other_server}"
    refused = start(tmp_path, PORT=str(free_port()), DATABASE_URL=url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("CommandError: The database of DATABASE_URL cannot be used: ")
    assert reason in refused.stderr and len(refused.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def other_server(tmp_path_factory):
    """The sockets of a server with a role that may do little, and a database of its own."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("other") / "postgres")
    server.start()
    with psycopg.connect(host=str(server.sockets), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("CREATE DATABASE plain OWNER plain")
    yield server.sockets
    server.stop()


@pytest.fixture(scope="module")
def guarded_redis():
    """The port of a Redis that asks for a password."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "open-it"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: _listens(port))
        yield port
        server.terminate()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
@pytest.mark.parametrize("command", ["start", "worker"])
@pytest.mark.parametrize("access", ["{}/0", ":wrong@{}/0", ":open-it@{}/9999"])
def test_redis_that_lets_us_not_in_is_told_in_one_sentence(tmp_path, guarded_redis, command, access):
    url = f"redis://{access.format(f'127.0.0.1:{guarded_redis}')}"
    refused = start(tmp_path, command=command, PORT=str(free_port()), REDIS_URL=url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("CommandError: The Redis of REDIS_URL refuses us: ")
    assert len(refused.stderr.splitlines()) == 1 and "open-it" not in refused.stderr


def test_redis_that_is_away_is_warned_of_and_waited_for(settings, caplog):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    check_redis()
    assert "the Redis of REDIS_URL does not answer, so nobody can sign in and jobs wait" in caplog.text


def test_interrupt_while_the_code_is_loaded_is_no_traceback(tmp_path):
    with running_start(tmp_path) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        wait_until(lambda: "psycopg" in maps.read_text())  # loaded on the way, well before all is
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[0]
    assert said in {"Stopped.\n", "Stopped before it was ready.\n"}


@contextmanager
def running_start(tmp_path):
    with subprocess.Popen(
        [sys.executable, "manage.py", "start"],
        cwd=BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), "PORT": str(free_port())},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_data_folder_that_is_a_file_is_told_in_one_sentence(tmp_path):
    path = tmp_path / "file"
    path.touch()
    refused = start(path)
    assert refused.stderr.startswith(f"GILO_DATA_DIR is {path}, which cannot be used: Not a directory.")
    assert len(refused.stderr.splitlines()) == 1


def test_embedded_server_that_does_not_start_is_told_in_one_sentence(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    refused = start(tmp_path, PORT=str(free_port()))
    assert refused.returncode == 1
    assert refused.stderr.startswith("CommandError: The embedded PostgreSQL did not start. pg_ctl: ")
    assert refused.stderr.endswith("postgres.log holds the rest).\n") and len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(("host", "advice"), [("192.0.2.1", "HOST must be"), ("no-such.invalid", "HOST must be")])
def test_address_of_another_machine_is_told_in_one_sentence(tmp_path, host, advice):
    refused = start(tmp_path, HOST=host)
    assert advice in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_number_left_empty_is_the_default(tmp_path):
    code = "import gilo.settings as s; print(s.PORT, s.EMAIL_PORT)"
    read = subprocess.run(
        [sys.executable, "-c", code],
        check=True, cwd=BASE_DIR, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path), "PORT": "", "EMAIL_PORT": " "},
    )  # fmt: skip
    assert read.stdout == "8000 587\n"
