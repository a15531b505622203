"""How a loaded page is looked at: by axe, in light and in dark, and whether it fits a phone. It is loaded once."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Frame, Page

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
PHONE = 360  # pixels
# What a finger cannot hit: lower than 40 px, or narrower where it holds no words. Links within a text are as high as
# the text. A label belongs to its control, and so does what ::before or ::after lay around it.
SMALL_TARGETS = """() => {
  const around = (element, side) => Math.max(0, ...["::before", "::after"].map((name) => {
    const style = getComputedStyle(element, name);
    return style.content !== "none" && style.position === "absolute" ? -parseFloat(style[side]) || 0 : 0;
  }));
  const widest = (element) => element.closest("label") ?? element;
  const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && getComputedStyle(element).display !== "inline" && !element.matches(".skip, .sr-only, .sr-only *");
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=tab]")]
    .filter((element) => isShown(element) && !element.disabled).map((element) => {
      const box = widest(element).getBoundingClientRect();
      const height = box.height + around(element, "top") + around(element, "bottom");
      const width = box.width + around(element, "left") + around(element, "right");
      const fewest = element.textContent.trim() ? 24 : 40;
      const size = `${Math.round(width)} x ${Math.round(height)}`;
      return height < 39.5 || width < fewest - 0.5 ? `${element.outerHTML.slice(0, 90)}: ${size} px` : null;
    }).filter(Boolean);
}"""


@cache
def axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


def look_at(page: Page) -> list[str]:
    """Everything that is wrong with the page as it stands."""
    return find_violations(page) + find_overflow(page)


def find_violations(page: Page | Frame, within: str = "html") -> list[str]:
    """What axe finds in light by all rules; then in dark, where a page has other colours and nothing else, by those.

    `within` is the part to look at, where the rest has been looked at before.
    """
    if page.evaluate("window.axe === undefined"):
        page.evaluate(axe_source())
    window = page.page if isinstance(page, Frame) else page
    found = _run_axe(page, within, {"type": "tag", "values": RULES})
    window.emulate_media(color_scheme="dark")
    found += _run_axe(page, within, {"type": "rule", "values": COLOUR_RULES}, "in the dark: ")
    window.emulate_media(color_scheme="light")
    return found


def _run_axe(page: Page | Frame, within: str, rules: dict[str, Any], where: str = "") -> list[str]:
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    run = "([within, options]) => axe.run(within, options).then(({violations}) => violations)"
    found = page.evaluate(run, [within, options])
    return [
        f"{where}{page.url}: {violation['id']} ({violation['help']}): {node['target']} {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


def find_small_targets(page: Page) -> list[str]:
    """What is too small for a finger, on a page of a phone with a touch screen."""
    return [f"{page.url}: {found}" for found in page.evaluate(SMALL_TARGETS)]


def find_overflow(page: Page) -> list[str]:
    """Whether a phone would have to scroll sideways, or a page that fills the window also downwards."""
    before = page.viewport_size
    page.set_viewport_size({"width": PHONE, "height": 780})
    width = page.evaluate("document.documentElement.scrollWidth")
    found = [f"{page.url}: {width} px wide on a phone"] if width > PHONE else []
    if "/agents/" in page.url and not page.evaluate("document.documentElement.scrollHeight <= innerHeight + 1"):
        found.append(f"{page.url}: scrolls as a whole, not in its columns")
    if before:
        page.set_viewport_size(before)
    return found
