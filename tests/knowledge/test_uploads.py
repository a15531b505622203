"""Bad uploads and how they end."""

import io
import socket
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from knowledge.models import AgentTerm, Chunk, ChunkTerms, ChunkVector, Document
from knowledge.processing import process_next
from tests.knowledge import files
from tests.knowledge.conftest import sample

pytestmark = pytest.mark.django_db
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" * 50
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + bytes(100)


def assert_nothing_stored(settings):
    assert not Document.objects.exists()
    assert not [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]


def assert_refused(response, status, code, settings):
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.content
    assert_nothing_stored(settings)


def test_upload_of_zero_bytes_is_refused(upload, settings):
    assert_refused(upload("empty.txt", b""), 422, "file_empty", settings)


def test_upload_without_file_is_refused(member, agent, settings):
    response = member.post(f"/api/agents/{agent.pk}/knowledge", {"file": "just text"})
    assert_refused(response, 422, "file_missing", settings)


def test_upload_over_the_cap_is_refused(upload, settings):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    assert_refused(upload("big.txt", b"a" * (1024 * 1024 + 1)), 413, "file_too_large", settings)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.pdf", PROGRAM),
        ("report.txt", PROGRAM),
        ("report.docx", PROGRAM),
        ("notes.txt", b"\x7fELF\x02\x01\x01" + bytes(500)),
        ("report.pdf", b"<!doctype html><html><body>Hello</body></html>"),
        ("report.pdf", b"just text"),
        ("notes.txt", files.make_pdf("text")),
        ("notes.md", PNG),
        ("archive.docx", b"PK\x03\x04" + bytes(500)),
        ("setup.exe", b"harmless text"),
        ("picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    ],
)
def test_upload_of_a_wrong_type_is_refused_by_content(upload, settings, name, content):
    response = upload(name, content)
    assert response.status_code in {415, 422}, response.content
    if response.status_code == 422:
        assert name == "archive.docx"
    else:
        assert response.json()["error"]["code"] == "type_mismatch"
    assert_nothing_stored(settings)


def test_upload_of_another_zip_named_docx_is_refused(upload, settings):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    assert_refused(upload("sheet.docx", file.getvalue()), 415, "type_mismatch", settings)


@pytest.mark.parametrize(
    "content",
    [
        files.make_docx("", parts={"word/media/a.bin": bytes(200 * 1024**2)}),
        files.make_docx(files.paragraph("x" * 150 * 1024**2)),
        files.make_lying_docx(60),
        files.make_docx("", parts={f"word/{number}.xml": b"" for number in range(10_001)}),
        files.make_docx("hello")[:-30],
    ],
    ids=["inflates", "main part inflates", "lies", "entries", "cut off"],
)
def test_upload_of_a_docx_bomb_is_refused_fast_and_small(upload, settings, content):
    begun = time.process_time()  # the machine's other work does not count
    response = upload("bomb.docx", content)
    assert time.process_time() - begun < 1
    assert response.status_code == 422, response.content
    assert response.json()["error"]["code"] in {"archive_limit", "archive_invalid"}
    assert_nothing_stored(settings)
    tracemalloc.start()  # makes it three times slower, so once more
    try:
        assert upload("bomb.docx", content).status_code == 422
        assert tracemalloc.get_traced_memory()[1] < 50 * 1024**2
    finally:
        tracemalloc.stop()


XXE = '<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b SYSTEM "http://127.0.0.1:9/x">]>'
LAUGHS = '<!DOCTYPE w [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {new} "{("&" + old + ";") * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
) + "]>"  # fmt: skip


@pytest.mark.parametrize(("prolog", "entity"), [(XXE, "&a;&b;"), (LAUGHS, "&i;")])
def test_docx_entities_are_not_resolved(learn, prolog, entity):
    document = learn("x.docx", files.make_docx(files.paragraph(f"visible {entity} words"), prolog=prolog))
    text = " ".join(document.chunks.values_list("content", flat=True))
    assert "root:" not in text
    assert "haha" not in text
    assert document.status in {"ready", "failed"}


def test_docx_fetches_nothing_that_it_names(learn):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        address = f"http://127.0.0.1:{canary.getsockname()[1]}/x"
        namespace = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        links = "".join(
            f'<Relationship Id="r{kind}" Type="{namespace}/{kind}" Target="{address}" TargetMode="External"/>'
            for kind in ("attachedTemplate", "image", "frame", "subDocument")
        )
        root = f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{links}</Relationships>'
        body = files.paragraph("visible words") + f'<w:altChunk xmlns:r="{namespace}" r:id="rframe"/>'
        parts = {f"word/_rels/{part}.xml.rels": root.encode() for part in ("document", "settings")}
        document = learn("template.docx", files.make_docx(body, parts=parts))
        with pytest.raises(BlockingIOError):
            canary.accept()
    assert document.status == "ready"
    assert "visible words" in document.chunks.get().content


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/cron.d/x.txt", "x.txt"),
        ("/etc/passwd.txt", "passwd.txt"),
        ("\u202etxt.exe.txt", "txt.exe.txt"),
        ("a\x00b.txt", "ab.txt"),
        ("資料.txt", "資料.txt"),
        ("n" * 300 + ".txt", "n" * 251 + ".txt"),
    ],
)
def test_upload_name_is_shown_but_never_a_path(upload, settings, name, shown):
    response = upload(name, b"some text")
    assert response.status_code == 202
    assert response.json()["name"] == shown
    stored = [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]
    document = Document.objects.get()
    assert stored == [settings.MEDIA_ROOT / document.storage_key]
    assert document.storage_key == f"documents/{document.workspace_id}/{document.pk}"


