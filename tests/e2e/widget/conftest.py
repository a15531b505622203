"""A site of somebody else's, an agent that is deployed there, and the site's pages in a browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import create_agent
from tests.e2e.widget.chat import QUESTION, Deployment, Open
from tests.e2e.widget.host import PLAIN_CSS, HostSite
from tests.processes import Process, wait_until


@pytest.fixture(scope="module")
def host(site: Process) -> Iterator[HostSite]:
    """The site that the key lists; its host name is not GiLo's, so that the frame is a third party there."""
    with HostSite(site.url) as server:
        yield server


@pytest.fixture(scope="module")
def deployment(browser: Browser, site: Process, member: Any, host: HostSite) -> Deployment:
    context = browser.new_context(storage_state=member, base_url=site.url)
    page = context.new_page()
    agent = create_agent(page, site.url, "Kettle support").rsplit("/", 1)[1]
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrftoken")
    ask = {"headers": {"X-CSRFToken": token, "Origin": site.url}}
    path = f"/api/agents/{agent}"
    looks = {"welcome_message": "Ask about kettles.", "suggested_questions": [QUESTION]}
    assert page.request.patch(f"{path}/config", data={"model": "offline", **looks}, **ask).ok
    text = b"The guarantee of the Zephyr kettle lasts seven years from the day of purchase."
    file = {"name": "manual.txt", "mimeType": "text/plain", "buffer": text}
    assert page.request.post(f"{path}/knowledge", multipart={"file": file}, **ask).ok
    is_ready = lambda: page.request.get(f"{path}/knowledge").json()["data"][0]["status"] == "ready"  # noqa: E731
    wait_until(is_ready, 60, "the document")
    given = {"name": "Site", "kind": "widget", "allowed_origins": [host.url]}
    key = page.request.post(f"{path}/api-keys", data=given, **ask).json()
    secret = page.request.post(f"{path}/api-keys/{key['id']}/identity-secret", **ask).json()["identity_secret"]
    context.close()
    return Deployment(site.url, agent, key["key"], key["id"], secret)


@pytest.fixture
def open_host(browser: Browser, host: HostSite) -> Iterator[Open]:
    """Open the host's page with this body; what goes wrong in the browser fails the test at its end."""
    contexts, problems = [], []
    allowed: list[str] = []

    def watch(page: Page) -> None:
        page.on("console", lambda line: problems.append(line.text) if line.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: problems.append(str(error)))

    def start(
        body: str,
        *,
        width: int = 1280,
        css: str = PLAIN_CSS,
        allow: str = "",
        locale: str = "en-GB",
    ) -> Page:
        host.pages, host.styles = {"/": body, "/other": body}, css
        allowed.extend([allow] if allow else [])
        context = browser.new_context(
            viewport={"width": width, "height": 800}, locale=locale, reduced_motion="reduce",
            color_scheme="light",
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        watch(page)
        page.goto(host.url)
        return page

    yield start
    for context in contexts:
        context.close()
    wrong = [problem for problem in problems if not any(part in problem for part in allowed)]
    assert not wrong, "\n".join(wrong)
