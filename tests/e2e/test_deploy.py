"""The Deploy tab: on and off, addresses, keys from their making to their end, the last calls."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit


@pytest.fixture
def deploy(builder: Visit) -> Visit:
    """The Deploy tab of a new agent that answers with the fake model."""
    builder.page.get_by_role("tab", name="Deploy").click()
    expect(builder.page.locator("#hosted-enabled")).to_be_enabled()  # the scripts have taken over
    return builder


def open_part(page: Page, name: str) -> None:
    tab = page.locator("#deploy-tabs").get_by_role("tab", name=name, exact=True)
    tab.click()
    # a part's module is loaded when it is opened first
    expect(page.locator("#deploy-tabs")).to_have_attribute("data-ready", tab.get_attribute("data-tab") or "")


def make_key(page: Page, name: str) -> str:
    open_part(page, "API keys")
    page.locator("[data-new-key]").first.click()
    page.get_by_label("What is it for?").fill(name)
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#key-value")).to_contain_text("gilo_")
    return page.locator("#key-value").inner_text()


def row(page: Page, name: str):
    return page.locator(".keys__table tbody tr", has_text=name)


def choose(page: Page, name: str, action: str) -> None:
    """An action of a key's menu."""
    page.get_by_role("button", name=f"Actions for {name}").click()
    page.locator(".menu:popover-open").get_by_role("button", name=action, exact=True).click()


def ask(visit: Visit, key: str, text: str = "SAY:Hello") -> requests.Response:
    agent_id = re.search(r"/agents/([0-9a-f-]{36})", visit.page.url)[1]
    return requests.post(
        f"{visit.url}/api/v1/agents/{agent_id}/chat",
        json={"message": text, "stream": False},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    )


# --- parts ------------------------------------------------------------------------------------------------------------
def test_parts_stand_in_the_address_and_open_from_it(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "Code")
    assert page.url.endswith("?tab=deploy#code")
    page.reload()
    expect(page.locator("#deploy-code")).to_be_visible()
    expect(page.locator("#deploy-overview")).to_be_hidden()
    page.locator("#deploy-tab-code").press("End")
    expect(page.locator("#deploy-calls")).to_be_visible()
    page.go_back()
    expect(page.locator("#deploy-code")).to_be_visible()
    page.get_by_role("tab", name="Versions").click()
    assert page.url.endswith("?tab=versions")


def test_error_of_ours_names_the_request_that_it_asks_to_report(deploy: Visit) -> None:
    page = deploy.page
    deploy.allowed.append("500")
    error = {"code": "internal_error", "message": "Report the request id.", "request_id": "0193c1f2-broken"}
    page.route("**/api-keys?*", lambda route: route.fulfill(status=500, json={"error": error}))
    open_part(page, "API keys")
    expect(page.locator("#deploy-api-keys .notice--bad")).to_contain_text("Report the request id. (0193c1f2-broken)")


def test_languages_of_the_code_are_changed_by_keyboard_and_remembered(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "Code")
    page.locator("#snippet-tab-curl").press("ArrowRight")
    expect(page.locator("#snippet-python")).to_be_visible()
    expect(page.locator("#snippet-tab-python")).to_be_focused()
    page.get_by_role("button", name="In one piece").click()
    expect(page.locator("#code-python2")).to_be_visible()
    expect(page.locator("#code-python1")).to_be_hidden()
    page.reload()
    expect(page.locator("#code-python2")).to_be_visible()


def test_code_asks_the_question_that_was_just_suggested(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "Code")
    expect(page.locator("#code-curl1")).to_contain_text("What can you do?")
    page.get_by_role("tab", name="Instructions").click()
    page.get_by_role("button", name="Add a question").click()
    page.get_by_label("Question 1").fill("When do you open?")
    page.get_by_label("What the agent does").fill("Answer for {{company}}.")
    expect(page.locator("#save-state")).to_contain_text(re.compile(r"Saved · v[23]"))
    page.get_by_role("tab", name="Deploy").click()
    open_part(page, "Code")
    expect(page.locator("#code-curl1")).to_contain_text("When do you open?")
    expect(page.locator("#reference")).to_contain_text("When do you open?")
    expect(page.locator("#reference")).to_contain_text("company")


