"""The builder saves as one types, loses nothing, and says so when two people edit."""

import re

from playwright.sync_api import Route, expect

from tests.e2e.conftest import Visit, answer, ask


def test_edits_are_saved_without_a_page_load_and_survive_a_fast_leave(builder: Visit) -> None:
    page = builder.page
    page.get_by_label("What the agent does").fill("Answer for {{company}} only.")
    page.get_by_role("tab", name="Appearance").click()
    page.get_by_label("Description").fill("Knows kettles")
    page.reload()
    expect(page.get_by_label("Description")).to_have_value("Knows kettles")
    page.get_by_role("tab", name="Instructions").click()
    expect(page.get_by_label("What the agent does")).to_have_value("Answer for {{company}} only.")
    expect(page.locator(".editor__mirror mark")).to_have_text("{{company}}")
    expect(page.locator("#variables")).to_be_visible()


def test_playground_answers_with_what_was_typed_last(builder: Visit, model) -> None:
    page = builder.page
    page.get_by_label("What the agent does").fill("Speak like a pirate named Zora.")
    ask(page, "SAY:Arr")
    expect(answer(page)).to_contain_text("Arr")
    assert "pirate named Zora" in str(model.chats[-1]["messages"])


def test_edit_in_two_tabs_asks_which_one_stays(builder: Visit) -> None:
    page = builder.page
    builder.allowed.append("409")
    other = builder.watch(builder.context.new_page())
    other.goto(page.url)
    other.get_by_label("What the agent does").fill("From the other tab")
    expect(other.locator("#save-state")).to_contain_text("Saved · v2")
    page.get_by_label("Welcome message").fill("From this tab")
    expect(page.locator("#conflict")).to_be_visible()
    page.get_by_role("button", name="Keep my changes").click()
    expect(page.locator("#save-state")).to_contain_text("Saved · v3")
    expect(page.get_by_label("What the agent does")).to_have_value("From the other tab")
    expect(page.get_by_label("Welcome message")).to_have_value("From this tab")


def test_lost_connection_is_said_and_the_edit_saved_afterwards(builder: Visit) -> None:
    page = builder.page
    builder.allowed.append("ERR_INTERNET_DISCONNECTED")
    builder.context.set_offline(True)
    page.get_by_label("Welcome message").fill("Typed in a tunnel")
    expect(page.locator("#save-state")).to_contain_text("no connection")
    builder.context.set_offline(False)
    expect(page.locator("#save-state")).to_contain_text("Saved · v2")


def test_version_can_be_compared_and_restored(builder: Visit) -> None:
    page = builder.page
    page.get_by_label("What the agent does").fill("Second text")
    expect(page.locator("#save-state")).to_contain_text("Saved · v2")
    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Compare with the draft").click()
    expect(page.locator(".diff__line--added")).to_have_text("Second text")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#save-state")).to_contain_text("Saved · v3")
    page.get_by_role("tab", name="Instructions").click()
    expect(page.get_by_label("What the agent does")).to_have_value(re.compile("helpful assistant"))


def test_suggested_question_is_sent_with_a_click(builder: Visit) -> None:
    page = builder.page
    page.get_by_role("button", name="Add a question").click()
    page.get_by_label("Question 1").fill("SAY:Suggested")
    page.locator(".chat__pill", has_text="SAY:Suggested").click()
    expect(answer(page)).to_contain_text("Suggested")


def test_palette_finds_an_agent_by_what_it_does(builder: Visit) -> None:
    page = builder.page
    page.get_by_role("tab", name="Appearance").click()
    page.get_by_label("Description").fill("Knows kettles")
    expect(page.locator("#save-state")).to_contain_text("Saved")
    page.reload()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search and commands").fill("kettles")
    expect(page.get_by_role("option", name="Test bench").first).to_be_visible()


def test_palette_opens_a_past_conversation(builder: Visit) -> None:
    page = builder.page
    ask(page, "SAY:Kettles are boiled at home.")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    page.get_by_role("button", name="New conversation").first.click()
    expect(page.locator(".msg")).to_have_count(0)
    page.goto(f"{builder.url}/dashboard")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search and commands").fill("boiled at home")
    page.get_by_role("option", name="SAY:Kettles").click()
    expect(answer(page)).to_contain_text("Kettles are boiled at home.")
    expect(page).to_have_url(re.compile(r"/agents/[0-9a-f-]{36}$"))


def test_palette_takes_what_is_typed_before_its_script_is_there(builder: Visit) -> None:
    page = builder.page
    page.locator(".composer__input").focus()
    held: list[Route] = []
    page.route("**/palette*.js", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function
    page.keyboard.press("Control+k")
    page.keyboard.type("secur")
    expect(page.get_by_role("combobox", name="Search and commands")).to_have_value("secur")
    expect(page.locator(".composer__input")).to_have_value("")
    held[0].continue_()
    expect(page.get_by_role("option")).to_have_text(["Security"])
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_hidden()
