"""The real product as a process, a real Chromium, and a page that fails its test on any error in the browser."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from core.embedded_postgres import EmbeddedPostgres
from tests.fake_model import FakeModel
from tests.processes import Process, running

PASSWORD = "correct horse 42 staple"
SYSTEM_CHROMIUMS = ("chromium-headless-shell", "chromium")  # the first has no windows of its own to draw
expect.set_options(timeout=15_000)


@pytest.fixture(scope="package")
def model() -> Iterator[FakeModel]:
    """The operator's model endpoint: the fake server of all tests, one for this folder."""
    server = FakeModel()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Process]:
    """GiLo itself, started as its users start it, with an empty database."""
    data_dir = tmp_path_factory.mktemp("e2e") / "data"
    environment = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "sk-fake", "OPENAI_MODEL": "fake-model"}
    with running(data_dir, env={**environment, "GILO_SEED_DEMO": "0"}, is_first_start=False) as process:
        yield process
    EmbeddedPostgres(data_dir / "postgres").stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium: the system's, or the one that Playwright has installed."""
    system = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, SYSTEM_CHROMIUMS)), None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=system, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@dataclass
class Visit:
    """A browser window on the site, with what went wrong in it."""

    context: BrowserContext
    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)  # parts of messages that a test provokes on purpose

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page

    def watch(self, page: Page) -> Page:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", lambda request: self._on_request(request.url))
        return page

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"console {message.type}: {message.text}")

    def _on_request(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"data", "blob"} and parts.netloc != urlsplit(self.url).netloc:
            self.problems.append(f"request to another host: {address}")

    def check(self) -> None:
        wrong = [problem for problem in self.problems if not any(part in problem for part in self.allowed)]
        assert not wrong, "\n".join(wrong)


Visitor = Callable[..., Visit]


@pytest.fixture
def home(site: Process) -> str:
    """The address that people come to."""
    return site.url


@pytest.fixture
def visitor(browser: Browser, home: str) -> Iterator[Visitor]:
    """Open a window: `visitor(state=…, width=…, locale=…)`. Every error in it fails the test at its end."""
    visits: list[Visit] = []

    def start(state: Any = None, width: int = 1280, locale: str = "en-GB", touch: bool = False) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 860},
            color_scheme="light",
            locale=locale,
            storage_state=state,
            reduced_motion="reduce",
            has_touch=touch,
            is_mobile=touch,
        )
        visit = Visit(context, context.new_page(), home)
        visit.watch(visit.page)
        visits.append(visit)
        return visit

    yield start
    for visit in visits:
        visit.context.close()
    for visit in visits:
        visit.check()


def sign_up(page: Page, url: str, email: str) -> None:
    """Through the form, as a new user."""
    page.goto(f"{url}/signup")
    page.locator("input[name=email]").fill(email)
    for password in page.locator("input[type=password]").all():
        password.fill(PASSWORD)
    page.locator("form[action*=signup] [type=submit]").click()
    page.wait_for_url("**/dashboard*")


def create_agent(page: Page, url: str, name: str) -> str:
    """On the dashboard; returns the new agent's path."""
    page.goto(f"{url}/dashboard?new=1")
    page.locator("#new-name").fill(name)
    page.locator("#new-name").press("Enter")
    page.wait_for_url(re.compile(r"/agents/[0-9a-f-]{36}"))
    return urlsplit(page.url).path


def proof(page: Page, url: str) -> dict[str, Any]:
    """What makes a request of the test one of our own pages'."""
    token = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "csrftoken")
    return {"headers": {"X-CSRFToken": token, "Origin": url}}


@pytest.fixture(scope="package")
def member(browser: Browser, site: Process) -> Any:
    """A signed-up user's cookies."""
    context = browser.new_context(locale="en-GB")
    sign_up(context.new_page(), site.url, "member@example.org")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def builder(visitor: Visitor, member: Any) -> Visit:
    """The builder page of a new agent that answers with the fake model."""
    visit = visitor(state=member)
    create_agent(visit.page, visit.url, "Test bench")
    expect(visit.page.locator(".composer__input")).to_be_visible()  # the scripts have taken over
    return visit


def ask(page: Page, text: str) -> None:
    page.locator(".composer__input").fill(text)
    page.locator(".composer__input").press("Enter")


def answer(page: Page) -> Any:
    """The newest answer."""
    return page.locator(".msg--assistant").last