# --- overview ---------------------------------------------------------------------------------------------------------
def test_agent_is_switched_off_at_once_and_on_again_by_undo(deploy: Visit) -> None:
    page = deploy.page
    key = make_key(page, "Program")
    assert ask(deploy, key).status_code == 200
    open_part(page, "Overview")
    page.locator("#is-serving").click()
    expect(page.locator("#live-badge")).to_have_text("Off")
    expect(page.locator(".toast")).to_contain_text("The agent is off")
    assert ask(deploy, key).json()["error"]["code"] == "agent_off"
    page.locator(".toast__action").click()
    expect(page.locator("#is-serving")).to_be_checked()
    expect(page.locator("#live-badge")).to_have_text("Draft")
    assert ask(deploy, key).status_code == 200


def test_hosted_page_opens_under_a_name_of_ones_own(deploy: Visit) -> None:
    page = deploy.page
    page.locator("#hosted-enabled").click()
    expect(page.locator("#url-hosted")).to_contain_text("/test-bench-")
    field = page.get_by_label("Name in the address")
    field.fill("Not A Slug")
    field.press("Enter")
    deploy.allowed.append("422")
    expect(page.locator("#slug-error")).not_to_be_empty()
    field.fill("my-own-kettle-bench")
    field.press("Enter")
    expect(page.locator("#url-hosted")).to_have_text(
        f"{deploy.url}/my-own-kettle-bench".replace("127.0.0.1", "localhost")
    )
    assert requests.get(f"{deploy.url}/my-own-kettle-bench", timeout=10).status_code == 200
    page.locator("#hosted-enabled").click()
    expect(page.locator("[data-hosted-address]")).to_be_hidden()


def test_deploying_says_what_is_live_and_when_the_draft_is_ahead(deploy: Visit) -> None:
    page = deploy.page
    status = page.locator("#deploy-status")
    status.get_by_role("button", name="Deploy").click()
    expect(status).to_contain_text("Version 1 is live")
    page.get_by_role("tab", name="Instructions").click()
    page.get_by_label("What the agent does").fill("Something else")
    expect(page.locator("#save-state")).to_contain_text("Saved · v2")
    page.get_by_role("tab", name="Deploy").click()
    expect(status).to_contain_text("Your draft is v2")
    status.get_by_role("button", name="Deploy v2").click()
    expect(status).to_contain_text("Version 2 is live")


# --- keys -------------------------------------------------------------------------------------------------------------
def test_key_is_shown_once_and_leaves_nothing_on_the_page(deploy: Visit) -> None:
    page = deploy.page
    key = make_key(page, "Once")
    expect(page.locator("#shown-key")).to_contain_text("it is not shown again")
    assert key in page.locator("#code-curl1").evaluate("code => code.textContent")
    page.get_by_role("button", name="I have copied it").click()
    expect(page.locator("#shown-key")).to_be_hidden()
    assert key not in page.content()
    expect(row(page, "Once")).to_contain_text(key[:11])
    page.reload()
    expect(row(page, "Once")).to_be_visible()
    assert key not in page.content()


def test_key_has_the_rights_origins_and_end_that_were_chosen(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "API keys")
    page.locator("[data-new-key]").first.click()
    dialog = page.locator("#key-dialog")
    dialog.get_by_role("button", name="Create the key").click()
    expect(dialog).to_contain_text("Give the key a name.")
    dialog.get_by_label("What is it for?").fill("Report")
    dialog.get_by_label("ask the agent").uncheck()
    origin = dialog.locator("#key-origin")
    origin.fill("no origin")
    origin.press("Enter")
    expect(dialog).to_contain_text("is no origin")
    origin.fill("shop.example.com/cart")
    origin.press("Enter")
    expect(dialog.locator(".chips-input__chip")).to_have_text("https://shop.example.com")
    dialog.get_by_label("Expires").select_option("7")
    dialog.get_by_role("button", name="Create the key").click()
    expect(page.locator("#key-value")).to_contain_text("gilo_")
    assert ask(deploy, page.locator("#key-value").inner_text()).status_code == 403
    expect(row(page, "Report")).to_contain_text("conversations, knowledge")
    expect(row(page, "Report")).to_contain_text("shop.example.com")
    expect(row(page, "Report").locator(".badge--warn time")).to_have_attribute("title", re.compile(r"\d{4}"))
    page.get_by_role("button", name="I have copied it").click()

    choose(page, "Report", "Change")
    dialog.get_by_label("ask the agent").check()
    dialog.get_by_role("button", name="Remove https://shop.example.com").click()
    dialog.get_by_label("Expires").select_option("")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, "Report")).to_contain_text("chat, conversations, knowledge")
    expect(row(page, "Report").locator(".keys__expires")).to_have_text("never")


