"""Names to show."""

import pytest

from knowledge.names import clean_name, extension_of


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\b.txt", "b.txt"),
        ("/abs/olute.md", "olute.md"),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("\u202efdp.exe", "fdp.exe"),
        ("通知 書類.pdf", "通知 書類.pdf"),
        ("تقرير.pdf", "تقرير.pdf"),
        ("..", "document"),
        ("", "document"),
        ("\ud800.txt", "txt"),
    ],
)
def test_clean_name_keeps_words_and_drops_tricks(raw, shown):
    assert clean_name(raw) == shown


def test_clean_name_shortens_to_255_bytes_and_keeps_the_extension():
    for letter in "aé漢":
        name = clean_name(letter * 300 + ".pdf")
        assert len(name.encode()) <= 255
        assert name.endswith(".pdf")
        assert extension_of(name) == "pdf"
