#!/usr/bin/env python3
"""Make everything that running (or, with --dev, testing) needs: the virtual environment, its packages, the assets.

Uses nothing but the standard library. Each part is skipped when what it is made from has not changed, so a second
call costs milliseconds; one that was interrupted begins again where a part is not whole. `make run` and `make test`
call it; the Dockerfile calls its parts.
"""

from __future__ import annotations  # so that an older Python gets as far as being told that it is too old

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check"]
OLDEST_PYTHON = (3, 11)
# program → the Debian package that brings it; only tests need these
TEST_PROGRAMS = {"chromium": "chromium", "redis-server": "redis-server", "curl": "curl"}


def main() -> None:
    arguments = _parse_arguments()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"GiLo needs Python 3.11 or newer; this is {sys.version.split()[0]}. Name another one: make PYTHON=…")
    with one_at_a_time():
        make_environment()
        install_packages("dev" if arguments.dev else "base")
        if arguments.dev:
            install_programs()
        build_assets()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two set-ups of one folder at once would install into each other's half-made environment."""
    folder = ROOT / ".build"
    folder.mkdir(exist_ok=True)
    with (folder / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is under way in this folder; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment() -> None:
    """A virtual environment; one whose Python is gone (an upgrade removed it), or in which nothing was ever installed
    to the end, is made anew."""
    if PYTHON.exists() and any(VENV.glob(".*.installed")):
        return
    say("Making the virtual environment")
    if run([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit("The virtual environment could not be made. On Debian and Ubuntu: apt install python3-venv")


def install_packages(lock_name: str) -> None:
    """Install the lock when it changed; each file is checked against the hash in the lock."""
    lock = ROOT / "requirements" / f"{lock_name}.txt"
    stamp = VENV / f".{lock_name}.installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    say(f"Installing the packages of requirements/{lock.name} (once, and when it changes)")
    stamp.unlink(missing_ok=True)  # until all of it is there, nothing is
    # --no-deps: the lock is complete, and two packages name dependencies that we leave out on purpose.
    options: list[str | Path] = ["--require-hashes", "--no-deps", "-r", lock]
    if not _install_with_uv(options):
        run([*PIP, "install", "-qq", "--no-input", *options], check=True)
    stamp.write_text(digest, encoding="ascii")


def _install_with_uv(options: list[str | Path]) -> bool:
    """Install in a tenth of pip's time, if uv can be had. It does not read pip's settings: it is told of a certificate,
    and where they name another index, as in a company without a way out, pip does the work."""
    settings = subprocess.run([*map(str, PIP), "config", "list"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    if ".index-url=" in settings or ".no-index=" in settings:
        return False
    if run([*PIP, "install", "-qq", "--no-input", "--require-hashes", "-r", "requirements/setup.txt"]):
        return False
    certificate = re.search(r"\.cert='(.+)'", settings)
    env = {**({"SSL_CERT_FILE": certificate[1]} if certificate else {}), **os.environ}
    if run([VENV / "bin" / "uv", "pip", "install", "-q", "--python", PYTHON, *options], env=env) == 0:
        return True
    say("Once more, with pip")
    return False


def install_programs() -> None:
    """The browser, the Redis server and the curl that tests start: by apt when we may, else in clear words."""
    missing = {program: package for program, package in TEST_PROGRAMS.items() if not shutil.which(program)}
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing {', '.join(missing.values())}")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], check=True, env=quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing.values()],
            check=True, env=quiet)  # fmt: skip
        return
    say(f"Not found: {', '.join(missing)}. Tests that need them will fail. Install: {', '.join(missing.values())}")


def build_assets() -> None:
    """Browser files and compiled translations; the script itself knows when there is nothing to do."""
    script = ROOT / "scripts" / "build_assets.py"
    if script.exists():
        run([PYTHON, script], check=True)


def run(command: list[str | Path], *, check: bool = False, env: dict[str, str] | None = None) -> int:
    """Run it, showing its output, and return its exit code; with `check` a failure ends the set-up with it.

    It is in a process group of its own, so that Ctrl-C comes here alone: each tool would tell its own traceback.
    """
    words = [str(part) for part in command]
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603
    try:
        code = process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if check and code:
        sys.exit(code)
    return code


def say(text: str) -> None:
    print(f"· {text}", flush=True)  # noqa: T201


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what linting and testing need")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. The next start goes on with the set-up.")
    except OSError as error:
        sys.exit(f"The set-up cannot go on: {error.strerror or error} ({error.filename or ROOT}).")
