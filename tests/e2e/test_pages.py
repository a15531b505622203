"""Every page: accessible in light and dark, in both languages, and within a phone's width."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit, Visitor, answer, ask, create_agent, sign_up
from tests.e2e.looks import PHONE, find_small_targets, find_violations, look_at

PUBLIC = ("/", "/login", "/signup", "/password/reset", "/docs", "/nowhere")
PRIVATE = (
    "/settings/usage",
    "/dashboard",
    "/settings",
    "/settings/security",
    "/settings/models",
    "/settings/workspace",
)
SIGNED_OUT = ("/", "/login", "/signup", "/password/reset")
TABS = ("instructions", "model", "knowledge", "appearance", "deploy", "versions")
ONE_OF_EACH = """() => {
  const methods = new Set();
  for (const operation of document.querySelectorAll("details.op")) {
    const method = operation.querySelector(".op__method").textContent;
    if (methods.has(method)) operation.remove();
    else operation.open = methods.add(method);
  }
}"""


@pytest.fixture(scope="module")
def agent_path(browser: Any, site: Any, member: Any) -> str:
    context = browser.new_context(storage_state=member)
    path = create_agent(context.new_page(), site.url, "Looked at")
    context.close()
    return path


def test_pages_are_accessible_and_fit_a_phone(visitor: Visitor, member: Any, agent_path: str) -> None:
    visit = visitor(state=member)
    visit.allowed.append("404 (Not Found)")
    faults = []
    for path in [*PUBLIC, *PRIVATE, *(f"{agent_path}?tab={tab}" for tab in TABS)]:
        faults += look_at(show(visit, path))
    assert not faults, "\n".join(faults)


def test_public_pages_are_accessible_signed_out(visitor: Visitor) -> None:
    visit = visitor()
    faults = [fault for path in SIGNED_OUT for fault in look_at(show(visit, path))]
    assert not faults, "\n".join(faults)


def test_everything_on_a_phone_is_large_enough_for_a_finger(visitor: Visitor, member: Any, agent_path: str) -> None:
    visit = visitor(state=member, width=PHONE, touch=True)
    visit.allowed.append("404 (Not Found)")
    faults = []
    for path in [*PUBLIC, *PRIVATE, "/store", *(f"{agent_path}?tab={tab}" for tab in TABS)]:
        faults += find_small_targets(show(visit, path))
    assert not faults, "\n".join(faults)


def show(visit: Visit, path: str) -> Page:
    """The page with all that its scripts fill in."""
    page = visit.open(path)
    expect(page.locator("html[data-js]")).to_be_attached()
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    if path == "/docs":  # one operation of each method: the others look the same, and hundreds of them take long
        page.evaluate(ONE_OF_EACH)
    return page


def test_phone_switches_between_edit_and_try(visitor: Visitor, member: Any, agent_path: str) -> None:
    visit = visitor(state=member, width=PHONE)
    page = visit.open(agent_path)
    expect(page.get_by_label("What the agent does")).to_be_visible()
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".composer__input")).to_be_visible()
    expect(page.get_by_label("What the agent does")).to_be_hidden()


def test_visitor_on_a_phone_reaches_everything_from_the_menu(visitor: Visitor) -> None:
    visit = visitor(width=PHONE)
    page = visit.open("/")
    button = page.get_by_role("button", name="Menu")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    menu = page.get_by_role("navigation", name="Menu")
    expect(menu.get_by_role("link", name="Store")).to_be_focused()
    for name in ("Docs", "Prices", "Sign in", "Sign up"):
        expect(menu.get_by_role("link", name=name)).to_be_visible()
    faults = look_at(page)
    menu.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    menu.get_by_role("button", name="FR").click()
    expect(page.locator("html[lang=fr]")).to_be_attached()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Boutique").first.click()
    expect(page).to_have_url(f"{visit.url}/store")
    assert not faults, "\n".join(faults)


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


def test_states_of_the_builder_are_accessible(visitor: Visitor, member: Any, agent_path: str, tmp_path: Path) -> None:
    visit = visitor(state=member)
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
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Past conversations")).to_be_focused()
    page.get_by_role("tab", name="Deploy").click()
    page.get_by_role("tab", name="API keys").click()
    page.get_by_role("button", name="Create an API key").click()
    found += find_violations(page)
    assert not found, "\n".join(found)
