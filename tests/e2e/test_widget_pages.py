"""The agent's hosted page, and the Deploy tab's part where a widget is chosen, in a real browser."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visit, Visitor, answer, ask, create_agent, proof
from tests.e2e.looks import find_violations


@pytest.fixture(scope="module")
def agent(browser: Any, site: Any, member: Any) -> str:
    """An agent of the offline model; its id."""
    context = browser.new_context(storage_state=member, base_url=site.url)
    page = context.new_page()
    agent_id = create_agent(page, site.url, "The front door of the house with the longest name in the street").rsplit(
        "/", 1
    )[1]
    looks = {"model": "offline", "welcome_message": "Come in.", "suggested_questions": ["Who are you?"]}
    assert page.request.patch(f"/api/agents/{agent_id}/config", data=looks, **proof(page, site.url)).ok
    context.close()
    return agent_id


@pytest.fixture
def hosted(visitor: Visitor, site: Any, member: Any, agent: str) -> str:
    """The address of the agent's page, switched on."""
    page = visitor(state=member).page
    path = f"{site.url}/api/agents/{agent}/deployment"
    deployment = page.request.patch(path, data={"hosted_enabled": True}, **proof(page, site.url))
    assert deployment.ok, deployment.text()
    return "/" + page.request.get(path).json()["slug"]


@pytest.mark.parametrize(("width", "locale"), [(1280, "en-GB"), (360, "fr-FR")])
def test_hosted_page_answers_and_remembers(visitor: Visitor, hosted: str, width: int, locale: str) -> None:
    visit = visitor(width=width, locale=locale)
    page = visit.open(hosted)
    expect(page.locator(".chat__welcome")).to_contain_text("Come in.")
    assert find_violations(page) == []
    page.get_by_role("button", name="Who are you?").click()
    expect(answer(page)).to_have_attribute("data-state", "complete")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visit.context.cookies() == []
    page.reload()
    expect(answer(page)).to_have_attribute("data-state", "complete")
    assert find_violations(page) == []
    page.locator("#new").click()
    expect(page.locator(".msg")).to_have_count(0)


def test_question_can_be_asked_again_after_the_connection_failed(visitor: Visitor, hosted: str) -> None:
    visit = visitor()
    visit.allowed.append("net::ERR_")
    page = visit.open(hosted)
    expect(page.locator(".composer__input")).to_have_attribute("placeholder", "Message The front door of the…")
    page.route("**/api/v1/agents/*/chat", lambda route: route.abort("connectionreset"), times=1)
    ask(page, "Who are you?")
    expect(answer(page)).to_have_attribute("data-state", "failed")
    answer(page).get_by_role("button", name="Try again").click()
    expect(answer(page)).to_have_attribute("data-state", "complete")


@pytest.fixture
def panel(visitor: Visitor, member: Any, agent: str) -> Visit:
    visit = visitor(state=member, width=1440)
    visit.open(f"/agents/{agent}?tab=deploy#widget")
    expect(visit.page.locator("#widget-form")).to_be_visible()
    return visit


def test_widget_is_chosen_seen_and_copied_on_the_deploy_tab(panel: Visit) -> None:
    page = panel.page
    expect(page.locator("[data-no-key]")).to_be_visible()
    page.get_by_label("Addresses of your sites").fill("www.example.com https://shop.example.com/path")
    page.get_by_role("button", name="Make a widget key").click()
    expect(page.locator("#widget-origins-error")).to_contain_text("without a path")
    panel.allowed.append("422 (Unprocessable")
    page.get_by_label("Addresses of your sites").fill("www.example.com")
    page.get_by_role("button", name="Make a widget key").click()
    expect(page.locator("p[data-key-origins]")).to_contain_text("https://www.example.com")
    snippet = page.locator("#widget-snippet")
    expect(snippet).to_contain_text("/widget.js")
    page.locator("#widget-title-text").fill('Help "& more"')
    page.locator("#widget-position").select_option("bottom-left")
    expect(snippet).to_contain_text('data-title="Help &quot;&amp; more&quot;"')
    expect(snippet).to_contain_text('data-position="bottom-left"')
    preview = page.frame_locator("[data-frame]")
    preview.locator("gilo-widget button.launcher").click()
    chat = preview.frame_locator("gilo-widget iframe")
    expect(chat.get_by_role("heading", name='Help "& more"')).to_be_visible()
    ask_in = chat.locator(".composer__input")
    ask_in.fill("Who are you?")
    ask_in.press("Enter")
    expect(chat.locator(".msg--assistant")).to_have_attribute("data-state", "complete")
    page.get_by_text("In the page", exact=True).click()
    expect(snippet).to_contain_text('<div id="chat"></div>')
    expect(chat.locator(".composer__input")).to_be_visible()
    assert find_violations(page) == []
