"""Template tags of the design system: icons, agent icons, the current link."""

import re
import zlib
from decimal import Decimal
from itertools import count
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from agents.config import GRADIENTS, Appearance
from core.money import format_dollars, format_mills, format_minor

register = template.Library()

_DEFAULT_LOOK = Appearance()
# The pictures of the product, with the size that each has on the page.
_SCREENS = {
    "builder": (1280, 760),
    "chat": (360, 620),
    "instructions": (368, 200),
    "knowledge": (368, 200),
    "code": (368, 150),
}
_gradient_ids = count(1)
_NAME = re.compile(r"`([^`\n]+)`")
_TOKENS = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<comment>\#[^\n]*)"""
    r"""|(?P<keyword>\b(?:from|import|for|in|or|const|await|new|True|true|curl|print|export)\b)"""
)


@register.simple_tag
def icon(name: str, css_class: str = "", label: str = "") -> SafeString:
    """One icon of the sprite. Without a label it is decoration and hidden from screen readers."""
    named = format_html(' role="img" aria-label="{}"', label) if label else SafeString(' aria-hidden="true"')
    return format_html('<svg class="icon {}"{}><use href="{}#{}"/></svg>', css_class, named, static("icons.svg"), name)


@register.simple_tag
def screenshot(name: str, alt: str, phone: str = "") -> SafeString:
    """A picture of the product in the page's language, in light and in dark, of which the style sheet shows one.

    `phone` names what narrow screens show instead. scripts/take_screenshots.py makes them all.
    """
    return format_html_join("", "{}", ((_picture(name, alt, phone, theme),) for theme in ("light", "dark")))


def _picture(name: str, alt: str, phone: str, theme: str) -> SafeString:
    small = ""
    if phone:
        source = '<source media="(max-width: 600px)" srcset="{}" width="{}" height="{}">'
        small = format_html(source, _screen_url(phone, theme), *_SCREENS[phone])
    return format_html(
        '<picture class="screen screen--{}">{}<img src="{}" width="{}" height="{}" alt="{}" loading="lazy"></picture>',
        theme, small, _screen_url(name, theme), *_SCREENS[name], alt,
    )  # fmt: skip


def _screen_url(name: str, theme: str) -> str:
    language = "fr" if (get_language() or "").startswith("fr") else "en"
    return static(f"images/screen-{name}-{language}-{theme}.webp")


@register.simple_tag
def agent_icon(agent: Any, size: int = 28) -> SafeString:
    """The agent's icon: its own colours and glyph, else a gradient drawn from its id and its initial.

    SVG with presentation attributes only: the content security policy forbids style attributes.
    """
    look = _look_of(agent)
    first, second = (look.color, look.color_2) if _has_own_colours(look) else _generated_gradient(agent)
    gradient = f"ai{next(_gradient_ids)}"
    return format_html(
        '<svg class="avatar" width="{size}" height="{size}" viewBox="0 0 40 40" aria-hidden="true" focusable="false">'
        '<defs><linearGradient id="{gradient}" x1="0" y1="0" x2="1" y2="1"><stop stop-color="{first}"/>'
        '<stop offset="1" stop-color="{second}"/></linearGradient></defs>'
        '<rect width="40" height="40" rx="11" fill="url(#{gradient})"/>'
        '<path d="M0 11A11 11 0 0 1 11 0h18a11 11 0 0 1 11 11v4C28 9 12 9 0 19z" fill="#fff" fill-opacity=".13"/>'
        "{glyph}</svg>",
        size=size,
        gradient=gradient,
        first=first,
        second=second,
        glyph=_glyph(look.glyph, str(getattr(agent, "name", "") or "?")),
    )


def _look_of(agent: Any) -> Appearance:
    """The draft's appearance when the row is already loaded: an icon never costs a query."""
    appearance = getattr(agent, "appearance", None)
    if isinstance(appearance, Appearance):
        return appearance
    if hasattr(agent, "colors"):  # a gallery template
        return Appearance(agent.colors[0], agent.colors[1], agent.glyph)
    version = getattr(getattr(agent, "_state", None), "fields_cache", {}).get("draft_version")
    stored = version.config.get("appearance", {}) if version is not None else {}
    return Appearance(**{name: stored[name] for name in ("color", "color_2", "glyph") if name in stored})


def _has_own_colours(look: Appearance) -> bool:
    return (look.color, look.color_2) != (_DEFAULT_LOOK.color, _DEFAULT_LOOK.color_2)


def _generated_gradient(agent: Any) -> tuple[str, str]:
    seed = str(getattr(agent, "pk", None) or getattr(agent, "id", None) or getattr(agent, "name", ""))
    return GRADIENTS[zlib.crc32(seed.encode()) % len(GRADIENTS)]


def _glyph(glyph: str, name: str) -> SafeString:
    if len(glyph) > 2:
        return format_html(
            '<use href="{}#{}" x="9" y="9" width="22" height="22" fill="none" stroke="#fff" stroke-width="1.9"'
            ' stroke-linecap="round" stroke-linejoin="round"/>',
            static("icons.svg"),
            glyph,
        )
    return format_html(
        '<text x="20" y="20.5" fill="#fff" font-size="19" font-weight="680" text-anchor="middle"'
        ' dominant-baseline="central">{}</text>',
        glyph or name.strip()[:1].upper(),
    )


@register.filter
def highlight(code: str) -> SafeString:
    """A code sample with its strings, keywords and comments marked. Text that is not a token is escaped as it is."""
    parts: list[SafeString] = []
    end = 0
    for match in _TOKENS.finditer(code):
        parts.append(escape(code[end : match.start()]))
        parts.append(format_html('<span class="tok-{}">{}</span>', match.lastgroup, match.group()))
        end = match.end()
    return SafeString("".join([*parts, escape(code[end:])]))


@register.filter
def dollars(amount: Decimal) -> str:
    """US dollars, with fractions of a cent where they are all there is."""
    return format_dollars(amount)


@register.filter
def whole_dollars(amount: int) -> str:
    """US dollars without cents, as plans cost."""
    return format_minor(amount * 100, "usd", is_short=True)


@register.filter
def mills(amount: int) -> str:
    """Thousandths of a dollar as dollars."""
    return format_mills(amount)


@register.filter
def in_minutes(seconds: int) -> int:
    """Whole minutes, rounded up."""
    return -(-seconds // 60)


@register.filter
def code_marks(text: str) -> SafeString:
    """A sentence of the API's description with its `names` as code; all else is escaped."""
    return SafeString(_NAME.sub(r"<code>\1</code>", escape(text)))


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], *prefixes: str) -> SafeString:
    """`aria-current="page"` when the request's path is one of these, or lies under one that ends in "/"."""
    path = context["request"].path
    here = any(path == prefix.rstrip("/") or (prefix.endswith("/") and path.startswith(prefix)) for prefix in prefixes)
    return SafeString('aria-current="page"' if here else "")