def test_pdf_with_too_many_pages_fails_with_the_limit(learn):
    document = learn("long.pdf", files.make_pdf(*["p"] * 5_001))
    assert (document.status, document.error_code) == ("failed", "too_many_pages")
    assert "5000" in document.error_message


def test_pdf_flate_bomb_ends_within_its_limits(learn):
    bomb = files.make_flate_bomb(700)
    begun = time.monotonic()
    document = learn("bomb.pdf", bomb)
    assert time.monotonic() - begun < 70
    assert (document.status, document.error_code) == ("failed", "parse_limit")
    assert learn("after.txt", b"The worker lives on.").status == "ready"


def test_pdf_with_cyclic_structure_does_not_hang(learn):
    cyclic = files.join_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 3/Kids[2 0 R 2 0 R 2 0 R]>>"])
    assert learn("cyclic.pdf", cyclic).status == "failed"
    looped = files.make_pdf("x").replace(b"trailer<<", b"trailer<</Prev 9/XRefStm 9")
    assert learn("looped.pdf", looped).status in {"failed", "ready"}


def test_encrypted_pdf_fails_without_retry(learn, member, agent):
    document = learn("secret.pdf", sample("encrypted.pdf").read_bytes())
    assert (document.status, document.error_code) == ("failed", "file_encrypted")
    assert "password" in document.error_message
    response = member.post(f"/api/agents/{agent.pk}/knowledge/{document.pk}/retry")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "not_retryable")


def test_scanned_pdf_fails_with_no_text(learn):
    document = learn("scan.pdf", sample("scan-without-text.pdf").read_bytes())
    assert (document.status, document.error_code, document.chunk_count) == ("failed", "no_text", 0)
    made = learn("blank.pdf", files.make_pdf("", ""))
    assert (made.status, made.error_code) == ("failed", "no_text")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a,b\n" + b"1," * 1_000_000 + b"1\n", "Row 2"),
        (b"a,b\n1,2\n" + b"x" * 2_000_000 + b",2\n", "Row 3"),
    ],
)
def test_csv_beyond_its_limits_fails_with_the_row(learn, content, place):
    document = learn("table.csv", content)
    assert (document.status, document.error_code) == ("failed", "csv_limit")
    assert place in document.error_message


def test_csv_in_utf16_is_read_with_formulas_as_they_are(learn):
    table = "Name;Wert\nMüller;=1+1\nŁódź;@SUM(A1)\n-5;+3\n"
    document = learn("tabelle.csv", table.encode("utf-16"))
    (content,) = document.chunks.values_list("content", flat=True)
    assert content == "Name: Müller; Wert: =1+1\nName: Łódź; Wert: @SUM(A1)\nName: -5; Wert: +3"


@pytest.mark.django_db(transaction=True)
def test_same_file_twice_at_once_gives_two_whole_documents(workspace, agent):
    content = "\n\n".join(f"Paragraph {number} about topic {number % 7}. " * 12 for number in range(60)).encode()

    def send(_: int) -> int:
        client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
        client.force_login(workspace.members.get())
        file = SimpleUploadedFile("twice.txt", content)
        try:
            return client.post(f"/api/agents/{agent.pk}/knowledge", {"file": file}).status_code
        finally:
            connection.close()

    def work(_: int) -> None:
        try:
            while process_next():
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(send, range(2))) == [202, 202]
        list(pool.map(work, range(2)))
    first, second = Document.objects.all()
    assert first.status == second.status == "ready"
    contents = [list(document.chunks.values_list("position", "content")) for document in (first, second)]
    assert contents[0] == contents[1]
    assert len(contents[0]) == first.chunk_count > 3


def test_delete_leaves_nothing(learn, member, agent, settings, django_capture_on_commit_callbacks):
    document = learn("gone.txt", b"All of this will be gone.")
    with django_capture_on_commit_callbacks(execute=True):
        assert member.delete(f"/api/agents/{agent.pk}/knowledge/{document.pk}").status_code == 204
    assert_nothing_stored(settings)
    assert not any(model.objects.exists() for model in (Chunk, ChunkTerms, ChunkVector))
    assert set(AgentTerm.objects.values_list("chunks", flat=True)) == {0}


def test_deleted_agent_takes_documents_and_files_along(learn, agent, settings, django_capture_on_commit_callbacks):
    learn("gone.txt", b"All of this will be gone.")
    with django_capture_on_commit_callbacks(execute=True):
        agent.delete()
    assert_nothing_stored(settings)
    assert not any(model.objects.exists() for model in (Chunk, ChunkTerms, ChunkVector, AgentTerm))
