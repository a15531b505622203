"""Uploaded icons: read as pictures, never trusted as files; what is served is what we drew from them."""

import warnings
from io import BytesIO
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.urls import reverse
from PIL import Image, ImageOps

from core.ids import uuid7
from store.errors import IconInvalid, IconTypeRefused
from store.models import Listing, ListingStatus
from store.services import lock_listing

MAX_BYTES = 2 * 1024 * 1024
MAX_SIDE = 4096  # pixels: said by the header, before anything is decoded
SIZE = 512
_FORMATS = ("PNG", "JPEG", "WEBP")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_FOLDER = "icons"
_QUALITY = 90


def icon_url(listing: Listing) -> str | None:
    """Where the uploaded icon is; its name changes with its content, so it may be cached for ever. None: generated."""
    if not listing.icon_key or listing.status == ListingStatus.TAKEN_DOWN:
        return None
    version = listing.icon_key.rpartition("/")[2].partition(".")[0][-8:]
    return f"{reverse('store-icon', args=[listing.slug])}?v={version}"


def set_icon(*, listing: Listing, file: IO[bytes]) -> Listing:
    """Draw the listing's icon anew from an uploaded picture. Raises IconTypeRefused, IconInvalid."""
    drawn = draw_icon(file)
    key = default_storage.save(f"{_FOLDER}/{uuid7()}.webp", ContentFile(drawn))
    try:
        return _replace_icon(listing, key)
    except BaseException:  # whatever it was: a file without a row would stay for ever
        default_storage.delete(key)
        raise


def delete_icon(*, listing: Listing) -> Listing:
    """Back to the generated icon."""
    return _replace_icon(listing, "")


def draw_icon(file: IO[bytes]) -> bytes:
    """A square WebP of 512 pixels without metadata, from a PNG, JPEG or WebP. Raises IconTypeRefused, IconInvalid."""
    content = file.read(MAX_BYTES + 1)
    if not (content.startswith(_MAGIC) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")):
        raise IconTypeRefused()
    if len(content) > MAX_BYTES:
        raise IconInvalid(param="file")
    try:
        return _draw(content)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise IconInvalid(param="file") from None


def _draw(content: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(BytesIO(content), formats=_FORMATS) as picture:
            if max(picture.size) > MAX_SIDE:
                raise ValueError("too many pixels")
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    square = ImageOps.fit(upright, (SIZE, SIZE), Image.Resampling.LANCZOS)
    square.info = {}  # profiles and the like, which the writer would take along
    drawn = BytesIO()
    square.save(drawn, "WEBP", quality=_QUALITY)
    return drawn.getvalue()


@transaction.atomic
def _replace_icon(listing: Listing, key: str) -> Listing:
    locked = lock_listing(listing)
    old, locked.icon_key = locked.icon_key, key
    locked.save(update_fields=["icon_key", "updated_at"])
    if old:
        transaction.on_commit(lambda: default_storage.delete(old))
    return locked
