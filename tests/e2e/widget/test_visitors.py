"""Who the visitor is, and that they are forgotten: whatever the page does next, wherever the browser keeps things."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

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
for (const name of ["message", "identify", "reset", "error", "destroy"])
  document.addEventListener(`gilo:${name}`, ({ type, detail }) => heard.push([type.slice(5), detail]));
"""
DENY_STORAGE = """
if (%s)
  Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError"); } });
"""
IN_FRAMES, IN_THE_PAGE = "window !== top", "window === top"


def heard(page: Page, name: str) -> list[Any]:
    return [detail for kind, detail in page.evaluate("heard") if kind == name]


@pytest.fixture(params=["frame", "page"])
def keeper(request: pytest.FixtureRequest) -> str:
    """Who keeps the sessions: the frame, or the page around it where the browser denies frames a storage."""
    return str(request.param)


def deny_storage(page: Page, *where: str) -> None:
    for window in where:
        page.add_init_script(DENY_STORAGE % window)
    page.reload()


def open_kept(open_host: Open, body: str, keeper: str) -> Page:
    page = open_host(body)
    if keeper == "page":
        deny_storage(page, IN_FRAMES)
    page.evaluate(LISTEN)
    return page


def asked(page: Page) -> list[dict[str, Any]]:
    """The bodies of the questions that go out from here on."""
    bodies: list[dict[str, Any]] = []

    def note(sent: Request) -> None:
        if sent.url.endswith("/chat"):
            bodies.append(json.loads(sent.post_data or "{}"))

    page.on("request", note)
    return bodies


def expect_nobody(page: Page) -> None:
    """A chat that knows nothing of anyone."""
    frame = open_chat(page)
    expect(frame.locator(".chat__welcome")).to_be_visible()
    expect(frame.locator(".msg")).to_have_count(0)
    frame.get_by_role("button", name="Past conversations").click()
    expect(frame.locator(".history__empty")).to_be_visible()


