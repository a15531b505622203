"""Run the parser in a child process with limits, and read what it wrote."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from knowledge.loaders.types import LoadError, Section
from knowledge.parse_child import CPU_SECONDS, MEMORY_BYTES

WALL_SECONDS = 60
_POLL_SECONDS = 0.02
_ROOT = Path(__file__).resolve().parent.parent
_LIMIT_MESSAGE = (
    f"Reading the file took more than {CPU_SECONDS} seconds or {MEMORY_BYTES // 1024**2} MB of memory. "
    "Simplify or split it."
)
# How a process ends that ran into its limits; parsers in C answer a failed allocation with abort or trap.
_LIMIT_SIGNALS = {signal.SIGXCPU, signal.SIGKILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGSEGV}


@contextmanager
def parse_file(path: Path, kind: str, *, while_waiting: Callable[[], None]) -> Iterator[Iterator[Section]]:
    """The sections of a file. Raises LoadError with a code. Calls `while_waiting` often: it may renew a lease.

    The text lies in a temporary file until the block ends, so that memory does not grow with the document.
    """
    with tempfile.TemporaryDirectory(prefix="gilo-parse-") as folder:
        output = Path(folder) / "sections.jsonl"
        _run_child(kind, path, output, while_waiting)
        yield _read_sections(output)


def _run_child(kind: str, path: Path, output: Path, while_waiting: Callable[[], None]) -> None:
    command = [sys.executable, "-m", "knowledge.parse_child", kind, str(path), str(output)]
    child = subprocess.Popen(  # noqa: S603 - our own module; the paths are ours
        command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={}
    )
    try:
        errors = _wait(child, while_waiting)
    finally:
        child.kill()
        child.wait()
        if child.stderr:
            child.stderr.close()
    if child.returncode:
        raise _explain(child.returncode, errors)


def _wait(child: subprocess.Popen[bytes], while_waiting: Callable[[], None]) -> bytes:
    deadline = time.monotonic() + WALL_SECONDS
    pause = _POLL_SECONDS
    while True:
        try:
            return child.communicate(timeout=pause)[1]
        except subprocess.TimeoutExpired:
            pause = 0.25
        if time.monotonic() > deadline:
            raise LoadError("parse_limit", _LIMIT_MESSAGE)
        while_waiting()


def _explain(return_code: int, errors: bytes) -> LoadError:
    ended_by_limit = return_code < 0 and signal.Signals(-return_code) in _LIMIT_SIGNALS
    if ended_by_limit or b"MemoryError" in errors or b"emory" in errors[-300:]:
        return LoadError("parse_limit", _LIMIT_MESSAGE)
    return LoadError("parse_failed", "The file is damaged or of an unusual form and could not be read.")


def _read_sections(output: Path) -> Iterator[Section]:
    with output.open(encoding="utf-8") as file:
        for line in file:
            value = json.loads(line)
            if isinstance(value, dict):
                raise LoadError(value["code"], value["message"])
            yield Section(*value)
