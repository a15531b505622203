"""What GiLo adds to a model call: requests per second beside a bare proxy, CPU per request, time to the first token.

    python -m bench.overhead [--tools ../shared/bench] [--rounds 3] [--block 2] [--data-dir /tmp/gilo-bench]

One web process, an API key checked on every call, rate limits counted and a budget reserved and settled (neither ever
reached), knowledge off, everything durable: conversation, question and run before the model is called, answer and usage
before the last event. At 10 streams also beside the same without limits and budget, and the OpenAI-compatible routes
beside the native one. The fake model, the load generator and the bare
proxy are the ones in --tools. The database is prefilled and ANALYZEd first: an empty one measures plans made for empty
tables. Everything shares this machine's cores: trust CPU per request and the paired ratio, not requests per second.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.serving import ROOT, free_port, fsync_milliseconds, process, web_command

if TYPE_CHECKING:
    from core.embedded_postgres import EmbeddedPostgres

CONVERSATIONS = 20_000
SLOW = "Hello FAKE:chunks=20,delay=50"
TOOLS = ("fake_llm.py", "load.py", "limit_proxy.py")
CLOCK = os.sysconf("SC_CLK_TCK")
# CPU a request at 10 streams that is asked for, and the bare proxy's on the machine on which that was set (PEERS.md)
FLOOR_MS, AIM_MS, REFERENCE_MS = 0.60, 0.35, 0.12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--block", type=float, default=2.0)
    parser.add_argument("--data-dir", type=Path, default=Path("/tmp/gilo-bench"))
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 10, 50])
    parser.add_argument("--no-slow", action="store_true", help="leave out the 1,000 slow streams")
    options = parser.parse_args()
    missing = [name for name in TOOLS if not (options.tools / name).exists()]
    if missing:
        sys.exit(f"Skipped: {options.tools} has no {', '.join(missing)}. Name their folder with --tools.")
    run(options)


def run(options: argparse.Namespace) -> None:
    options.data_dir.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in ("model", "bare", "gilo")}
    os.environ["GILO_DATA_DIR"] = str(options.data_dir)
    callers, postgres = prepare()
    try:
        measure(options, ports, callers, postgres.pid or 0)
    finally:
        postgres.stop()


def measure(
    options: argparse.Namespace, ports: dict[str, int], callers: dict[str, "Caller"], postgres_pid: int
) -> None:
    print(f"disk: {fsync_milliseconds(options.data_dir):.2f} ms for 8 kB and fdatasync (median of 200)")
    model_env = {"FAKE_PORT": str(ports["model"])}
    model = f"http://127.0.0.1:{ports['model']}"
    gilo_env = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODEL": "fake-model", "OPENAI_API_KEY": ""}
    with (
        process([sys.executable, str(options.tools / "fake_llm.py")], f"{model}/healthz", model_env),
        process(
            bare_command(options.tools, ports["bare"]), f"http://127.0.0.1:{ports['bare']}/", {"UPSTREAM": model}
        ) as bare_pid,
        process(web_command(ports["gilo"]), f"http://127.0.0.1:{ports['gilo']}/api/health", gilo_env) as web_pid,
    ):
        targets = write_targets(options.data_dir, ports, callers, {"gilo": web_pid, "bare": bare_pid})
        count_round_trips(ports["gilo"], callers["limited"])
        for streams in options.streams:
            compare(options, targets, streams, postgres_pid)
        for pair in (("gilo", "plain"), ("completions", "gilo"), ("responses", "gilo")):
            print(f"\n10 streams, {pair[0]} beside {pair[1]}\n{compare_two(options, targets, pair, 10)}")
        if not options.no_slow:
            slow_streams(options, targets)
    print(f"load average of the last minute at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def bare_command(tools: Path, port: int) -> list[str]:
    flags = "--loop uvloop --http httptools --no-access-log --log-level warning --timeout-keep-alive 75"
    app = ["--app-dir", str(tools), "limit_proxy:app", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", *app, *flags.split()]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls which agent."""

    agent_id: str
    slug: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def prepare() -> tuple[dict[str, Caller], "EmbeddedPostgres"]:
    """An agent with limits and a budget and one without, each with 20,000 conversations; their database server."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gilo.settings")
    import django

    django.setup()
    from django.conf import settings

    from core.embedded_postgres import EmbeddedPostgres
    from gilo.prepare import prepare_database

    postgres = EmbeddedPostgres(settings.EMBEDDED_DATABASE_DIR)
    postgres.start()
    prepare_database()
    callers = {"plain": make_caller("unlimited"), "limited": make_caller("bench")}
    return callers, postgres


def make_caller(plan: str) -> Caller:
    """A new agent and key in the benchmark's workspace of this plan; with the plan "bench" also a budget."""
    from accounts.models import Workspace
    from agents import services
    from agents.config import AgentConfig
    from bench.limits import MANY
    from bench.prefill import prefill
    from billing.models import Budget

    workspace, _ = Workspace.objects.get_or_create(name=f"Benchmark {plan}", plan=plan)
    agent = services.create_agent(
        workspace_id=workspace.pk, actor=None, name="Benchmark", config=AgentConfig(knowledge_enabled=False)
    )
    if plan == "bench":
        limits = {"limit_tokens": MANY * 1000, "limit_usd": MANY}
        Budget.objects.create(workspace=workspace, agent_id=agent.pk, scope="agent", period="day", **limits)
    _, key = services.create_api_key(agent=agent, actor=None, name="benchmark")
    print(f"database: {prefill(agent, CONVERSATIONS):,} conversations, analysed")
    return Caller(str(agent.pk), agent.slug, key)


