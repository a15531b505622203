"""The landing page's pictures, taken of the product itself with its demo data, in both languages and themes.

`.venv/bin/python scripts/take_screenshots.py http://localhost:8000 EMAIL PASSWORD`, with the login that `make run`
prints, again whenever the builder has changed its looks. Writes assets/images/screen-*.webp.
"""

import os
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FloatRect, Page, StorageState, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "assets" / "images"
AGENTS = {"fr": "Support Atelier Nord", "en": "Northwind HR"}  # samples that speak the language


@dataclass(frozen=True, slots=True)
class Picture:
    """What is photographed: a tab in a window of this size, or from the top of a part on, `tall` pixels of it."""

    name: str
    width: int
    height: int
    scale: float
    tab: str = "instructions"
    part: str = ""
    tall: int = 0
    asks: bool = False


PICTURES = (
    Picture("builder", 1280, 760, 1.5, asks=True),
    Picture("chat", 360, 620, 2, asks=True),
    Picture("instructions", 400, 1000, 2, part="#instructions-editor", tall=200),
    Picture("knowledge", 400, 1000, 2, tab="knowledge", part=".knowledge__switch", tall=200),
    Picture("code", 400, 1000, 2, tab="deploy#code", part="#deploy-code .code", tall=150),
)
NOBODYS_SITE = "https://gilo.example.com"  # in place of this machine's address
# A picture stands still and shows no state of the machine: no caret, no notice of the demo model, no scroll bar.
STILL = (
    ".chat__demo, .composer__edit { display: none } * { caret-color: transparent; scrollbar-width: none !important }"
)
SHOW_SITE = """([from, to]) => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data.replaceAll(from, to);
}"""


def main(site: str, email: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
        state = _sign_in(browser, site, email, password)
        for language in AGENTS:
            _take_all(browser, site, state, language, "light")
            _take_all(browser, site, state, language, "dark")
        browser.close()


def _sign_in(browser: Browser, site: str, email: str, password: str) -> StorageState:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site}/login")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", password)
    page.click("form[action*=login] [type=submit]")
    page.wait_for_url("**/dashboard*")
    return context.storage_state()


def _take_all(browser: Browser, site: str, state: StorageState, language: str, theme: Literal["light", "dark"]) -> None:
    for picture in PICTURES:
        context = browser.new_context(
            viewport={"width": picture.width, "height": picture.height}, device_scale_factor=picture.scale,
            color_scheme=theme, storage_state=state, reduced_motion="reduce", bypass_csp=True,
        )  # fmt: skip
        page = _open_agent(context, site, language, picture.tab)
        if picture.asks:
            _ask(page)
        page.add_style_tag(content=STILL)
        page.evaluate(SHOW_SITE, [site, NOBODYS_SITE])
        page.wait_for_timeout(300)
        image = page.screenshot(clip=_find_part(page, picture))
        Image.open(BytesIO(image)).save(IMAGES / f"screen-{picture.name}-{language}-{theme}.webp", quality=72, method=6)
        context.close()


def _open_agent(context: BrowserContext, site: str, language: str, tab: str) -> Page:
    page = context.new_page()
    page.goto(f"{site}/dashboard")
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrftoken")
    choice: dict[str, str | float | bool] = {"language": language, "next": "/dashboard", "csrfmiddlewaretoken": token}
    context.request.post(f"{site}/language", form=choice, headers={"Origin": site})
    page.goto(f"{site}/dashboard")
    page.get_by_role("link", name=AGENTS[language]).click()
    page.wait_for_url("**/agents/*")
    page.goto(f"{page.url.split('?')[0]}?tab={tab}")
    page.wait_for_load_state("networkidle")
    return page


def _ask(page: Page) -> None:
    """The agent's first suggested question, and what it answers."""
    screens = page.locator(".builder__screens [data-screen=try]")
    if screens.is_visible():
        screens.click()
    page.locator(".chat__pill").first.click()
    page.locator(".msg--assistant[data-state=complete]").wait_for()
    page.locator(".msg__meta").first.wait_for()
    page.locator("body").evaluate("() => document.activeElement.blur()")


def _find_part(page: Page, picture: Picture) -> FloatRect | None:
    """Where the picture is on the page; the whole page for one without a part."""
    if not picture.part:
        return None
    place = page.locator(picture.part).first
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    if box is None:
        raise SystemExit(f"{picture.part} is not on the page")
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": picture.tall}


if __name__ == "__main__":
    main(*sys.argv[1:])
