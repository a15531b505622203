"""The picture that link previews show of a listing: its colours, its icon, its name and what it does."""

import re
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

import orjson
from django.conf import settings
from django.core.files.storage import default_storage

from store.models import Listing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 1200, 630  # what previews are cut to
_ICON, _LEFT, _TEXT_LEFT = 280, 90, 430
_TEXT_WIDTH = WIDTH - _TEXT_LEFT - 70
_BOLD, _REGULAR = 680, 450
_WHITE, _SOFT = (255, 255, 255), (236, 236, 250)
# What our font can draw; a name in another script is left to the text that previews show below the picture.
_DRAWABLE = re.compile(r"[\x20-\xff\u0131\u0152\u0153\u2013-\u2026\u20ac\u2122]*")


def draw_share_image(listing: Listing) -> bytes:
    """A PNG of 1200 by 630 pixels."""
    from PIL import Image, ImageDraw

    picture = _gradient(listing.color, listing.color_2, WIDTH, HEIGHT)
    picture = Image.blend(picture, Image.new("RGB", picture.size, (13, 14, 28)), 0.42)
    picture.paste(*_icon(listing))
    pen = ImageDraw.Draw(picture)
    _write(pen, listing)
    drawn = BytesIO()
    picture.save(drawn, "PNG", compress_level=6)
    return drawn.getvalue()


def _icon(listing: Listing) -> tuple["Image", tuple[int, int], "Image"]:
    """The icon, where it goes, and the mask of its round corners."""
    from PIL import Image, ImageDraw

    face = _uploaded(listing) or _generated(listing)
    mask = Image.new("L", (_ICON * 2, _ICON * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, _ICON * 2 - 1, _ICON * 2 - 1), radius=int(_ICON * 0.54), fill=255)
    return face, (_LEFT, (HEIGHT - _ICON) // 2), mask.resize((_ICON, _ICON), Image.Resampling.LANCZOS)


def _uploaded(listing: Listing) -> "Image | None":
    from PIL import Image

    if not listing.icon_key:
        return None
    try:
        with default_storage.open(listing.icon_key) as file, Image.open(file, formats=("WEBP",)) as stored:
            return stored.convert("RGB").resize((_ICON, _ICON), Image.Resampling.LANCZOS)
    except OSError:  # a file that is gone: the generated icon stands in
        return None


def _generated(listing: Listing) -> "Image":
    from PIL import ImageDraw

    face = _gradient(listing.color, listing.color_2, _ICON, _ICON)
    sign, font = _sign_of(listing)
    ImageDraw.Draw(face).text((_ICON / 2, _ICON / 2), sign, font=font, fill=_WHITE, anchor="mm")
    return face


def _sign_of(listing: Listing) -> tuple[str, "FreeTypeFont"]:
    """What stands on the icon: its glyph, else a letter that our font can draw, else nothing."""
    from PIL import ImageFont

    if code := _icon_codes().get(listing.glyph):
        return chr(code), ImageFont.truetype(settings.STATIC_ROOT / "fonts" / "icons.woff2", 150)
    letter = listing.glyph if 0 < len(listing.glyph) <= 2 else listing.name.strip()[:1].upper()
    return _drawable(letter), _font(150, _BOLD)


@cache
def _icon_codes() -> dict[str, int]:
    """Where each icon of the sprite is in the font of icons."""
    codes: dict[str, int] = orjson.loads((settings.STATIC_ROOT / "fonts" / "icons.json").read_bytes())
    return codes


def _write(pen: "ImageDraw", listing: Listing) -> None:
    name = _wrap(_drawable(listing.name), _font(68, _BOLD), 3)
    tagline = _wrap(_drawable(listing.tagline), _font(34, _REGULAR), 2)
    top = (HEIGHT - len(name) * 80 - len(tagline) * 46) / 2
    for line in name:
        pen.text((_TEXT_LEFT, top), line, font=_font(68, _BOLD), fill=_WHITE)
        top += 80
    for line in tagline:
        pen.text((_TEXT_LEFT, top + 12), line, font=_font(34, _REGULAR), fill=_SOFT)
        top += 46
    by = _drawable(listing.creator.name)
    pen.text((_TEXT_LEFT, HEIGHT - 84), f"{by} · GiLo" if by else "GiLo", font=_font(28, _BOLD), fill=_SOFT)


def _drawable(text: str) -> str:
    return text if _DRAWABLE.fullmatch(text) else ""


def _wrap(text: str, font: "FreeTypeFont", most: int) -> list[str]:
    """The text in lines of the picture's width; what does not fit in so many ends in an ellipsis."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= _TEXT_WIDTH:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_cut(line, font, is_cut=at == most - 1 and len(lines) > most) for at, line in enumerate(lines[:most])]


def _cut(line: str, font: "FreeTypeFont", *, is_cut: bool) -> str:
    if not is_cut and font.getlength(line) <= _TEXT_WIDTH:
        return line
    while line and font.getlength(f"{line}…") > _TEXT_WIDTH:
        line = line[:-1]
    return f"{line}…"


def _gradient(first: str, second: str, width: int, height: int) -> "Image":
    """From the first colour at the upper left to the second at the lower right."""
    from PIL import Image, ImageColor

    small = Image.new("RGB", (2, 2))
    start, end = ImageColor.getrgb(first), ImageColor.getrgb(second)
    middle = tuple((one + other) // 2 for one, other in zip(start[:3], end[:3], strict=True))
    small.putdata([start[:3], middle, middle, end[:3]])
    return small.resize((width, height), Image.Resampling.BICUBIC)


@cache
def _font(size: int, weight: int) -> "FreeTypeFont":
    from PIL import ImageFont

    font = ImageFont.truetype(settings.STATIC_ROOT / "fonts" / "inter-latin-wght-normal.woff2", size)
    font.set_variation_by_axes([weight])
    return font
