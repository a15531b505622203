"""Every page: accessible in light and dark, in both languages, and within a phone's width."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit, Visitor, answer, ask, create_agent, sign_up

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PUBLIC = ("/", "/login", "/signup", "/password/reset", "/docs", "/nowhere")
PRIVATE = (
    "/settings/usage",
    "/dashboard",
    "/settings",
    "/settings/security",
    "/settings/models",
    "/settings/workspace",
)
TABS = ("instructions", "model", "knowledge", "appearance", "deploy", "versions")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]


@cache
def axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


def find_violations(page: Page) -> list[str]:
    page.evaluate(axe_source())
    # dark, a page has other colours and nothing else
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    rules = {"type": "rule", "values": COLOUR_RULES} if is_dark else {"type": "tag", "values": RULES}
    options: dict[str, Any] = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"{page.url}: {violation['id']} ({violation['help']}): {node['target']} {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


@pytest.fixture(scope="module")
def agent_path(browser: Any, site: Any, member: Any) -> str:
    context = browser.new_context(storage_state=member)
    path = create_agent(context.new_page(), site.url, "Looked at")
    context.close()
    return path


def visit_all(visit: Visit, agent_path: str) -> list[str]:
    return [*PUBLIC, *PRIVATE, *(f"{agent_path}?tab={tab}" for tab in TABS)]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_have_no_accessibility_violations(visitor: Visitor, member: Any, agent_path: str, dark: bool) -> None:
    visit = visitor(state=member, dark=dark)
    visit.allowed.append("404 (Not Found)")
    found = []
    for path in visit_all(visit, agent_path):
        page = visit.open(path)
        page.wait_for_load_state("networkidle")
        found += find_violations(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", ["/", "/login", "/signup", "/password/reset"])
def test_public_pages_have_no_accessibility_violations_signed_out(visitor: Visitor, path: str) -> None:
    visit = visitor()
    page = visit.open(path)
    page.wait_for_load_state("networkidle")
    assert not find_violations(page)


def test_pages_fit_a_phone(visitor: Visitor, member: Any, agent_path: str) -> None:
    visit = visitor(state=member, width=360)
    visit.allowed.append("404 (Not Found)")
    too_wide = []
    for path in visit_all(visit, agent_path):
        page = visit.open(path)
        page.wait_for_load_state("networkidle")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            too_wide.append(f"{path}: {width} px")
        if path.startswith("/agents/"):  # fills the window; only its columns scroll
            assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 1"), path
    assert not too_wide, too_wide


def test_phone_switches_between_edit_and_try(visitor: Visitor, member: Any, agent_path: str) -> None:
    visit = visitor(state=member, width=360)
    page = visit.open(agent_path)
    expect(page.get_by_label("What the agent does")).to_be_visible()
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".composer__input")).to_be_visible()
    expect(page.get_by_label("What the agent does")).to_be_hidden()


def test_language_is_the_browsers_and_can_be_switched(visitor: Visitor) -> None:
    french = visitor(locale="fr-FR")
    expect(french.open("/login").locator("html")).to_have_attribute("lang", "fr")
    visit = visitor()
    page = visit.page
    sign_up(page, visit.url, "switches@example.org")  # the choice is kept with the account
    create_agent(page, visit.url, "Speaks two languages")
    expect(page.get_by_role("tab", name="Knowledge")).to_be_visible()
    page.get_by_role("button", name="Account menu").click()
    page.locator("#account-menu [name=language][value=fr]").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_role("tab", name="Connaissances")).to_be_visible()


RICH = """SAY:# Heading

| Article | Days |
|---|---:|
| Boots | 14 |

```python
print("a line of code that is long enough to scroll sideways in the narrow playground beside the form")
```

- [x] done, see [the terms](https://example.org/terms)"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_states_of_the_builder_are_accessible(
    visitor: Visitor, member: Any, agent_path: str, tmp_path: Path, dark: bool
) -> None:
    visit = visitor(state=member, dark=dark)
    page = visit.open(f"{agent_path}?tab=knowledge")
    (tmp_path / "notes.txt").write_text("The shop opens at nine.")
    (tmp_path / "tool.exe").write_bytes(b"MZ")
    page.locator("[data-files]").set_input_files([tmp_path / "notes.txt", tmp_path / "tool.exe"])
    expect(page.locator(".document[data-status=ready]").first).to_be_visible(timeout=60_000)
    page.get_by_placeholder("What would people ask?").fill("opens")
    page.get_by_placeholder("What would people ask?").press("Enter")
    expect(page.locator(".results")).to_be_visible()
    ask(page, RICH)
    expect(answer(page)).to_have_attribute("data-state", "complete")
    expect(answer(page).locator("td[align=right]")).to_have_text("14")
    expect(answer(page).locator("input[type=checkbox]")).to_be_checked()
    assert page.locator(".composer__input").evaluate("field => field.clientHeight < 50")  # one line again
    found = find_violations(page)
    page.get_by_role("button", name="Past conversations").click()
    expect(page.locator(".history__row").first).to_be_visible()
    found += find_violations(page)
    page.get_by_role("tab", name="Deploy").click()
    page.get_by_role("tab", name="API keys").click()
    page.get_by_role("button", name="Create an API key").click()
    found += find_violations(page)
    assert not found, "\n".join(found)