def test_question_right_after_an_identity_is_the_users(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    page.evaluate(LISTEN)
    frame = open_chat(page)
    page.evaluate("([token, text]) => { gilo.setUser(token); gilo.send(text); }", [deployment.sign("bo"), QUESTION])
    expect_answer(frame)
    wait_until(lambda: [m["role"] for m in heard(page, "message")] == ["user", "assistant"], 10, "question and answer")
    assert [detail["isKnown"] for detail in heard(page, "identify")] == [True]
    page.reload()
    page.evaluate("token => gilo.setUser(token)", deployment.sign("bo"))
    expect_answer(open_chat(page))  # it was put in the user's own conversation


def test_question_before_loading_waits_for_the_pages_user(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.evaluate(LISTEN)
    questions = asked(page)
    page.evaluate("text => { window.gilo = [['send', text]]; }", QUESTION)
    add_script(page, deployment, user=deployment.sign("cy"))
    expect_answer(frame_of(page))
    expect(frame_of(page).locator(".msg--user")).to_have_count(1)
    wait_until(lambda: len(heard(page, "message")) == 2, 10, "question and answer")
    assert len(questions) == 1


def test_question_waits_for_the_conversation_that_is_being_opened(
    open_host: Open,
    deployment: Deployment,
) -> None:
    page = open_host(deployment.script())
    ask(open_chat(page))
    expect_answer(frame_of(page))
    page.reload()
    page.evaluate("text => gilo.send(text)", "And the guarantee?")
    frame = frame_of(page)
    expect(frame.locator(".msg--user")).to_contain_text([QUESTION, "And the guarantee?"])
    expect(frame.locator(".msg--assistant[data-state=complete]")).to_have_count(2)


def test_question_after_a_forged_identity_is_nobodys(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script(), allow="403 (Forbidden)")
    page.evaluate(LISTEN)
    frame = open_chat(page)
    forged = deployment.sign("ada", secret="x" * 40)
    page.evaluate("([token, text]) => { gilo.setUser(token); gilo.send(text); }", [forged, QUESTION])
    expect_answer(frame)
    assert [detail["code"] for detail in heard(page, "error")] == ["identity_invalid"]
    assert [detail["isKnown"] for detail in heard(page, "identify")] == [False]


def test_reset_is_done_although_the_widget_goes_at_once(
    open_host: Open,
    deployment: Deployment,
    keeper: str,
) -> None:
    page = open_kept(open_host, deployment.script(), keeper)
    ask(open_chat(page))
    expect_answer(frame_of(page))
    assert ("token" in page.evaluate("JSON.stringify(localStorage)")) is (keeper == "page"), "who keeps the session"
    page.evaluate("gilo.reset(); gilo.destroy()")
    assert page.evaluate("gilo.get() === null")
    expect(page.locator("gilo-widget")).to_have_count(0)
    assert len(heard(page, "reset")) == len(heard(page, "destroy")) == 1
    page.reload()
    expect_nobody(page)


def test_reset_of_a_closed_chat_is_done_on_the_next_page(
    open_host: Open,
    deployment: Deployment,
    keeper: str,
) -> None:
    page = open_kept(open_host, deployment.script(), keeper)
    ask(open_chat(page))
    expect_answer(frame_of(page))
    page.reload()
    expect(page.locator(LAUNCHER)).to_be_visible()
    page.add_init_script(LISTEN)  # from the next page's first moment
    with page.expect_navigation(url="**/other"):
        page.evaluate("gilo.reset(); location.href = '/other'")  # an ordinary sign-out
    expect_nobody(page)
    assert len(heard(page, "reset")) == 1
    assert "forget" not in page.evaluate("JSON.stringify(localStorage)")
    ask(frame_of(page))  # what comes after it is kept
    expect_answer(frame_of(page))
    page.reload()
    expect_answer(open_chat(page))


@pytest.mark.parametrize("was_open", [True, False], ids=["open", "closed"])
def test_reset_is_done_where_the_page_has_no_storage(
    open_host: Open,
    deployment: Deployment,
    was_open: bool,
) -> None:
    page = open_host("")
    deny_storage(page, IN_THE_PAGE)
    add_script(page, deployment)
    ask(open_chat(page))
    expect_answer(frame_of(page))
    if not was_open:
        page.reload()
        add_script(page, deployment)
        expect(page.locator(LAUNCHER)).to_be_visible()
    page.evaluate("gilo.reset(); gilo.destroy()")
    expect(page.locator("gilo-widget")).to_have_count(0)
    add_script(page, deployment)
    expect(page.locator("gilo-widget")).to_have_count(1)
    expect_nobody(page)


def test_widget_works_where_nothing_is_kept(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    deny_storage(page, IN_THE_PAGE, IN_FRAMES)
    ask(open_chat(page))
    expect_answer(frame_of(page))
    page.evaluate("gilo.setLocale('fr')")  # the frame loads anew, the page remembers meanwhile
    expect_answer(frame_of(page))
    page.evaluate("gilo.reset()")
    expect(frame_of(page).locator(".msg")).to_have_count(0)


def test_next_person_has_nothing_of_the_last(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    questions = asked(page)
    page.evaluate(LISTEN)
    page.evaluate("gilo.setVariables({ plan: 'pro' })")
    ask(open_chat(page))
    expect_answer(frame_of(page))
    frame = frame_of(page)
    frame.locator(".composer__input").fill("A draft")
    page.evaluate(
        """([token, text]) => {
            gilo.send("Nobody waits for this");
            gilo.reset();
            gilo.setUser(token);
            gilo.send(text);
        }""",
        [deployment.sign("di"), QUESTION],
    )
    wait_until(lambda: [detail["isKnown"] for detail in heard(page, "identify")] == [True], 10, "the next is known")
    expect_answer(frame)
    expect(frame.locator(".msg--user")).to_have_count(1)
    expect(frame.locator(".composer__input")).to_have_value("")
    assert questions[0]["variables"] == {"plan": "pro"}
    assert "variables" not in questions[-1] and "conversation_id" not in questions[-1]
    page.evaluate("gilo.setUser(null)")
    expect(frame.locator(".msg")).to_have_count(0)


def test_reset_overtakes_an_identity_that_is_being_looked_at(open_host: Open, deployment: Deployment) -> None:
    page = open_kept(open_host, deployment.script(), "page")
    open_chat(page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/visitor-sessions", hold, times=1)
    with page.expect_request("**/api/v1/visitor-sessions"):
        page.evaluate("token => gilo.setUser(token)", deployment.sign("ed"))
    page.evaluate("gilo.reset()")
    wait_until(lambda: len(heard(page, "reset")) == 1, 10, "the session is forgotten")
    with page.expect_response("**/api/v1/visitor-sessions"):
        held[0].continue_()
    ask(frame_of(page))
    expect_answer(frame_of(page))
    assert heard(page, "identify") == []
    assert "user:" not in page.evaluate("JSON.stringify(localStorage)"), "what came too late is not kept"


def test_another_tab_forgets_with_the_one_that_is_reset(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    ask(open_chat(page))
    expect_answer(frame_of(page))
    other = page.context.new_page()
    other.goto(page.url)
    frame = open_chat(other)
    expect_answer(frame)
    frame.locator(".composer__input").fill("A draft")
    page.evaluate("gilo.reset()")
    expect(frame.locator(".chat__welcome")).to_be_visible()
    expect(frame.locator(".msg")).to_have_count(0)
    expect(frame.locator(".composer__input")).to_have_value("")
    ask(frame)
    expect_answer(frame)
    other.close()


def test_widgets_that_share_a_visitor_forget_together(
    open_host: Open,
    deployment: Deployment,
    keeper: str,
) -> None:
    inline = deployment.script(id="inline", mode="inline", target="#place")
    page = open_kept(open_host, f'<div id="place"></div>{deployment.script(id="corner")}{inline}', keeper)
    inside = page.frame_locator("#place iframe")
    ask(inside)
    expect_answer(inside)
    page.evaluate("gilo.push(['corner.open'])")
    corner = page.frame_locator("body > gilo-widget iframe")
    ask(corner)
    expect_answer(corner)
    page.evaluate("gilo.get('corner').reset()")
    expect(corner.locator(".msg")).to_have_count(0)
    expect(inside.locator(".msg")).to_have_count(0)
    assert sorted(detail["id"] for detail in heard(page, "reset")) == ["corner", "inline"]
