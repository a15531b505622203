"""Cut text into chunks of about 500 tokens that overlap by about 50, never within a word; and chunks into windows.

Tokens are the embedding model's. A chunk ends where the text does: at a paragraph if one ends in its last part, else
at a line, a sentence, a word. Long texts are cut block by block, so that memory does not grow with them. No Django.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from knowledge.loaders.types import Section
from knowledge.minilm import load_tokenizer

CHUNK_TOKENS = 500
OVERLAP_TOKENS = 50
WINDOW_TOKENS = 250  # the model sees 254 at once; shorter windows found no more (docs/knowledge.md)
_EARLIEST_END = 300  # tokens: no chunk is cut shorter for the sake of a fine border
_LONGEST_WORD = 400  # characters: what runs on longer (base64, a table's rule) is cut like words
_CHUNK_CHARACTERS = 6000
_OVERLAP_CHARACTERS = 600  # words of base64 and the like have one token however long they are
_BLOCK_CHARACTERS = 40_000

_PIECE = re.compile(rf"\S{{1,{_LONGEST_WORD}}}")
_SENTENCE_END = re.compile(r"[.!?…。！？؟][\"'”’»)\]]*$")  # noqa: RUF001 - full-width marks are meant


@dataclass(frozen=True, slots=True)
class ChunkText:
    """A chunk before it is stored."""

    content: str
    page: int | None
    tokens: int


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    tokens: int
    border: int  # how well a chunk may end after it: 0 word, 1 sentence, 2 line, 3 paragraph


def split_sections(sections: Iterable[Section]) -> Iterator[ChunkText]:
    """The chunks of these sections in order; a chunk never spans two sections, so its page is true."""
    for section in sections:
        for content, tokens in split_text(section.text):
            yield ChunkText(content, section.page, tokens)


def split_text(text: str) -> Iterator[tuple[str, int]]:
    """(content, tokens) of each chunk."""
    start = 0
    while start < len(text):
        block = text[start : start + _BLOCK_CHARACTERS]
        is_last = start + len(block) >= len(text)
        words = _measure_words(block)
        used = 0
        for first, after in _cut(words, is_last=is_last):
            content = block[words[first].start : words[after - 1].end]
            yield content, sum(word.tokens for word in words[first:after])
            used = words[_overlap_start(words, first, after)].start
        if is_last:
            return
        start += used or len(block)


def split_windows(content: str) -> list[str]:
    """The parts of a chunk that are embedded: of equal length, about 250 tokens each at most."""
    words = _measure_words(content)
    total = sum(word.tokens for word in words)
    if total <= WINDOW_TOKENS:
        return [content]
    wanted = total / -(-total // WINDOW_TOKENS)
    windows: list[str] = []
    begin = seen = 0
    for index, word in enumerate(words):
        seen += word.tokens
        if seen >= wanted * (len(windows) + 1) or index == len(words) - 1:
            windows.append(content[words[begin].start : word.end])
            begin = index + 1
    return windows


def _cut(words: list[_Word], *, is_last: bool) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(words):
        after = _fill(words, first)
        if after == len(words) and not is_last:
            return  # the next block continues this chunk
        if after < len(words):
            after = _best_end(words, first, after)
        yield first, after
        if after == len(words):
            return
        first = _overlap_start(words, first, after)


def _fill(words: list[_Word], first: int) -> int:
    tokens, after = 0, first
    while after < len(words):
        tokens += words[after].tokens
        too_long = words[after].end - words[first].start > _CHUNK_CHARACTERS
        if after > first and (tokens > CHUNK_TOKENS or too_long):
            break
        after += 1
    return after


def _best_end(words: list[_Word], first: int, after: int) -> int:
    tokens, best = 0, after
    best_border = 0
    for index in range(first, after):
        tokens += words[index].tokens
        if tokens >= _EARLIEST_END and words[index].border >= max(best_border, 1):
            best, best_border = index + 1, words[index].border
    return best


def _overlap_start(words: list[_Word], first: int, after: int) -> int:
    if after >= len(words):
        return after - 1
    start, tokens, at_sentence = after, 0, None
    while start > first + 1 and tokens + words[start - 1].tokens <= OVERLAP_TOKENS:
        if words[after - 1].end - words[start - 1].start > _OVERLAP_CHARACTERS:
            break
        start -= 1
        tokens += words[start].tokens
        if words[start - 1].border and tokens >= OVERLAP_TOKENS // 3:
            at_sentence = start
    return start if at_sentence is None else at_sentence


def _measure_words(text: str) -> list[_Word]:
    pieces = list(_PIECE.finditer(text))
    counts = _count_tokens(text, [piece.end() for piece in pieces])
    return [
        _Word(piece.start(), piece.end(), counts[index], _border_after(text, pieces, index))
        for index, piece in enumerate(pieces)
    ]


def _count_tokens(text: str, ends: list[int]) -> list[int]:
    counts = [0] * len(ends)
    word = 0
    for begin, _ in load_tokenizer().encode(text, add_special_tokens=False).offsets:
        while word < len(ends) - 1 and begin >= ends[word]:
            word += 1
        if counts:
            counts[word] += 1
    return counts


def _border_after(text: str, pieces: list[re.Match[str]], index: int) -> int:
    end = pieces[index].end()
    gap = text[end : pieces[index + 1].start()] if index + 1 < len(pieces) else "\n\n"
    if not gap:
        return 0
    lines = gap.count("\n")
    if lines:
        return min(lines, 2) + 1
    return 1 if _SENTENCE_END.search(pieces[index].group()) else 0