def test_widget_key_needs_a_site_and_gets_an_identity_secret(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "API keys")
    page.locator("[data-new-key]").first.click()
    dialog = page.locator("#key-dialog")
    dialog.get_by_label("What is it for?").fill("Shop")
    dialog.locator('[value="widget"]').check()
    dialog.get_by_label("Require identity").check()
    dialog.get_by_role("button", name="Create the key").click()
    expect(dialog).to_contain_text("Name the sites")
    dialog.locator("#key-origin").fill("https://shop.example.com")
    dialog.get_by_role("button", name="Create the key").click()
    expect(page.locator("#key-value")).to_contain_text("gilo_")
    page.get_by_role("button", name="I have copied it").click()
    expect(row(page, "Shop")).to_contain_text("identity required")

    choose(page, "Shop", "New identity secret")
    expect(page.locator("#shown-key")).to_contain_text("Identity secret of “Shop”")
    first = page.locator("#key-value").inner_text()
    assert first
    assert first not in page.locator("#code-widget1").evaluate("code => code.textContent")
    choose(page, "Shop", "New identity secret")
    page.locator("dialog[open]").get_by_role("button", name="New identity secret").click()
    expect(page.locator("#key-value")).not_to_have_text(first)


def test_rotated_key_works_beside_the_old_one_for_the_overlap(deploy: Visit) -> None:
    page = deploy.page
    old = make_key(page, "Turning")
    page.get_by_role("button", name="I have copied it").click()
    choose(page, "Turning", "Rotate")
    page.locator("#rotate-dialog").get_by_text("1 hour").click()
    page.locator("#rotate-dialog").get_by_role("button", name="Rotate").click()
    expect(page.locator("#shown-key")).to_contain_text("The new key “Turning”")
    new = page.locator("#key-value").inner_text()
    assert new != old
    assert [ask(deploy, key).status_code for key in (old, new)] == [200, 200]
    expect(row(page, "Turning")).to_have_count(2)
    expect(row(page, "Turning").locator(".badge--warn")).to_have_count(1)


def test_key_is_revoked_only_by_its_typed_name(deploy: Visit) -> None:
    page = deploy.page
    key = make_key(page, "Old laptop")
    page.get_by_role("button", name="I have copied it").click()
    choose(page, "Old laptop", "Revoke")
    confirm = page.locator("dialog[open]")
    expect(confirm.get_by_role("button", name="Revoke")).to_be_disabled()
    confirm.locator("input").fill("Old laptop")
    confirm.get_by_role("button", name="Revoke").click()
    expect(page.locator("#keys")).to_contain_text("No key yet")
    answer = ask(deploy, key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_authenticated")


# --- calls ------------------------------------------------------------------------------------------------------------
def test_calls_appear_while_one_looks_and_are_filtered_in_the_address(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "Calls")
    expect(page.locator("#deploy-calls")).to_contain_text("Paste this into a terminal")
    expect(page.locator("#calls-curl")).to_contain_text("curl -N")
    key = make_key(page, "Caller")
    open_part(page, "Calls")
    assert ask(deploy, key).status_code == 200
    answered = page.locator(".calls__table tbody tr", has_text="Answered")
    expect(answered).to_contain_text("Caller")
    expect(answered).to_contain_text("API")
    expect(answered.locator(".calls__latency")).to_contain_text("s")
    assert ask(deploy, key, "FAULT:500").status_code == 502
    failed = page.locator(".calls__table tbody tr", has_text="Failed")
    expect(failed).to_contain_text("The model cannot be reached")
    expect(failed).to_contain_text("model_unavailable")
    page.locator("[data-filters]").get_by_role("button", name="Failed").click()
    expect(page.locator(".calls__table tbody tr")).to_have_count(1)
    assert "status=failed" in page.url
    page.reload()
    expect(page.locator(".calls__table tbody tr")).to_have_count(1)
    expect(page.locator("[data-filters]").get_by_role("button", name="Failed")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.locator("[data-filters]").get_by_role("button", name="MCP").click()
    expect(page.locator("#deploy-calls")).to_contain_text("No call matches")
    open_part(page, "Overview")
    expect(page.locator("[data-health]")).to_contain_text("2 calls in the last 24 hours · 50% answered")


def test_calls_are_not_asked_for_while_nobody_looks(deploy: Visit) -> None:
    page = deploy.page
    open_part(page, "Calls")
    with page.expect_request("**/runs?*"):
        pass  # the page asks again by itself
    open_part(page, "Overview")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/runs?" in request.url else None)
    page.wait_for_timeout(4000)
    assert len([url for url in asked if "limit=50" in url]) == 0
