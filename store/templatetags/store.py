"""Template tags of the store: icons, stars, prices, counts, structured data."""

import zlib
from itertools import count
from typing import Any

import orjson
from babel.numbers import format_compact_decimal, format_percent, get_currency_precision
from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from core.money import current_locale, format_minor
from store.icons import icon_url
from store.models import Listing, PriceKind

register = template.Library()
STAR = "M12 2.5l2.95 5.98 6.6.96-4.78 4.66 1.13 6.57L12 17.57l-5.9 3.1 1.13-6.57L2.45 9.44l6.6-.96z"
STARS = 5
_ids = count(1)
# where the two soft discs of a generated icon lie: (x, y, radius) in a square of 40
_DISCS = ((8, 34, 15), (34, 6, 14), (6, 8, 12), (33, 33, 16), (20, 42, 18), (42, 20, 15), (-2, 20, 14), (20, -4, 15))
_UNSAFE_IN_SCRIPT = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}


@register.simple_tag
def listing_icon(listing: Any, size: int = 72) -> SafeString:
    """The listing's icon as decoration: the uploaded one, else its gradient with its glyph or first letter.

    Two soft discs, placed by the slug, keep listings apart that chose the same colours.
    """
    if listing.icon_key:
        return format_html(
            '<img class="app-icon" src="{}" width="{}" height="{}" alt="" decoding="async">',
            icon_url(listing),
            size,
            size,
        )
    number = next(_ids)
    seed = zlib.crc32(listing.slug.encode())
    return format_html(
        '<svg class="app-icon" width="{size}" height="{size}" viewBox="0 0 40 40" aria-hidden="true" focusable="false">'
        '<defs><linearGradient id="li{n}" x1="0" y1="0" x2="1" y2="1"><stop stop-color="{first}"/>'
        '<stop offset="1" stop-color="{second}"/></linearGradient>'
        '<radialGradient id="lg{n}" cx=".22" cy="0" r=".95"><stop stop-color="#fff" stop-opacity=".34"/>'
        '<stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient></defs>'
        '<rect width="40" height="40" fill="url(#li{n})"/>{discs}<rect width="40" height="40" fill="url(#lg{n})"/>'
        "{sign}</svg>",
        size=size, n=number, first=listing.color, second=listing.color_2, discs=_discs(seed), sign=_sign(listing),
    )  # fmt: skip


def _discs(seed: int) -> SafeString:
    chosen = (_DISCS[seed % len(_DISCS)], _DISCS[(seed // 11) % len(_DISCS)])
    return format_html_join("", '<circle cx="{}" cy="{}" r="{}" fill="#fff" fill-opacity=".11"/>', chosen)


def _sign(listing: Any) -> SafeString:
    if len(listing.glyph) > 2:
        return format_html(
            '<use href="{}#{}" x="10" y="10" width="20" height="20" fill="none" stroke="#fff" stroke-width="1.9"'
            ' stroke-linecap="round" stroke-linejoin="round"/>',
            static("icons.svg"),
            listing.glyph,
        )
    return format_html(
        '<text x="20" y="20.5" fill="#fff" font-size="19" font-weight="660" text-anchor="middle"'
        ' dominant-baseline="central">{}</text>',
        listing.glyph or listing.name.strip()[:1].upper() or "?",
    )


@register.simple_tag
def stars(rating: float, css_class: str = "") -> SafeString:
    """Five stars, as many of them filled as the rating says, to the tenth; decoration: say the number beside them."""
    number = next(_ids)
    shapes = format_html_join("", '<path d="{}" transform="translate({})"/>', ((STAR, 24 * at) for at in range(STARS)))
    return format_html(
        '<svg class="stars {}" viewBox="0 0 120 24" aria-hidden="true" focusable="false"><defs><clipPath id="st{}">{}'
        '</clipPath></defs><g clip-path="url(#st{})"><rect class="stars__off" width="120" height="24"/>'
        '<rect class="stars__on" width="{}" height="24"/></g></svg>',
        css_class, number, shapes, number, round(rating * 24, 1),
    )  # fmt: skip


@register.filter
def average_rating(listing: Listing) -> float:
    """The mean of its ratings, 0 without any."""
    return round(listing.rating_sum / listing.rating_count, 1) if listing.rating_count else 0.0


@register.filter
def decimal(value: float) -> str:
    """One decimal, as the reader writes it."""
    return f"{value:.1f}".replace(".", _decimal_sign())


@register.filter
def compact(value: int) -> str:
    """1234 as "1.2K" (English) or "1,2 k" (French)."""
    return format_compact_decimal(value, locale=current_locale(), fraction_digits=1 if value >= 1000 else 0)


@register.simple_tag
def money(amount: int, currency: str) -> str:
    """An amount in minor units, as the reader writes money; cents only where there are some."""
    return format_minor(amount, currency, is_short=True)


@register.filter
def minor_units(amount: int, currency: str) -> str:
    """An amount in minor units as a number to type: 499 cents as "4.99"; "" for nothing."""
    digits = get_currency_precision(currency.upper())
    return f"{amount / 10**digits:.{digits}f}".replace(".", _decimal_sign()) if amount else ""


@register.filter
def percent(share: float | None) -> str:
    """A share as percent, to one decimal, as the reader writes it; a dash where there is none."""
    if share is None:
        return "-"
    return format_percent(round(share, 3), locale=current_locale(), decimal_quantization=False)


@register.filter
def price_label(listing: Listing) -> str:
    """What it costs, in few words: "Free", "$4.99 a month", "$5 for 100 messages"."""
    if listing.price_kind == PriceKind.FREE:
        return gettext("Free")
    amount = money(listing.price, listing.currency)
    if listing.price_kind == PriceKind.MONTH:
        return gettext("{price} a month").format(price=amount)
    text = ngettext("{price} for {count} message", "{price} for {count} messages", listing.pack_messages)
    return text.format(price=amount, count=listing.pack_messages)


@register.filter
def price_short(listing: Listing) -> str:
    """Only the amount, or "Free": for cards."""
    return gettext("Free") if listing.price_kind == PriceKind.FREE else money(listing.price, listing.currency)


@register.simple_tag
def json_ld(data: dict[str, Any]) -> SafeString:
    """Structured data for search engines; a data block, which runs nothing."""
    text = orjson.dumps(data).decode().translate(_UNSAFE_IN_SCRIPT)
    return mark_safe(f'<script type="application/ld+json">{text}</script>')  # noqa: S308 - escaped just above


def _decimal_sign() -> str:
    return str(current_locale().number_symbols["latn"]["decimal"])
