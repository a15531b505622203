import pytest

from knowledge import reading
from knowledge.chunking import split_sections
from knowledge.loaders.types import Section
from knowledge.reading import cut_text, join_chunks

SENTENCES = [
    f"Rule {number} of the harbour says that gate {number % 7} is the {number}th to open." for number in range(400)
]


def chunks_of(*sections: Section) -> list[tuple[int | None, str]]:
    return [(chunk.page, chunk.content) for chunk in split_sections(sections)]


@pytest.mark.parametrize("between", [" ", "\n", "\n\n"])
def test_text_cut_in_chunks_is_whole_again(between):
    text = between.join(SENTENCES)
    chunks = chunks_of(Section(text, None))
    assert len(chunks) > 5
    assert sum(len(content) for _, content in chunks) > len(text)
    assert join_chunks(chunks) == text


def test_pages_are_set_apart_also_when_they_repeat_a_word():
    assert join_chunks(chunks_of(Section("The end of Total", 1), Section("Total of page two", 2))) == (
        "The end of Total\n\nTotal of page two"
    )


def test_chunk_that_shares_nothing_follows_apart():
    assert join_chunks([(None, "One."), (None, "Two."), (None, "")]) == "One.\n\nTwo.\n\n"


def test_cut_text_never_cuts_within_a_character(monkeypatch):
    monkeypatch.setattr(reading, "MAX_TEXT_BYTES", 100)
    for length in range(95, 101):
        cut = cut_text("é" * length)
        assert len(cut.encode()) <= 100
        assert cut.endswith("left out.]")
    assert cut_text("é" * 50) == "é" * 50
