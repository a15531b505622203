"""How long a start takes, and what everything together weighs when idle.

    python -m bench.start [--idle 15]

Cold: a fresh data folder (database made, migrated, seeded), packages and assets already installed. Warm: the same
folder again. Memory: the proportional set size (PSS) of the web process with its worker and of all PostgreSQL
processes, after the sample documents are indexed and some idle seconds; PSS counts shared pages once.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.serving import free_port
from core.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=float, default=15.0, help="seconds before memory is read")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gilo-start-") as folder:
        data = Path(folder) / "data"
        cold, process, url = start(data)
        print(f"cold start: {cold:.1f} s", flush=True)
        time.sleep(arguments.idle)
        print_memory("idle, after a cold start", process.pid, data)
        stop(process)
        warm, process, url = start(data)
        print(f"warm start: {warm:.1f} s", flush=True)
        urllib.request.urlopen(url, timeout=10).read()
        time.sleep(arguments.idle)
        print_memory("idle, after a warm start", process.pid, data)
        print(f"stop: {stop(process):.1f} s")


def start(data: Path) -> tuple[float, "subprocess.Popen[bytes]", str]:
    """Seconds until the health check answers, the process, its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "start"],
        cwd=ROOT,
        env={**os.environ, "GILO_DATA_DIR": str(data), "PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    while not answers(f"{url}/api/health"):
        if process.poll() is not None:
            sys.exit("the server ended")
        time.sleep(0.02)
    return time.monotonic() - started, process, url


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def stop(process: "subprocess.Popen[bytes]") -> float:
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.monotonic() - started


def print_memory(label: str, web: int, data: Path) -> None:
    postgres = EmbeddedPostgres(data / "postgres").pid or 0
    web_mb, database_mb = (sum(map(pss_mb, family(pid))) for pid in (web, postgres))
    print(
        f"{label}: {web_mb + database_mb:.0f} MB (web and worker {web_mb:.0f}, PostgreSQL {database_mb:.0f})",
        flush=True,
    )


def family(pid: int) -> list[int]:
    """The process and its children of every depth, but not the database server's (it is its own family)."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in task.read_text().split())
    return found


def pss_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


if __name__ == "__main__":
    main()
