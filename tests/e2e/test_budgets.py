"""The Deploy tab's part for limits: the plan's windows, and budgets from the first to the last."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit


@pytest.fixture
def limits(builder: Visit) -> Page:
    """The part "Limits & budgets" of a new agent."""
    page = builder.page
    page.get_by_role("tab", name="Deploy").click()
    page.locator("#deploy-tabs").get_by_role("tab", name="Limits & budgets").click()
    return page


def save(page: Page) -> None:
    page.locator("#budget-dialog").get_by_role("button", name="Save").click()


def test_limits_show_the_plan_of_the_site(limits: Page) -> None:
    expect(limits.locator("span[data-plan]")).to_have_text("Unlimited plan")
    expect(limits.locator("[data-windows]")).to_have_text("This plan has no rate limits.")


def test_budget_from_suggestion_to_deletion(limits: Page) -> None:
    saved = limits.locator("#save-state").inner_text()
    limits.get_by_role("button", name="$5 a day for the whole agent").click()
    expect(limits.get_by_label("Dollars")).to_have_value("5")
    save(limits)
    item = limits.locator("[data-budget]")
    expect(item).to_contain_text("$5.00 a day")
    item.get_by_role("button", name="Change: $5.00 a day").click()
    expect(limits.get_by_label("It caps")).to_be_disabled()
    limits.get_by_label("Tokens", exact=True).fill("9000")
    save(limits)
    expect(item).to_contain_text("$5.00 or 9,000 tokens a day")
    item.get_by_role("switch").click()
    expect(item).to_contain_text("Inactive")
    item.get_by_role("button", name="Delete").click()
    limits.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(limits.locator("#budgets-panel .empty")).to_be_visible()
    assert limits.locator("#save-state").inner_text() == saved  # no version was made of it


def test_budget_without_a_limit_is_explained_at_its_field(builder: Visit, limits: Page) -> None:
    builder.allowed.append("422")
    limits.get_by_role("button", name="Add a budget").click()
    with limits.expect_response("**/budgets") as answer:
        save(limits)
    assert answer.value.status == 422
    expect(limits.locator("#budget-usd-error")).to_have_text("Set a limit in dollars, in tokens, or both.")
    expect(limits.get_by_label("Dollars")).to_be_focused()
