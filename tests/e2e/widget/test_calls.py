"""What a page may choose and call: the attributes, calls and events of the widget's guide, in a real browser."""

import json
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.widget.chat import (
    LAUNCHER,
    QUESTION,
    Deployment,
    Open,
    add_script,
    ask,
    expect_answer,
    frame_of,
    open_chat,
)
from tests.processes import wait_until

LISTEN = """
window.heard = [];
for (const name of ["ready", "open", "close", "message", "unread", "identify", "reset", "error", "destroy"])
  document.addEventListener(`gilo:${name}`, ({ type, detail }) => heard.push([type.slice(5), detail]));
"""


def heard(page: Page) -> list[str]:
    return [name for name, _ in page.evaluate("heard")]


def test_texts_place_and_colour_are_the_pages_choice(open_host: Open, deployment: Deployment) -> None:
    looks = {
        "title": "Kettles & co", "welcome": "Good day.", "suggestions": "First?|Second?", "color": "#00ff66",
        "position": "top-left", "offset": "30 60", "theme": "dark", "language": "fr", "open": "load", "id": "shop",
    }  # fmt: skip
    page = open_host(deployment.script(**looks))
    frame = frame_of(page)
    expect(frame.get_by_role("heading", name="Kettles & co")).to_be_visible()  # opened by itself
    expect(frame.locator(".chat__welcome")).to_contain_text("Good day.")
    expect(frame.get_by_role("button", name="First?")).to_be_visible()
    expect(frame.get_by_role("button", name="Second?")).to_be_visible()
    expect(frame.locator("html")).to_have_attribute("lang", "fr")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    launcher = page.locator(LAUNCHER)
    box = launcher.bounding_box()
    assert box and (box["x"], box["y"]) == (30, 60)
    assert launcher.evaluate("button => getComputedStyle(button).backgroundColor") == "rgb(0, 255, 102)"
    assert launcher.get_attribute("aria-label") == page.locator("gilo-widget iframe").get_attribute("title")
    assert page.evaluate("document.activeElement === document.body"), "what opens by itself takes no focus"
    page.evaluate("gilo.close()")
    page.reload()
    expect(launcher).to_be_visible()
    assert not page.evaluate("gilo.get('shop').isOpen"), "closed by the visitor: it stays closed in this tab"


def test_chat_opens_after_a_delay_without_a_button(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.clock.install()
    add_script(page, deployment, openAfter="60", launcher="none")
    expect(page.locator("gilo-widget")).to_have_count(1)
    page.clock.run_for(20_000)
    assert not page.evaluate("gilo.get().isOpen")
    page.clock.run_for(40_000)
    assert page.evaluate("gilo.get().isOpen")
    page.clock.resume()
    expect(frame_of(page).locator(".composer__input")).to_be_visible()
    expect(page.locator(LAUNCHER)).to_have_count(0)


def test_events_are_told_with_the_widgets_id(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.evaluate(LISTEN)
    page.evaluate(
        "options => gilo_options = options", {"agentId": deployment.agent, "key": deployment.key, "id": "one"}
    )
    load_script(page, deployment)
    page.evaluate("gilo.init(gilo_options)")
    page.evaluate("gilo.toggle()")
    wait_until(lambda: heard(page) == ["open", "ready"], 15, "the chat is open and ready")
    ask(frame_of(page))
    expect_answer(frame_of(page))
    wait_until(lambda: heard(page)[2:] == ["message", "message"], 15, "question and answer")
    page.evaluate("gilo.toggle(); gilo.reset(); gilo.destroy()")
    wait_until(lambda: heard(page)[4:] == ["close", "destroy", "reset"], 15, "what was asked before the end is done")
    for _, detail in page.evaluate("heard"):
        assert (detail["id"], detail["agent"]) == ("one", deployment.agent)
    answer = page.evaluate("heard[3][1]")
    assert answer["role"] == "assistant" and "seven years" in answer["text"]
    assert answer["conversationId"] and answer["messageId"]


def load_script(page: Page, deployment: Deployment) -> None:
    """The script alone: the page makes its widgets by `gilo.init`."""
    page.evaluate(
        """(source) => new Promise((resolve) => {
            const policy = trustedTypes.createPolicy("loads", { createScriptURL: (text) => text });
            const script = document.createElement("script");
            script.src = policy.createScriptURL(source);
            script.onload = resolve;
            document.body.append(script);
        })""",
        f"{deployment.gilo}/widget.js",
    )


def test_listener_is_taken_off_the_event_that_it_names(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    expect(page.locator(LAUNCHER)).to_be_visible()
    page.evaluate(
        """() => {
            window.calls = 0;
            const count = () => { calls += 1; };
            gilo.on("open", count);
            gilo.on("open", count);  // twice is once, as with the browser's own
            gilo.on("close", count);
            gilo.off("open", count);
            gilo.open();
        }"""
    )
    assert page.evaluate("calls") == 0
    page.evaluate("gilo.close()")
    assert page.evaluate("calls") == 1


def test_variables_go_with_the_question(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    open_chat(page)
    bodies: list[Any] = []
    page.on("request", lambda sent: bodies.append(json.loads(sent.post_data)) if sent.url.endswith("/chat") else None)
    page.evaluate("gilo.setVariables({ plan: 'pro', seats: 3 }); gilo.setVariables({ city: 'Lille', until: null })")
    page.evaluate("text => gilo.send(text)", QUESTION)
    expect_answer(frame_of(page))
    assert [body["variables"] for body in bodies] == [{"plan": "pro", "seats": "3", "city": "Lille"}], "texts only"


def test_questions_sent_at_once_are_put_one_after_the_other(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    page.evaluate("for (const text of ['First?', 'Second?', 'Third?']) gilo.send(text)")
    frame = frame_of(page)
    expect(frame.locator(".msg--assistant[data-state=complete]")).to_have_count(3)
    expect(frame.locator(".msg--user .msg__text, .msg--user")).to_contain_text(["First?", "Second?", "Third?"])


def test_language_changes_and_the_conversation_stays(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    frame = open_chat(page)
    expect(frame.locator("html")).to_have_attribute("lang", "en")  # the browser's
    ask(frame)
    expect_answer(frame)
    page.evaluate("gilo.setLocale('fr-CA')")
    expect(frame.locator("html")).to_have_attribute("lang", "fr")
    expect_answer(frame)


TAKE_OUT = "document.querySelector('gilo-widget').remove()"


def test_widget_outlives_any_number_of_navigations(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.clock.install()
    add_script(page, deployment)
    expect(page.locator(LAUNCHER)).to_be_visible()
    for _ in range(8):  # as a router that replaces the body does, every few seconds
        page.evaluate(TAKE_OUT)
        page.clock.run_for(5_000)
        expect(page.locator(LAUNCHER)).to_be_visible()


def test_widget_that_the_page_will_not_have_goes(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.clock.install()
    add_script(page, deployment)
    expect(page.locator(LAUNCHER)).to_be_visible()
    page.evaluate(
        f"new MutationObserver(() => {TAKE_OUT.replace(')', ')?', 1)}).observe(document.body, {{childList: true}})"
    )
    page.evaluate(TAKE_OUT)
    for _ in range(8):
        page.clock.run_for(100)
    assert page.evaluate("gilo.get() === null")
