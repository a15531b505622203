"""Loaded before anything else (`-p tests.environment`): a data folder and an embedded PostgreSQL for this run alone."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_BROWSER_TESTS = Path(__file__).parent / "e2e"
_OURS = "GILO_TEST_DATA_DIR" not in os.environ  # workers of a parallel run inherit the controller's folder
DATA_DIR = Path(os.environ.setdefault("GILO_TEST_DATA_DIR", tempfile.mkdtemp(prefix="gilo-test-")))

for _name in [name for name in os.environ if name.startswith(("OPENAI_", "EMBEDDING_"))]:
    del os.environ[_name]  # a developer's own keys must not change what is tested
os.environ["GILO_DATA_DIR"] = str(DATA_DIR)
os.environ["OLLAMA_URL"] = "http://127.0.0.1:9"  # a port where nothing answers, whatever this machine runs


def pytest_configure(config: pytest.Config) -> None:
    from core.embedded_postgres import EmbeddedPostgres

    if _OURS and not os.environ.get("DATABASE_URL"):
        server = EmbeddedPostgres(DATA_DIR / "postgres")
        server.start()
        config.add_cleanup(server.stop)
        _forgo_durability(server.sockets)
    if _OURS:
        config.add_cleanup(lambda: shutil.rmtree(DATA_DIR, ignore_errors=True))


def _forgo_durability(sockets: Path) -> None:
    # This database ends with the run; emptying it after each test costs a dozen waits for the disk otherwise. What must
    # survive a kill is tested on servers of their own, which wait.
    import psycopg

    with psycopg.connect(host=str(sockets), user="postgres", dbname="postgres", autocommit=True) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes: a file's tests stay together; those with a browser share one process, those with real
    kills another."""
    for item in items:
        if _BROWSER_TESTS in item.path.parents:
            item.add_marker(pytest.mark.e2e)
        if item.get_closest_marker("xdist_group") is None:
            slow = next((name for name in ("e2e", "faults") if item.get_closest_marker(name)), None)
            item.add_marker(pytest.mark.xdist_group(slow or item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None and item.get_closest_marker("faults") is None)
