"""An agent's way through the store: published, found with a wrong letter, used by a stranger, reviewed, remixed."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit, Visitor, answer, ask, create_agent, sign_up
from tests.e2e.test_pages import find_violations
from tests.fake_model import FakeModel


@pytest.fixture
def published(visitor: Visitor, member: Any) -> str:
    """The page of an agent that its maker has published through the wizard, as a path."""
    maker = visitor(state=member)
    agent_path = create_agent(maker.page, maker.url, "Tide table")
    page = maker.open(f"/store/publish/{agent_path.rsplit('/', 1)[1]}")
    page.get_by_label("Tagline").fill("When the sea comes back")
    page.get_by_label("Category").select_option("research")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Feature 1").fill("Knows every harbour")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#preview-features")).to_have_text("Knows every harbour")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("heading", name="It is in the store")).to_be_visible()
    address = page.locator("#done-link").inner_text()
    return address.removeprefix(maker.url)


def test_agent_is_published_found_used_reviewed_and_remixed(visitor: Visitor, published: str, model: FakeModel) -> None:
    stranger = visitor()
    page = stranger.open("/store")
    page.get_by_label("Search the store").press_sequentially("har")
    expect(page).to_have_url(re.compile(r"\?q=har$"))
    page.get_by_label("Search the store").press_sequentially("buor")
    expect(page).to_have_url(re.compile(r"\?q=harbuor$"))
    expect(page.locator("#announcer")).to_contain_text("shown")
    page.get_by_role("link", name=re.compile("Tide table")).first.click()
    page.get_by_role("link", name="Use").click()
    expect(page.locator("html[data-ready]")).to_be_attached()
    expect(page.locator("#remaining")).to_contain_text("left")
    ask(page, "When is high water?")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    before = page.locator("#remaining").inner_text()
    page.reload()  # the conversation is kept
    expect(answer(page)).to_have_attribute("data-state", "complete")
    assert before == page.locator("#remaining").inner_text()

    sign_up(page, stranger.url, "stranger@example.org")
    stranger.open(f"{published}/chat?ask=And%20low%20water%3F")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    stranger.open(published)
    page.get_by_label("4 stars").check(force=True)
    page.get_by_label("Review optional").fill("Never wet feet again.")
    page.get_by_role("button", name="Post review").click()
    expect(page.locator(".reviews")).to_contain_text("Never wet feet again.")

    page.get_by_role("button", name="Remix").click()
    page.get_by_label("Name of your copy").fill("My tides")
    page.get_by_role("dialog").get_by_role("button", name="Remix").click()
    page.wait_for_url(re.compile(r"/agents/[0-9a-f-]{36}"))
    expect(page.get_by_label("Name of the agent")).to_have_value("My tides")
    stranger.open("/store/library")
    expect(page.get_by_text("My tides")).to_be_visible()


def test_private_agent_opens_with_the_token_of_its_link_and_no_longer_once_revoked(
    visitor: Visitor, member: Any, published: str
) -> None:
    maker = visitor(state=member)
    page = maker.open(published)
    page.get_by_role("link", name="Manage").click()
    page.wait_for_url(re.compile("/store/mine/"))
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("link", name="Visibility").click()
    page.get_by_label("Private").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#save-state")).to_have_text("Saved")
    page.go_back()
    page.wait_for_url(re.compile("/store/mine/"))
    page.get_by_label("Label").fill("Press")
    page.get_by_role("button", name="Create a token").click()
    link = page.locator("#token-link")
    expect(link).to_contain_text("#token=")

    guest = visitor()
    guest.allowed.append("403 (Forbidden)")
    guest.open(re.sub(r"^http://[^/]+", "", link.inner_text()))
    expect(guest.page).to_have_url(f"{guest.url}{published}")  # the token is out of the address
    guest.page.get_by_role("button", name="Open").click()
    expect(guest.page.locator("#gate")).to_be_hidden()
    ask(guest.page, "Hello?")
    expect(answer(guest.page)).to_have_attribute("data-state", "complete")

    page.reload()
    page.get_by_role("button", name="Revoke Press").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("button", name="Revoke Press")).to_have_count(0)
    guest.page.reload()
    expect(guest.page.get_by_role("heading", name="This token does not work")).to_be_visible()


def look_at(page: Page, path: str, visit: Visit) -> list[str]:
    visit.open(path)
    page.wait_for_load_state("networkidle")
    found = find_violations(page)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{path} is wider than the window")
    return found


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 360)], ids=["light", "dark-phone"])
def test_store_pages_have_no_accessibility_violations(
    visitor: Visitor, member: Any, published: str, dark: bool, width: int
) -> None:
    stranger, maker = visitor(dark=dark, width=width), visitor(state=member, dark=dark, width=width)
    found = []
    for path in ("/store", "/store?q=tide", "/store?q=zeppelin", published, f"{published}/chat"):
        found += look_at(stranger.page, path, stranger)
    page = maker.open(published)
    mine = page.get_by_role("link", name="Manage").get_attribute("href") or ""
    creator = page.locator(".detail__by a").get_attribute("href") or ""
    edit = maker.open(mine).get_by_role("link", name="Edit").get_attribute("href") or ""
    steps = [f"{edit}#{step}" for step in ("info", "features", "visibility")]
    for path in ("/store", published, creator, "/store/mine", mine, "/store/library", *steps):
        found += look_at(maker.page, path, maker)
    assert not found, "\n".join(found)
