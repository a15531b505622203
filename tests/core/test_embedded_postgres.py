"""The embedded server in folders with awkward names; its starts and deaths are in tests/gilo/test_faults_start.py."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.embedded_postgres import EmbeddedPostgres


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for the socket's: that one, too, goes through pg_ctl's shell."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="gilo-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("name", ["o'brien dé", 'a "b" $HOME', "semi; colon"])
def test_server_starts_in_a_folder_whose_name_means_something_to_a_shell(short_path, name):
    server = EmbeddedPostgres(short_path / name / "postgres")
    assert server.sockets.parent == short_path / name
    server.start()
    try:
        assert server.pid
        with psycopg.connect(host=str(server.sockets), user="postgres", dbname="postgres") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
    assert server.pid is None
