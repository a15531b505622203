"""Small real files made for tests, bombs among them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def make_pdf(*pages: str, extra: bytes = b"") -> bytes:
    """A PDF with one line of text a page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode() if text else b""
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {5 + 2 * number} 0 R>>".encode()
        )
        objects.append(f"<</Length {len(content)}>>stream\n".encode() + content + b"\nendstream")
    return join_pdf(objects)


def make_pdf_of_signs(*signs: str) -> bytes:
    """A PDF with one line, drawn from the left: sign by sign, each standing for the letters given."""
    meanings = " ".join(f"<{65 + n:02x}> <{sign.encode('utf-16-be').hex()}>" for n, sign in enumerate(signs))
    letters = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        f"1 begincodespacerange <00> <ff> endcodespacerange {len(signs)} beginbfchar {meanings} endbfchar "
        "endcmap end end"
    ).encode()
    content = f"BT /F1 12 Tf 72 720 Td ({''.join(chr(65 + n) for n in range(len(signs)))}) Tj ET".encode()
    return join_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count 1/Kids[4 0 R]>>",
            b"<</Type/Font/Subtype/TrueType/BaseFont/Helvetica/FirstChar 65/LastChar 126/Widths["
            + b"600 " * 62
            + b"]/ToUnicode 6 0 R>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents 5 0 R>>",
            b"<</Length %d>>stream\n" % len(content) + content + b"\nendstream",
            b"<</Length %d>>stream\n" % len(letters) + letters + b"\nendstream",
        ]
    )


def make_flate_bomb(megabytes: int) -> bytes:
    """A PDF of one page whose content inflates to that many megabytes of drawing operators."""
    packer = zlib.compressobj(1)
    block = b"BT /F1 12 Tf (bomb) Tj ET\n" * 40_000
    packed = b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()
    return join_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count 1/Kids[4 0 R]>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents 5 0 R>>",
            f"<</Filter/FlateDecode/Length {len(packed)}>>stream\n".encode() + packed + b"\nendstream",
        ]
    )


def join_pdf(objects: list[bytes]) -> bytes:
    """Number the objects and write the cross-reference table."""
    body, places = b"%PDF-1.7\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n".encode() + item + b"\nendobj\n"
    table = b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    count = len(objects) + 1
    trailer = f"trailer<</Size {count}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF".encode()
    return body + f"xref\n0 {count}\n0000000000 65535 f \n".encode() + table + trailer


def make_docx(body: str = "", *, prolog: str = "", parts: Mapping[str, bytes] | None = None) -> bytes:
    """A Word document; `body` is the XML within w:body, `prolog` comes before the root."""
    document = f'<?xml version="1.0"?>{prolog}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("word/document.xml", document)
        for name, content in (parts or {}).items():
            archive.writestr(name, content)
    return file.getvalue()


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def make_lying_docx(megabytes: int) -> bytes:
    """A document whose directory says that its main part is small, while it inflates to many megabytes."""
    content = bytearray(make_docx(paragraph("x" * megabytes * 1024**2)))
    place = content.rfind(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 1000)
    return bytes(content)
