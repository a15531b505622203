"""Uploaded icons: drawn anew, whatever came; what is no picture, or a bomb, is refused."""

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from accounts.models import Membership
from agents.services import delete_agent
from store.icons import draw_icon
from store.models import Listing
from store.moderation import moderate_listing
from tests.store.making import make_draft, make_listing
from tests.store.visiting import sign_in

pytestmark = pytest.mark.django_db


def make_picture(kind: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options: Any) -> bytes:
    file = BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else 1).save(file, kind, **options)
    return file.getvalue()


def upload(listing: Listing, content: bytes, name: str = "icon.png") -> Any:
    owner = Membership.objects.get(workspace=listing.workspace).user
    file = SimpleUploadedFile(name, content, content_type="image/png")
    return sign_in(owner).post(f"/api/store/mine/{listing.pk}/icon", {"file": file})


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("PNG", "P"), ("PNG", "1")]
)
def test_a_picture_becomes_a_square_of_512(kind, mode):
    with Image.open(BytesIO(draw_icon(BytesIO(make_picture(kind, mode=mode))))) as drawn:
        assert (drawn.format, drawn.size) == ("WEBP", (512, 512))


def test_what_a_picture_says_about_its_maker_is_gone():
    note = PngInfo()
    note.add_text("Author", "Secret Name")
    exif = Image.Exif()
    exif[0x9286] = "Secret Place"
    drawn = draw_icon(BytesIO(make_picture(pnginfo=note, exif=exif, icc_profile=b"Secret profile")))
    assert b"Secret" not in drawn
    with Image.open(BytesIO(drawn)) as picture:
        assert not picture.getexif()


def test_a_picture_that_lies_on_its_side_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    picture = Image.new("RGB", (100, 100), "red")
    picture.paste("blue", (0, 0, 50, 100))  # the left half: the upper one once turned
    file = BytesIO()
    picture.save(file, "JPEG", exif=exif, quality=100)
    with Image.open(BytesIO(draw_icon(BytesIO(file.getvalue())))) as drawn:
        red, _, blue, *_ = drawn.convert("RGBA").getpixel((256, 100))
        assert blue > 200 > 60 > red


@pytest.mark.parametrize(
    "content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", b"", b"%PDF-1.7", b"RIFF1234WAVE"]
)
def test_other_formats_are_refused_by_what_they_hold(content):
    answer = upload(make_draft(), content)
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "type_mismatch"


def make_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    "content",
    [
        make_header(4097, 10), make_header(100_000, 100_000), make_header(0, 0), make_header(300, 300),
        b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + b"x" * 100, b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        make_picture("JPEG")[:-300], b"\x89PNG\r\n\x1a\n" + b"x" * (2 * 1024 * 1024),
    ],
)  # fmt: skip
def test_bombs_and_broken_pictures_are_refused(content):
    answer = upload(make_draft(), content)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "icon_invalid"


def test_an_icon_is_served_for_long_replaced_and_removed(django_capture_on_commit_callbacks):
    listing = make_listing()
    assert Client().get(f"/store/{listing.slug}/icon").status_code == 404
    first = upload(listing, make_picture()).json()["icon_url"]
    answer = Client().get(first)
    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    listing.refresh_from_db()
    old = listing.icon_key
    with django_capture_on_commit_callbacks(execute=True):
        second = upload(listing, make_picture("JPEG")).json()["icon_url"]
    assert first != second
    assert not default_storage.exists(old)
    assert Client().get("/api/store/listings").json()["data"][0]["icon_url"] == second
    owner = sign_in(Membership.objects.get(workspace=listing.workspace).user)
    assert owner.delete(f"/api/store/mine/{listing.pk}/icon").json()["icon_url"] is None
    assert Client().get(second).status_code == 404


def test_the_icon_of_what_was_taken_down_is_not_shown_any_more():
    listing = make_listing()
    address = upload(listing, make_picture()).json()["icon_url"]
    moderate_listing(listing_id=listing.pk, action="take_down", reason="Not yours.")
    assert Client().get(address).status_code == 404
    owner = sign_in(Membership.objects.get(workspace=listing.workspace).user)
    assert owner.get(f"/api/store/mine/{listing.pk}").json()["icon_url"] is None
    moderate_listing(listing_id=listing.pk, action="restore", reason="")
    assert Client().get(address).status_code == 200


def test_the_file_goes_with_the_agent(django_capture_on_commit_callbacks):
    listing = make_draft()
    upload(listing, make_picture())
    listing.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        delete_agent(agent=listing.agent)
    assert not default_storage.exists(listing.icon_key)
    assert not Listing.objects.exists()


@pytest.mark.parametrize("body", [{}, {"file": "text"}])
def test_an_upload_without_a_file_says_so(body):
    listing = make_draft()
    owner = Membership.objects.get(workspace=listing.workspace).user
    assert sign_in(owner).post(f"/api/store/mine/{listing.pk}/icon", body).status_code == 422
