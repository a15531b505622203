"""Formats to text, in this process and in the limited child."""

import pytest

from knowledge.loaders import loader_for
from knowledge.loaders.types import LoadError
from knowledge.parsing import parse_file
from tests.knowledge import files
from tests.knowledge.conftest import sample


def read(kind, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    return "\n".join(section.text for section in loader_for(kind)(path))


def test_docx_gives_headings_paragraphs_and_tables(tmp_path):
    cells = "".join(f"<w:tc>{files.paragraph(text)}</w:tc>" for text in ("City", "Lisbon"))
    body = files.paragraph("Travel", "Heading1") + files.paragraph("By train.") + f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>"
    assert read("docx", files.make_docx(body), tmp_path) == "# Travel\n\nBy train.\n\nCity | Lisbon"


def test_html_gives_visible_text_only(tmp_path):
    page = (
        "<html><head><title>Fees</title><style>p{}</style></head><body><h1>Fees</h1><script>alert(1)</script>"
        "<p>Caf&eacute; <b>costs</b> 2&nbsp;euros.</p><p hidden>secret</p><div style='display: none'>also</div>"
        "<table><tr><th>Item</th><td>Tea</td></tr></table><!-- no --></body></html>"
    )
    text = read("html", page.encode(), tmp_path)
    assert text == "Fees\n\nCafé costs 2 euros.\n\nItem | Tea"


def test_json_gives_paths_and_records(tmp_path):
    assert read("json", b'{"a": {"b": [1, true]}, "c": [{"d": "x"}]}', tmp_path) == "a.b: 1, true\nc[1].d: x"
    assert read("json", b'{"n": 1}\n{"n": 2}\n', tmp_path) == "n: 1\n\nn: 2"


def test_json_keeps_numbers_as_they_are_written(tmp_path):
    long = b"9" * 5_000
    assert (
        read("json", b'{"a": [1.10, -0, 1e400], "b": %b}' % long, tmp_path) == f"a: 1.10, -0, 1e400\nb: {long.decode()}"
    )


def test_characters_that_cannot_be_stored_are_left_out_or_marked(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b'["a\\u0000b", "half \\ud800!", "\\ud83d\\ude00"]')
    with parse_file(path, "json", while_waiting=lambda: None) as sections:
        assert [section.text for section in sections] == ["ab\n\nhalf \ufffd!\n\n\U0001f600"]


@pytest.mark.parametrize("content", [b"{", b'{"a": 1} trailing', b"[" * 100_000])
def test_json_that_is_broken_fails_with_words(tmp_path, content):
    with pytest.raises(LoadError):
        read("json", content, tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_keeps_its_columns_where_a_quote_is_doubled_long_after_the_first_rows(tmp_path, delimiter):
    rows = [["number", "said", "end"], *([str(number), "hi, you", "ok"] for number in range(1, 1_500))]
    lines = [f'{number}{delimiter}"{said}"{delimiter}{end}' for number, said, end in rows]
    lines.append(delimiter.join(["1500", f'"He said ""hi{delimiter} you"" and left"', "ok"]))
    said = " ".join(f'He said "hi{delimiter} you" and left'.split())
    assert read("csv", "\n".join(lines).encode(), tmp_path).endswith(f"number: 1500; said: {said}; end: ok")


def test_csv_with_spaces_after_its_commas_keeps_quoted_cells_whole(tmp_path):
    assert read("csv", b'name, city\nAda, "Paris, France"\n', tmp_path) == "name: Ada; city: Paris, France"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_any_encoding(tmp_path, encoding):
    text = "Grüße aus Łódź\nund Köln"
    assert read("text", text.replace("\n", "\r\n").encode(encoding), tmp_path) == text


@pytest.mark.parametrize(
    ("name", "pages", "words"),
    [
        ("one-page.pdf", 1, "Beautiful is better than ugly."),
        ("four-pages.pdf", 4, "Hello, here is some text without a meaning."),
        ("two-columns.pdf", 3, "This is a sample document with two columns filled\nwith Lorem Ipsum text."),
        ("arabic.pdf", 1, "حَبيبي"),
        ("textbook-117-pages-german.pdf", 117, "Geometrie und Topologie"),
    ],
)
def test_real_pdf_is_read_by_the_child(name, pages, words):
    waits = []
    with parse_file(sample(name), "pdf", while_waiting=lambda: waits.append(1)) as sections:
        read = list(sections)
    assert [section.page for section in read] == list(range(1, pages + 1))
    assert words in "\n".join(section.text for section in read)


@pytest.mark.parametrize(
    ("signs", "text"),
    [
        (list("هذا في بيت من"), "هذا في بيت من"),
        (["س", "لا", "م"], "سلام"),
        (["س", "\ufefb", "م"], "سلام"),
        (["حَ", *"بيبي"], "حَبيبي"),
        (["حَبيبي"], "حَبيبي"),
        (list("שלום עולם"), "שלום עולם"),
        (["שָ", *"לום"], "שָלום"),
    ],
    ids=["words", "ligature", "ligature of Unicode", "letter with vowel", "word", "Hebrew", "Hebrew with vowel"],
)
def test_pdf_drawn_from_right_to_left_is_read_in_order(tmp_path, signs, text):
    assert read("pdf", files.make_pdf_of_signs(*reversed(signs)), tmp_path).strip() == text


def test_pdf_drawn_from_left_to_right_keeps_its_ligatures(tmp_path):
    assert read("pdf", files.make_pdf_of_signs("o", "ffi", "c", "e"), tmp_path).strip() == "office"


def test_damaged_pdf_fails_in_the_child_with_words(tmp_path):
    path = tmp_path / "bad.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"garbage " * 100)
    with parse_file(path, "pdf", while_waiting=lambda: None) as sections, pytest.raises(LoadError) as failure:
        list(sections)
    assert failure.value.code == "parse_failed"
