"""The widget's chat as a test drives it, and the agent that answers in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from playwright.sync_api import FrameLocator, Page, expect

from tests.e2e.widget.host import script

LAUNCHER, FRAME = "gilo-widget button.launcher", "gilo-widget iframe"
QUESTION = "How long does the guarantee last?"
Open = Callable[..., Page]


@dataclass
class Deployment:
    """An agent that answers with a citation, its widget's key, and the key's identity secret."""

    gilo: str
    agent: str
    key: str
    key_id: str
    secret: str

    def script(self, **attributes: str) -> str:
        return script(self.gilo, self.agent, self.key, **attributes)

    def sign(self, user: str, *, secret: str = "") -> str:
        claims = {"sub": user, "exp": 4_000_000_000 if secret else int(time.time()) + 3600}
        return jwt.encode(claims, secret or self.secret, algorithm="HS256")


def add_script(page: Page, deployment: Deployment, **attributes: str) -> None:
    """As a router of the page would: a script element made by a script."""
    page.evaluate(
        """([source, data]) => {
            const rules = { createScriptURL: (text) => text };
            const policy = trustedTypes.createPolicy(`test${Math.random()}`.replace(".", ""), rules);
            const script = document.createElement("script");
            Object.assign(script.dataset, data);
            script.src = policy.createScriptURL(source);
            document.body.append(script);
        }""",
        [f"{deployment.gilo}/widget.js", {"agentId": deployment.agent, "key": deployment.key, **attributes}],
    )


def frame_of(page: Page, index: int = 0) -> FrameLocator:
    return page.frame_locator(f"{FRAME} >> nth={index}")


def open_chat(page: Page) -> FrameLocator:
    page.locator(LAUNCHER).first.click()
    frame = frame_of(page)
    expect(frame.locator(".composer__input")).to_be_focused()
    return frame


def ask(frame: FrameLocator, text: str = QUESTION) -> None:
    frame.locator(".composer__input").fill(text)
    frame.locator(".composer__input").press("Enter")


def expect_answer(frame: FrameLocator) -> None:
    expect(frame.locator(".msg--assistant").last).to_have_attribute("data-state", "complete")
    expect(frame.locator(".msg--assistant").last).to_contain_text("seven years")
