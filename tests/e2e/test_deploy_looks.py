"""Each part of the Deploy tab, and the agent's reference: accessible in light and dark, within a phone's width."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor, create_agent, sign_up
from tests.e2e.looks import find_violations

PARTS = ("overview", "api-keys", "code", "widget", "webhooks", "limits", "calls")


@pytest.fixture(scope="module")
def agent_path(browser: Any, site: Any, member: Any) -> str:
    context = browser.new_context(storage_state=member)
    path = create_agent(context.new_page(), site.url, "Deployed")
    context.close()
    return path


def show_part(page: Page, name: str) -> None:
    page.locator(f"#deploy-tab-{name}").click()
    expect(page.locator(f"#deploy-{name}")).to_be_visible()
    expect(page.locator(f"#deploy-{name} .skeleton:visible")).to_have_count(0)


def test_parts_of_the_deployment_have_no_accessibility_violations(
    visitor: Visitor, member: Any, agent_path: str
) -> None:
    visit = visitor(state=member)
    page = visit.open(f"{agent_path}?tab=deploy")
    found = []
    for part in PARTS:
        show_part(page, part)
        found += find_violations(page, "html" if part == PARTS[0] else "#panel-deploy")
    show_part(page, "api-keys")
    page.locator("[data-new-key]").first.click()
    page.get_by_label("What is it for?").fill("Looked at")
    found += find_violations(page)
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator(".keys__table")).to_be_visible()
    found += find_violations(page, "#panel-deploy")
    found += find_violations(visit.open(f"{agent_path}/reference"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("locale", ["en-GB", "fr-FR"])
def test_parts_of_the_deployment_fit_a_phone(visitor: Visitor, locale: str) -> None:
    visit = visitor(width=360, locale=locale)
    sign_up(visit.page, visit.url, f"phone-{locale.lower()}@example.org")  # the language is the account's
    path = create_agent(visit.page, visit.url, "Small")
    page = visit.open(f"{path}?tab=deploy")
    expect(page.locator("html")).to_have_attribute("lang", locale[:2])
    expect(page.locator("#tab-deploy")).to_be_in_viewport(ratio=1)  # the row of tabs has scrolled to it
    for part in PARTS:
        show_part(page, part)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, part
        form = "document.getElementById('builder-form')"
        assert page.evaluate(f"{form}.scrollWidth <= {form}.clientWidth"), part
    visit.open(f"{path}/reference")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
