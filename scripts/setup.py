#!/usr/bin/env python3
"""Make everything that running (or, with --dev, testing) needs: the virtual environment, its packages, the assets.

Uses nothing but the standard library. Each part is skipped when what it is made from has not changed, so a second
call costs milliseconds. `make run` and `make test` call it; the Dockerfile calls its parts.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("GILO_VENV", ROOT / ".venv"))
PYTHON = VENV / "bin" / "python"
PIP: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check"]
OLDEST_PYTHON = (3, 11)
# program → the Debian package that brings it; only tests need these
TEST_PROGRAMS = {"chromium": "chromium", "redis-server": "redis-server", "curl": "curl"}


def main() -> None:
    arguments = _parse_arguments()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"GiLo needs Python 3.11 or newer; this is {sys.version.split()[0]}. Name another one: make PYTHON=…")
    make_environment()
    install_packages("dev" if arguments.dev else "base")
    if arguments.dev:
        install_programs()
    build_assets()


def make_environment() -> None:
    """A virtual environment; one whose Python is gone (an upgrade removed it) is made anew."""
    if PYTHON.exists():
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
    # --no-deps: the lock is complete, and two packages name dependencies that we leave out on purpose.
    options: list[str | Path] = ["--require-hashes", "--no-deps", "-r", lock]
    if not (_get_uv() and run([VENV / "bin" / "uv", "pip", "install", "-q", "--python", PYTHON, *options]) == 0):
        run([*PIP, "install", "-qq", "--no-input", *options], check=True)
    stamp.write_text(digest, encoding="ascii")


def _get_uv() -> bool:
    """Whether uv is there, which installs in a tenth of pip's time. It does not read pip's settings: where those name
    another index, as in a company without a way out, pip does the work."""
    settings = subprocess.run([*map(str, PIP), "config", "list"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    if ".index-url=" in settings or ".no-index=" in settings:
        return False
    return run([*PIP, "install", "-qq", "--no-input", "--require-hashes", "-r", "requirements/setup.txt"]) == 0


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
    """Run it, showing its output, and return its exit code; with `check` a failure ends the set-up with it."""
    code = subprocess.run([str(part) for part in command], cwd=ROOT, env=env, check=False).returncode  # noqa: S603
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
    main()
