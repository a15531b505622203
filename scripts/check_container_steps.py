#!/usr/bin/env python3
"""Run every step of the Dockerfile without a container engine: a fresh folder for each stage, an empty environment,
the image's user. It ends with the started server answering its own HEALTHCHECK, and stopping on SIGTERM.

    scripts/check_container_steps.py [--python python3.12] [--keep]

Differences from a real build: the base image's files are this machine's; WORKDIR and the image's absolute paths live
under a temporary folder; the image's user is `nobody` when this process is root, else this process's own. Needs what
the base image has: Python with venv.
"""

import argparse
import fnmatch
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAND_IN = "nobody"  # for the image's own user: PostgreSQL wants one that the system knows
SECRETS = {
    "SECRET_KEY": "jT5-kq8ZxWv2nR9wLb4Ym7HsPd6cGf1Q",
    "GILO_ENCRYPTION_KEYS": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
}


@dataclass
class Stage:
    """One `FROM … AS name`: where its files live, its environment, folder and user."""

    name: str
    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: int | None = None

    def path(self, inside: str, base: str | None = None) -> Path:
        """Where a path of the image is on this machine."""
        return self.root / os.path.normpath(os.path.join(base or self.workdir, inside)).lstrip("/")  # noqa: PTH118


def main() -> None:
    arguments = _parse_arguments()
    top = Path(tempfile.mkdtemp(prefix="gilo-image-"))
    top.chmod(0o755)
    try:
        stage, command, health = build(top, arguments.python)
        serve(stage, command, health)
    finally:
        if arguments.keep:
            say(f"kept: {top}")
        else:
            shutil.rmtree(top, ignore_errors=True)
    say("every step of the Dockerfile works")


def build(top: Path, python: str) -> tuple[Stage, list[str], list[str]]:
    """Run the build steps; the last stage, its CMD and its HEALTHCHECK's command."""
    stages: dict[str, Stage] = {}
    stage, command, health = Stage("", top), [], []
    for word, rest in instructions(ROOT / "Dockerfile"):
        started = time.monotonic()
        if word == "FROM":
            name = rest.split()[-1]
            stage = stages[name] = Stage(name, top / name)
            stage.root.mkdir()
        elif word == "WORKDIR":
            stage.workdir = rest
            stage.path(".").mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            stage.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "COPY":
            copy(stages, stage, rest)
        elif word == "RUN":
            run(stage, rest, python)
        elif word == "USER":
            stage.user = unprivileged_user() if os.geteuid() == 0 else None
        elif word == "CMD":
            command = json.loads(rest)
        elif word == "HEALTHCHECK":
            health = json.loads(rest[rest.index("[") :])
        say(f"{stage.name}: {word} {rest[:80]} ({time.monotonic() - started:.1f} s)")
    return stage, command, health


def unprivileged_user() -> int:
    return pwd.getpwnam(STAND_IN).pw_uid


def instructions(path: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def copy(stages: dict[str, Stage], stage: Stage, rest: str) -> None:
    words = shlex.split(rest)
    if words[0].startswith("--from="):
        source = stages[words[0].removeprefix("--from=")]
        shutil.copytree(source.path(words[1]), stage.path(words[2]), symlinks=True, dirs_exist_ok=True)
        _move_environment(source, stage)
    elif words == [".", "."]:
        for name in _committed():
            target = stage.path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    else:
        stage.path(words[1]).mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / words[0], stage.path(words[1]))


def _move_environment(source: Stage, stage: Stage) -> None:
    # In the image both stages have the same /app; here the scripts of .venv/bin name the first one's folder.
    for script in stage.path(".venv/bin").iterdir():
        if script.is_file() and not script.is_symlink() and (data := script.read_bytes()).startswith(b"#!"):
            script.write_bytes(data.replace(str(source.root).encode(), str(stage.root).encode()))


def _committed() -> list[str]:
    """What the build context holds: the repository without what .dockerignore names."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    patterns = [pattern.removeprefix("**/") for pattern in ignored]
    return [
        name
        for name in listing
        if (ROOT / name).is_file() and not any(fnmatch.fnmatch(name, p) or name.startswith(f"{p}/") for p in patterns)
    ]


def run(stage: Stage, command: str, python: str) -> None:
    if command.startswith("useradd"):
        return
    for absolute in re.findall(r"(?<= )/[a-z]+", command):
        command = command.replace(f" {absolute}", f" {stage.path(absolute)}")
    command = re.sub(r"^python ", f"{shutil.which(python) or python} ", command)
    command = command.replace("gilo:gilo", str(unprivileged_user() if os.geteuid() == 0 else os.getuid()))
    execute(stage, ["sh", "-ec", command])


def environment(stage: Stage) -> dict[str, str]:
    """Only what the image sets, and what lets pip find this machine's package index."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "NPM_", "npm_"))}
    env = {**kept, "PATH": os.defpath, "HOME": "/nonexistent", **stage.env}
    if "GILO_DATA_DIR" in env:
        env["GILO_DATA_DIR"] = str(stage.path(env["GILO_DATA_DIR"]))
    return env


def execute(stage: Stage, command: list[str]) -> None:
    result = subprocess.run(  # noqa: S603 - the Dockerfile's own steps
        command, cwd=stage.path("."), env=environment(stage), user=stage.user, group=stage.user,
        extra_groups=[] if stage.user else None, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        sys.exit(f"failed: {shlex.join(command)}\n{result.stdout[-3000:]}{result.stderr[-3000:]}")


def serve(stage: Stage, command: list[str], health: list[str]) -> None:
    """Start CMD as the image's user, wait for HEALTHCHECK, stop it with SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        stage.env |= {"PORT": str(free.getsockname()[1]), **SECRETS}
    process = subprocess.Popen(  # noqa: S603 - the Dockerfile's own CMD
        command, cwd=stage.path("."), env=environment(stage), user=stage.user, group=stage.user,
        extra_groups=[] if stage.user else None,
    )  # fmt: skip
    try:
        _wait_healthy(stage, health, process)
        process.send_signal(signal.SIGTERM)
        if code := process.wait(30):
            sys.exit(f"the server ended with {code}")
    finally:
        if process.poll() is None:
            process.kill()


def _wait_healthy(stage: Stage, health: list[str], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        check = subprocess.run(health, cwd=stage.path("."), env=environment(stage), capture_output=True, check=False)  # noqa: S603
        if check.returncode == 0:
            say("HEALTHCHECK: healthy")
            return
        time.sleep(0.5)
    sys.exit("the server did not become healthy")


def say(text: str) -> None:
    print(f"· {text}", flush=True)  # noqa: T201


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="python3", help="the base image's Python (default: python3)")
    parser.add_argument("--keep", action="store_true", help="leave the stages' folders for a look")
    return parser.parse_args()


if __name__ == "__main__":
    main()