def write_targets(folder: Path, ports: dict[str, int], callers: dict[str, Caller], pids: dict[str, int]) -> Path:
    base, limited, pid = f"http://127.0.0.1:{ports['gilo']}/api/v1", callers["limited"], pids["gilo"]
    question = "Hello, how are you? {{n}}"
    asked = {"stream": True, "messages": [{"role": "user", "content": question}]}

    def native(caller: Caller, message: str) -> dict[str, Any]:
        url = f"{base}/agents/{caller.agent_id}/chat"
        return {"url": url, "body": {"message": message}, "headers": caller.headers, "pid": pid}

    def openai(path: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"url": f"{base}/{path}", "body": body, "headers": limited.headers, "pid": pid}

    def bare(message: str) -> dict[str, Any]:
        body = {"model": "fake-model", "stream": True, "messages": [{"role": "user", "content": message}]}
        return {"url": f"http://127.0.0.1:{ports['bare']}/v1/chat/completions", "body": body, "pid": pids["bare"]}

    targets = {
        "gilo": native(limited, question),
        "plain": native(callers["plain"], question),
        "slow": native(limited, SLOW),
        "completions": openai("chat/completions", {"model": limited.slug, **asked}),
        "responses": openai("responses", {"model": limited.slug, "stream": True, "input": question}),
        "bare": bare(question),
        "bare_slow": bare(SLOW),
    }
    path = folder / "targets.json"
    path.write_text(json.dumps(targets))
    return path


def compare(options: argparse.Namespace, targets: Path, streams: int, postgres_pid: int) -> None:
    """Paired blocks against the bare proxy; PostgreSQL's CPU from /proc over the whole comparison."""
    before = cpu_seconds(postgres_pid)
    output = compare_two(options, targets, ("gilo", "bare"), streams)
    requests = int(output.split(" done ")[1].split()[0])
    postgres = (cpu_seconds(postgres_pid) - before) * 1000 / requests
    print(f"\n{streams} streams (PostgreSQL {postgres:.2f} ms CPU a request)\n{output}\n{beside_the_proxy(output)}")


def beside_the_proxy(output: str) -> str:
    """CPU a request as a multiple of the bare proxy's: milliseconds hold for one machine, and for one hour of it."""
    ours, bare = (float(text) for text in re.findall(r"cpu/req ([0-9.]+) ms", output))
    floor, aim = FLOOR_MS / REFERENCE_MS, AIM_MS / REFERENCE_MS
    return f"  CPU a request {ours / bare:.2f} times the bare proxy's (floor {floor:.1f}, aim {aim:.1f} at 10 streams)"


def compare_two(options: argparse.Namespace, targets: Path, pair: tuple[str, str], streams: int) -> str:
    arguments = ["ab", str(targets), *pair, "-c", str(streams), "--block", str(options.block)]
    return load(options.tools, [*arguments, "--rounds", str(options.rounds)])


def slow_streams(options: argparse.Namespace, targets: Path) -> None:
    """1,000 streams of 20 pieces, 50 ms apart, started over one second; then the same of the bare proxy."""
    print("\n1,000 slow streams (20 x 50 ms, started over 1 s, 3,000 requests)")
    for target in ("slow", "bare_slow"):
        print(load(options.tools, ["run", str(targets), target, "-c", "1000", "-n", "3000", "-d", "30", "--ramp", "1"]))


def load(tools: Path, arguments: list[str]) -> str:
    command = [sys.executable, str(tools / "load.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def count_round_trips(port: int, caller: Caller) -> None:
    """PostgreSQL's own log of 100 turns in a row: what it executed for each, with look-ups and upkeep beside it."""
    from core.embedded_postgres import EmbeddedPostgres

    log = Path(EmbeddedPostgres(Path(os.environ["GILO_DATA_DIR"]) / "postgres").data_dir.parent / "postgres.log")
    first = ask_once(port, caller, None)
    for name, conversation_id in (("new conversation", None), ("next turn", first)):
        with logged_statements():
            before = log.stat().st_size
            for _ in range(100):
                ask_once(port, caller, conversation_id)
            text = log.read_bytes()[before:].decode(errors="replace")
        writes, reads = len(re.findall(r"WITH\s+(?:begun|ended) AS", text)), text.count("LEFT JOIN LATERAL")
        every = len(re.findall(r"LOG: +(?:execute|statement)", text))
        print(
            f"SQL a turn, {name}: {writes / 100:.2f} writes, {reads / 100:.2f} reads of history; "
            f"{every / 100:.2f} statements of all kinds (connection checks, cached look-ups, upkeep)"
        )


@contextlib.contextmanager
def logged_statements() -> Iterator[None]:
    set_server("ALTER SYSTEM SET log_statement = 'all'")
    try:
        yield
    finally:
        set_server("ALTER SYSTEM RESET log_statement")


def set_server(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()
    time.sleep(0.5)  # the server's processes read the configuration on their own time


def ask_once(port: int, caller: Caller, conversation_id: str | None) -> str:
    """One turn without streaming; gives the conversation's id."""
    body: dict[str, Any] = {"message": "Hello", "stream": False}
    if conversation_id:
        body["conversation_id"] = conversation_id
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/agents/{caller.agent_id}/chat",
        json.dumps(body).encode(),
        {**caller.headers, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(json.load(response)["conversation_id"])


def cpu_seconds(root: int) -> float:
    """CPU of a process and its children."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == root or int(fields[1]) == root:
            total += int(fields[11]) + int(fields[12])
    return total / CLOCK


if __name__ == "__main__":
    main()
