"""The widget on somebody else's page: hostile style sheets, a strict policy, keyboard, phones, forged messages."""

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.looks import find_violations
from tests.e2e.widget.chat import (
    FRAME,
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
from tests.e2e.widget.host import HOSTILE_CSS, HostSite
from tests.processes import Process, wait_until


def test_answers_with_a_citation_on_a_page_that_fights_it(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script(), css=HOSTILE_CSS)
    frame = open_chat(page)
    ask(frame)
    expect_answer(frame)
    launcher, panel = page.locator(LAUNCHER).bounding_box(), page.locator(FRAME).bounding_box()
    assert launcher and panel
    assert (launcher["width"], launcher["x"]) == (56, 1280 - 20 - 56)
    assert panel["width"] == 400
    frame.locator(".prose .cite").first.click()
    expect(frame.locator("dialog.source")).to_contain_text("manual.txt")
    page.keyboard.press("Escape")  # closes the passage, not the chat
    expect(frame.locator("dialog.source")).to_be_hidden()
    expect(page.locator(FRAME)).to_be_visible()


def test_conversation_lives_across_pages_until_reset(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    frame = open_chat(page)
    ask(frame)
    expect_answer(frame)
    frame.get_by_role("button", name="Good answer").click()
    page.goto(f"{page.url}other")
    frame = open_chat(page)
    expect_answer(frame)
    expect(frame.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    assert page.context.cookies() == []
    page.evaluate("gilo.reset()")
    expect(frame.locator(".msg")).to_have_count(0)
    page.reload()
    frame = open_chat(page)
    expect(frame.locator(".chat__welcome")).to_be_visible()
    expect(frame.locator(".msg")).to_have_count(0)


def test_past_conversations_are_the_visitors_own(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    frame = open_chat(page)
    ask(frame)
    expect_answer(frame)
    frame.get_by_role("button", name="New conversation").click()
    expect(frame.locator(".msg")).to_have_count(0)
    frame.get_by_role("button", name="Past conversations").click()
    expect(frame.locator(".history__row")).to_have_count(1)
    frame.locator(".history__open").click()
    expect_answer(frame)


def test_calls_made_before_loading_are_done_after_it(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.evaluate("window.heard = []; window.gilo = [['on', 'message', (detail) => heard.push(detail.role)]]")
    page.evaluate(f"gilo.push(['send', '{QUESTION}'])")
    add_script(page, deployment)
    expect_answer(frame_of(page))
    wait_until(lambda: page.evaluate("heard") == ["user", "assistant"], 5, "two messages heard")


def test_two_widgets_on_one_page_keep_apart(open_host: Open, deployment: Deployment) -> None:
    inline = deployment.script(id="inline", mode="inline", target="#place", height="500", title="In the page")
    page = open_host(f'<div id="place"></div>{deployment.script(id="corner", position="top-left")}{inline}')
    expect(page.locator("gilo-widget")).to_have_count(2)
    inside = page.frame_locator("#place iframe")
    expect(inside.get_by_role("heading", name="In the page")).to_be_visible()
    expect(inside.get_by_role("button", name="Close the chat")).to_be_hidden()
    box = page.locator("#place gilo-widget").bounding_box()
    frame = page.locator("#place iframe").bounding_box()
    assert box and frame
    assert box["height"] == frame["height"] == 500
    page.evaluate("gilo.push(['corner.open'])")
    corner = page.frame_locator("body > gilo-widget iframe")
    ask(corner)
    expect_answer(corner)
    assert page.evaluate("gilo.get('corner').isOpen")
    page.evaluate("gilo.get('inline').destroy()")
    expect(page.locator("gilo-widget")).to_have_count(1)


def test_dialog_mode_is_opened_by_the_page_and_gives_focus_back(open_host: Open, deployment: Deployment) -> None:
    page = open_host(f"<button data-gilo-open>Chat with us</button>{deployment.script(mode='popup')}")
    expect(page.locator("gilo-widget")).to_have_count(1)
    page.get_by_role("button", name="Chat with us").press("Enter")
    frame = frame_of(page)
    expect(frame.locator(".composer__input")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.documentElement).overflow") == "hidden"
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Chat with us")).to_be_focused()
    assert page.evaluate("document.documentElement.style.overflow") == ""


def test_phone_has_the_chat_on_the_whole_screen(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script(), width=360)
    frame = open_chat(page)
    assert page.locator(FRAME).bounding_box() == {"x": 0, "y": 0, "width": 360, "height": 800}
    assert frame.locator("body").evaluate("body => body.scrollWidth <= innerWidth")
    frame.get_by_role("button", name="Close the chat").click()
    expect(page.locator(LAUNCHER)).to_be_focused()
    expect(page.locator(FRAME)).to_be_hidden()


def test_keyboard_alone_is_enough(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    launcher = page.locator(LAUNCHER)
    expect(launcher).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Tab")
    expect(launcher).to_be_focused()
    page.keyboard.press("Enter")
    frame = frame_of(page)
    expect(frame.locator(".composer__input")).to_be_focused()
    expect(launcher).to_have_attribute("aria-expanded", "true")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect_answer(frame)
    page.keyboard.press("Tab")  # from the last control round to the first, never out of the chat
    expect(frame.get_by_role("button", name="Past conversations")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(frame.locator(".composer__input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(launcher).to_be_focused()
    expect(launcher).to_have_attribute("aria-expanded", "false")


def test_answer_that_comes_while_closed_is_counted_and_said(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    open_chat(page)
    page.evaluate(f"gilo.send('{QUESTION}'); gilo.close()")
    expect(page.locator("gilo-widget .badge")).to_have_text("1")
    expect(page.locator("gilo-widget [role=status]")).to_have_text("1 new message")
    page.locator(LAUNCHER).click()
    expect(page.locator("gilo-widget .badge")).to_be_hidden()


def test_unlisted_site_is_told_why_there_is_no_chat(browser: Browser, site: Process, deployment: Deployment) -> None:
    with HostSite(site.url) as other:
        other.pages = {"/": deployment.script()}
        page = browser.new_page()
        page.goto(other.url)
        page.locator(LAUNCHER).click()
        frame = frame_of(page)
        expect(frame.locator("#refused")).to_contain_text("Add the page's origin to the key")
        expect(frame.locator("#refused")).to_contain_text(other.url)
        expect(frame.locator(".composer")).to_have_count(0)
        page.close()


def test_forged_messages_change_nothing_on_either_side(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    frame = open_chat(page)
    words = ["{gilo: 'reset'}", "{gilo: 'send', text: 'Forged'}", "{gilo: 'close'}", "{gilo: 'init'}"]
    page.evaluate("document.body.append(document.createElement('iframe'))")
    stranger = page.frames[-1]
    assert stranger.url == "about:blank"
    chat = "parent.document.querySelector('gilo-widget').shadowRoot.querySelector('iframe').contentWindow"
    for word in words:
        page.evaluate(f"postMessage({word}, '*')")  # the page to itself, with the frame's words
        stranger.evaluate(f"parent.postMessage({word}, '*')")  # another frame to the page
        stranger.evaluate(f"{chat}.postMessage({word}, '*')")  # another frame to the chat
    page.evaluate("postMessage({gilo: 'message', role: 'assistant', text: 'Forged'}, '*')")
    page.evaluate("gilo.send('Is it real?')")  # what comes after them has come through
    expect(frame.locator(".msg--user")).to_have_count(1)
    expect(frame.locator(".msg--user")).to_contain_text("Is it real?")
    assert page.evaluate("gilo.get().isOpen && gilo.get().unread === 0")


def test_signed_user_has_a_conversation_of_their_own(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script())
    frame = open_chat(page)
    ask(frame)
    expect_answer(frame)  # as nobody
    page.evaluate("window.known = []; gilo.on('identify', (detail) => known.push(detail.isKnown))")
    page.evaluate("token => gilo.setUser(token)", deployment.sign("ada"))
    wait_until(lambda: page.evaluate("known") == [True], 10, "the user is known")
    expect(frame.locator(".msg")).to_have_count(0)
    ask(frame, "And the guarantee?")
    expect_answer(frame)
    page.evaluate("gilo.setUser(null)")
    expect(frame.locator(".msg--user").last).to_contain_text(QUESTION)


def test_forged_user_stays_anonymous(open_host: Open, deployment: Deployment) -> None:
    page = open_host(deployment.script(), allow="403 (Forbidden)")
    frame = open_chat(page)
    page.evaluate("window.wrong = []; gilo.on('error', (detail) => wrong.push(detail.code))")
    page.evaluate("token => gilo.setUser(token)", deployment.sign("ada", secret="x" * 40))
    wait_until(lambda: page.evaluate("wrong") == ["identity_invalid"], 10, "the forged user is refused")
    ask(frame)
    expect_answer(frame)
    assert "user:" not in page.evaluate("JSON.stringify(localStorage)")  # a private window's frame keeps nothing itself


def test_idle_widget_holds_nothing_open(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    asked: list[str] = []
    sockets: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: sockets.append(socket.url))
    add_script(page, deployment)
    expect(page.locator(LAUNCHER)).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert asked == [f"{deployment.gilo}/widget.js"]
    frame = open_chat(page)
    ask(frame)
    expect_answer(frame)
    page.evaluate("gilo.close()")
    page.wait_for_load_state("networkidle")  # the frame, too: no stream, no poll
    assert sockets == []


def test_inline_chat_keeps_to_its_place_while_it_loads(open_host: Open, deployment: Deployment) -> None:
    page = open_host("")
    page.evaluate("document.body.insertAdjacentElement('beforeend', document.createElement('div')).id = 'place'")
    page.route("**/widget/**", lambda route: None)  # never answered
    add_script(page, deployment, mode="inline", target="#place", height="400")
    wait = page.locator("gilo-widget .wait")
    expect(wait).to_be_visible()
    box, place = wait.bounding_box(), page.locator("#place").bounding_box()
    assert box and place
    assert (box["y"], box["height"], place["height"]) == (place["y"], 400, 400)


def test_widget_that_the_page_takes_out_comes_back_and_scripts_run_twice_make_one(
    open_host: Open, deployment: Deployment
) -> None:
    page = open_host(deployment.script())
    open_chat(page)
    page.evaluate("document.querySelector('gilo-widget').remove()")
    expect(page.locator("gilo-widget")).to_have_count(1)
    expect(frame_of(page).locator(".composer__input")).to_be_visible()
    add_script(page, deployment)
    page.wait_for_function("document.querySelectorAll('script[src*=widget]').length === 2")
    page.wait_for_load_state("networkidle")
    expect(page.locator("gilo-widget")).to_have_count(1)
    page.evaluate("gilo.destroy()")
    expect(page.locator("gilo-widget")).to_have_count(0)
    assert page.evaluate("gilo.get() === null")


@pytest.mark.parametrize("width", [1280, 360])
def test_widget_has_no_accessibility_violations(open_host: Open, deployment: Deployment, width: int) -> None:
    # axe within the frame calls for axe of the page around it, which is another site: the browser says so
    page = open_host(deployment.script(language="fr"), width=width, allow="postMessage")
    expect(page.locator(LAUNCHER)).to_be_visible()
    assert find_violations(page) == []
    page.locator(LAUNCHER).click()
    frame = frame_of(page)
    ask(frame)
    expect_answer(frame)
    found = find_violations(page) + find_violations(page.frames[1])
    assert not found, "\n".join(found)
