"""Every sink in a network of its own, where private addresses are really there: nothing private is ever reached."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core import egress_probe as probe
from tests.processes import ROOT

SINKS = list(probe.SINKS)
FOLLOWING = {"aiohttp"}  # the others hand a redirect to their caller, who takes it for a failure


@functools.cache
def run_probe(allowed: str = "") -> dict[str, Any]:
    """The probe's result; skips where the machine gives no namespaces."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("network namespaces need the commands unshare and ip")
    if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine permits no network namespace")
    data_dir = Path(os.environ["GILO_TEST_DATA_DIR"])
    env = {**os.environ, "GILO_DATA_DIR": str(data_dir), "GILO_EGRESS_ALLOWED_NETWORKS": allowed}
    run = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.core.egress_probe"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_canary_would_have_heard_of_every_address():
    heard = set(run_probe()["control"])
    assert {f"{address} {probe.OPEN}" for address in ["127.0.0.1", probe.PUBLIC, *probe.PRIVATE_V4]} <= heard
    assert {f"{probe.PUBLIC} {port}" for port in probe.SYSTEM_PORTS} <= heard
    assert any(address.startswith("fd00:ec2") for address in heard)


@pytest.mark.parametrize("sink", SINKS)
def test_sink_reaches_the_public_address_and_nothing_else(sink):
    result = run_probe()
    assert result["outcomes"][sink][f"http://public.example.com:{probe.OPEN}/"] == "200"
    assert result["reached"][sink] == [f"{probe.PUBLIC} {probe.OPEN}"]


@pytest.mark.parametrize("sink", SINKS)
def test_sink_refuses_every_private_address(sink):
    outcomes = run_probe()["outcomes"][sink]
    passed = {url: outcomes[url] for url in probe.private_urls() if not is_refusal(outcomes[url])}
    if sink not in FOLLOWING:
        passed = {url: text for url, text in passed.items() if "/redirect/" not in url or text not in {"302", "307"}}
    assert passed == {}


def is_refusal(outcome: str) -> bool:
    """Whether the guard, or the client itself, would not go there. `redirect`: the webhook's word for a 3xx."""
    words = ("EgressBlocked:", "InvalidURL:", "InvalidUrlClientError:", "UnsupportedProtocol:", "ValueError:")
    redirects = ("NonHttpUrlRedirectClientError:", "redirect")
    return outcome in {"egress_blocked", "connection_broken"} or outcome.startswith((*words, *redirects))


@pytest.mark.parametrize("sink", SINKS)
def test_sink_says_the_same_of_open_closed_and_unreachable_ports(sink):
    outcomes = run_probe()["outcomes"][sink]
    assert len({outcomes[url] for url in probe.private_literals()}) == 1


@pytest.mark.parametrize("sink", SINKS)
def test_sink_resolves_once_and_checks_again_at_the_next_connection(sink):
    outcomes = run_probe()["outcomes"][sink]
    assert outcomes[f"http://{probe.REBINDING}:{probe.OPEN}/"] == "200", "public at the first look-up, and connected so"
    assert is_refusal(outcomes["rebound"])


@pytest.mark.parametrize("sink", SINKS)
def test_sink_reaches_networks_that_the_operator_allowed_and_no_others(sink):
    result = run_probe("10.0.0.0/8")
    assert result["outcomes"][sink]["http://10.0.0.1:8000/"] == "200"
    assert set(result["reached"][sink]) == {f"{probe.PUBLIC} {probe.OPEN}", f"10.0.0.1 {probe.OPEN}"}
