"""From sign-up to a cited, streamed answer, and to a program that calls the agent."""

import re
from pathlib import Path

import openai
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor, answer, ask, create_agent, sign_up
from tests.e2e.pdf import make_pdf

GUIDE = make_pdf(
    ["Zephyr kettle: user manual", "Fill the kettle with cold water up to the mark."],
    ["Guarantee", "The guarantee of the Zephyr kettle lasts seven years from the day of purchase."],
)


def test_new_user_gets_a_cited_answer_from_a_document(visitor: Visitor, tmp_path: Path) -> None:
    visit = visitor()
    page = visit.page
    sign_up(page, visit.url, "new@example.org")
    create_agent(page, visit.url, "Kettle support")

    page.get_by_role("tab", name="Model").click()
    page.get_by_role("radio", name="Demo model").first.check()
    expect(page.locator(".chat__demo")).to_be_visible()

    page.get_by_role("tab", name="Knowledge").click()
    (tmp_path / "manual.pdf").write_bytes(GUIDE)
    page.locator("[data-files]").set_input_files(tmp_path / "manual.pdf")
    expect(page.locator(".document[data-status=ready]")).to_contain_text("2 pages", timeout=60_000)

    ask(page, "How long does the guarantee of the kettle last?")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    expect(answer(page)).to_contain_text("seven years")
    answer(page).locator(".prose .cite").first.click()
    sheet = page.locator("dialog.source")
    expect(sheet).to_contain_text("manual.pdf")
    expect(sheet).to_contain_text("Page 2")
    expect(sheet.locator(".source__text")).to_contain_text("from the day of purchase")
    assert sheet.locator(".source__bar").evaluate("bar => bar.clientWidth") < 100  # beside its number, also on a phone


NOTES = """# Opening hours

The shop is open from nine to six, **except on Sundays**. ![](https://example.org/shop.png)

Monday | nine | six
Sunday | closed | closed
"""


def test_documents_can_be_searched_read_and_deleted(builder, tmp_path: Path) -> None:
    page = builder.page
    page.get_by_role("tab", name="Knowledge").click()
    (tmp_path / "notes.md").write_text(NOTES)
    (tmp_path / "program.exe").write_bytes(b"MZ\x90\x00")
    page.locator("[data-files]").set_input_files([tmp_path / "notes.md", tmp_path / "program.exe"])
    expect(page.locator(".document", has_text="program.exe")).to_contain_text("This format is not read")
    expect(page.locator(".document", has_text="notes.md")).to_have_attribute("data-status", "ready", timeout=60_000)

    page.get_by_placeholder("What would people ask?").fill("When is the shop open?")
    page.get_by_role("button", name="Search", exact=True).last.click()
    found = page.locator(".results")
    expect(found.locator("summary")).to_contain_text("Opening hours · The shop is open from nine to six")  # no marks
    found.locator("summary").click()
    expect(found.get_by_role("heading", name="Opening hours")).to_be_visible()
    expect(found.get_by_role("cell", name="nine")).to_be_visible()
    expect(found.locator("img")).to_have_count(0)  # and nothing is fetched, which fails the test as well

    page.get_by_role("button", name="Show the passages of notes.md").click()
    expect(page.locator("dialog.sheet .passage strong")).to_have_text("except on Sundays")
    expect(page.locator("dialog.sheet .passage")).not_to_contain_text("**")
    page.keyboard.press("Escape")

    ask(page, "SAY:From nine to six [1].")
    answer(page).locator(".prose .cite").click()
    source = page.locator("dialog.source")
    expect(source.get_by_role("heading", name="Opening hours")).to_be_visible()  # Markdown is read as such
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Delete notes.md").click()
    expect(page.locator(".document", has_text="notes.md")).to_have_count(0)
    page.locator(".toast__action").click()
    expect(page.locator(".document", has_text="notes.md")).to_be_visible()


def test_each_number_of_a_mark_opens_its_source(builder, tmp_path: Path) -> None:
    page = builder.page
    page.get_by_role("tab", name="Knowledge").click()
    files = [tmp_path / f"leave-{number}.md" for number in (1, 2, 3)]
    for number, file in enumerate(files, 1):
        file.write_text(f"# Leave, part {number}\n\nRule {number} on annual leave.")
    page.locator("[data-files]").set_input_files(files)
    expect(page.locator(".document[data-status=ready]")).to_have_count(3, timeout=60_000)

    ask(page, "SAY:On annual leave: 25 days [1, 2]. Also see [3].")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    marks = answer(page).locator(".prose .cite")
    expect(marks).to_have_text(["1", "2", "3"])
    expect(answer(page).locator(".prose")).not_to_contain_text("[")
    expect(answer(page).locator(".msg__sources .cite")).to_have_count(3)
    marks.nth(1).click()
    expect(page.locator("dialog.source .cite--static")).to_have_text("2")
    page.keyboard.press("Escape")


def test_key_made_on_the_page_opens_the_agent_to_the_openai_client_until_revoked(builder) -> None:
    page = builder.page
    agent_id = re.search(r"/agents/([0-9a-f-]{36})", page.url)[1]
    page.get_by_role("tab", name="Deploy").click()
    page.locator("#panel-deploy [data-deploy]").click()
    expect(page.locator("#live-badge")).to_contain_text("Live · v1")
    page.get_by_role("tab", name="API keys").click()
    page.get_by_role("button", name="Create an API key").click()
    page.get_by_label("What is it for?").fill("Website")
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#key-value")).to_contain_text("gilo")
    key = page.locator("#key-value").inner_text()
    page.get_by_role("button", name="I have copied it").click()
    expect(page.locator("#keys table")).to_contain_text("Website")
    expect(page.locator("#key-value")).to_be_empty()
    assert key not in page.content()

    with openai.OpenAI(base_url=f"{builder.url}/api/v1", api_key=key, max_retries=0) as client:
        chunks = client.chat.completions.create(
            model=agent_id, messages=[{"role": "user", "content": "SAY:It works"}], stream=True
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "It works"
        page.get_by_role("button", name="Actions for Website").click()
        page.locator(".menu:popover-open").get_by_role("button", name="Revoke").click()
        page.locator("dialog[open] input").fill("Website")
        page.locator("dialog[open]").get_by_role("button", name="Revoke").click()
        expect(page.locator("#keys")).to_contain_text("No key yet")
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
