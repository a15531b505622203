"""Text to chunks."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunking import CHUNK_TOKENS, split_sections, split_text, split_windows
from knowledge.loaders.types import Section
from knowledge.minilm import load_tokenizer

SENTENCE = "The committee met on day {n} and decided that budget line {n} should grow by {n} percent. "
LONG = "".join(SENTENCE.format(n=number) + ("\n\n" if number % 9 == 8 else "") for number in range(400))


def count(text: str) -> int:
    return len(load_tokenizer().encode(text, add_special_tokens=False).ids)


def test_split_text_stays_within_the_limit_and_counts_true():
    chunks = list(split_text(LONG))
    assert len(chunks) > 10
    for content, tokens in chunks:
        assert tokens == count(content) <= CHUNK_TOKENS
    assert all(tokens >= 300 for _, tokens in chunks[:-1])


def test_split_text_overlaps_and_loses_no_word():
    chunks = [content for content, _ in split_text(LONG)]
    for before, after in itertools.pairwise(chunks):
        assert before[-20:].strip() in after[:600] or after[:20] in before[-600:]
    joined = " ".join(chunks)
    assert all(f"budget line {number} should" in joined for number in range(400))


def test_split_text_ends_at_paragraphs_where_it_can():
    chunks = [content for content, _ in split_text(LONG)]
    assert all(content.endswith(".") for content in chunks)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30), max_size=60), st.integers(1, 30)
)
def test_split_text_never_cuts_a_word(words, times):
    text = " ".join(words * times)
    pieces = set(re.findall(r"\S+", text))
    for content, _ in split_text(text):
        assert set(re.findall(r"\S+", content)) <= pieces


def test_split_text_cuts_what_runs_on_without_spaces():
    chunks = list(split_text("x" * 100_000))
    assert max(len(content) for content, _ in chunks) <= 6000
    assert sum(len(content) for content, _ in chunks) >= 100_000


def test_split_text_of_blank_text_is_empty():
    assert list(split_text(" \n\t ")) == []


def test_split_sections_keeps_the_page():
    chunks = list(split_sections([Section("first page", 1), Section(LONG, 2), Section("third", 3)]))
    assert [chunks[0].page, chunks[1].page, chunks[-1].page] == [1, 2, 3]


def test_split_windows_cover_the_chunk_within_what_the_model_sees():
    content = next(content for content, tokens in split_text(LONG) if tokens > 400)
    windows = split_windows(content)
    assert len(windows) == 2
    assert all(count(window) <= 254 for window in windows)
    assert "".join(windows).replace(" ", "").replace("\n", "") == content.replace(" ", "").replace("\n", "")


@pytest.mark.parametrize("length", [101, 399, 400, 5000])
def test_overlap_of_endless_words_does_not_multiply_the_text(length):
    text = " ".join(f"{number:0{length}}" for number in range(200_000 // length))
    chunks = [content for content, _ in split_text(text)]
    assert sum(map(len, chunks)) < 1.2 * len(text)
    assert all(chunk in text for chunk in chunks)
