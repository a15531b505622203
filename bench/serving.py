"""Start what a benchmark needs as processes of their own on loopback, and stop it again."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], url: str, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run a command until the block ends; begins when the URL answers. Gives the process id."""
    child = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        wait_for(url, child)
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(url: str, child: subprocess.Popen[bytes], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            sys.exit(f"{child.args} ended with status {child.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} did not answer within {seconds:.0f} s")


def web_command(port: int) -> list[str]:
    """One web process; see bench.web."""
    return [sys.executable, "-m", "bench.web", str(port)]


def fsync_milliseconds(folder: Path, count: int = 200) -> float:
    """The median of an 8 kB write and fdatasync on this disk."""
    path = folder / "fsync-probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            begun = time.perf_counter()
            file.write(b"x" * 8192)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    path.unlink()
    return sorted(times)[count // 2] * 1000
