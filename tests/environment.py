"""Loaded before anything else (`-p tests.environment`): a data folder and an embedded PostgreSQL for this run alone."""

import gc
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from slipcover.slipcover import print_coverage
from xdist.scheduler import LoadScopeScheduling

_OURS = "GILO_TEST_DATA_DIR" not in os.environ  # workers of a parallel run inherit the controller's folder
DATA_DIR = Path(os.environ.setdefault("GILO_TEST_DATA_DIR", tempfile.mkdtemp(prefix="gilo-test-")))
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "EMBEDDING_"))]:
    del os.environ[_name]  # a developer's own keys must not change what is tested
os.environ["GILO_DATA_DIR"] = str(DATA_DIR)
os.environ["OLLAMA_URL"] = "http://127.0.0.1:9"  # a port where nothing answers, whatever this machine runs


def pytest_configure(config: pytest.Config) -> None:
    from core.embedded_postgres import EmbeddedPostgres

    if not _OURS:
        return
    config.add_cleanup(lambda: shutil.rmtree(DATA_DIR, ignore_errors=True))  # the first one is called last
    if not os.environ.get("DATABASE_URL"):
        server = EmbeddedPostgres(DATA_DIR / "postgres")
        server.start()
        config.add_cleanup(server.stop)
        _forgo_durability(server.sockets)


def _forgo_durability(sockets: Path) -> None:
    # This database ends with the run; emptying it after each test costs a dozen waits for the disk otherwise. What must
    # survive a kill is tested on servers of their own, which wait.
    import psycopg

    with psycopg.connect(host=str(sockets), user="postgres", dbname="postgres", autocommit=True) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay: to look through them for garbage again and again costs a twentieth of all."""
    gc.collect()
    gc.freeze()


_FIRST = ("e2e", "server faults", "start faults", "faults")  # what waits longest: real browsers, then real kills


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (group := _group_of(item.nodeid)) in _FIRST:
            item.add_marker(group.rpartition(" ")[2])
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    group = _group_of(item.nodeid)
    return _FIRST.index(group) if group in _FIRST else len(_FIRST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was covered, when the run began with slipcover (scripts/test.sh), before pytest's closing line."""
    merged = Path(os.environ.get("SLIPCOVER_COVERAGE_DIR", "")) / "merged.json"
    if not merged.is_file():
        return
    coverage = json.loads(merged.read_bytes())
    table = io.StringIO()
    print_coverage(coverage, outfile=table, skip_covered=True)
    terminalreporter.write_line(table.getvalue())
    terminalreporter.write_line(f"covered: {coverage['summary']['percent_covered']:.1f} % of the lines")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByGroup(config, log)


class _ByGroup(LoadScopeScheduling):
    """By path. xdist's own groups, by mark, have no effect: it writes them into names, which pytest 9.2 keeps."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(nodeid)


def _group_of(nodeid: str) -> str:
    """With several processes a file's tests stay on one, for they share servers; all that drive a browser are one
    group, all that kill and start real processes three: how the whole server starts, what it bears, and its parts."""
    path = nodeid.partition("::")[0]
    if path.startswith("tests/e2e/"):
        return "e2e"
    if "faults" in path.rpartition("/")[2]:
        if path.startswith("tests/gilo/"):
            return "start faults" if path.endswith("_start.py") else "server faults"
        return "faults"
    return path
