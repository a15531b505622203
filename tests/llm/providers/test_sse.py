"""The parser byte by byte."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm import errors
from llm.providers import sse
from llm.providers.sse import MAX_TOKENS, StreamParser, read_whole_answer
from llm.types import Finished, ModelEvent, TextDelta, ToolCallDelta, Usage


def line(content: object = None, finish: str | None = None, **more: object) -> bytes:
    delta = {} if content is None else {"content": content}
    return b"data: " + orjson.dumps({"choices": [{"delta": delta, "finish_reason": finish}], **more}) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def parse(*reads: bytes) -> list[ModelEvent]:
    parser = StreamParser()
    return [event for read in reads for event in parser.feed(read)] + parser.close()


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@given(st.lists(st.text(max_size=20), max_size=12), st.lists(st.integers(1, 40), max_size=30))
def test_parser_gives_the_same_text_however_reads_are_cut(pieces: list[str], cuts: list[int]) -> None:
    stream = b"".join(line(piece) for piece in pieces) + line(finish="stop") + DONE
    reads, rest = [], stream
    for cut in cuts:
        reads.append(rest[:cut])
        rest = rest[cut:]
    events = parse(*reads, rest)
    assert text_of(events) == "".join(pieces)
    assert events[-1] == Finished("stop")


def text_by_json(lines: list[bytes]) -> str | None:
    """The text of these lines, each read by itself; None when one of them is no JSON, or its content no text."""
    try:
        contents = [orjson.loads(line[5:])["choices"][0]["delta"]["content"] for line in lines]
    except orjson.JSONDecodeError:
        return None
    return "".join(contents) if all(type(content) is str for content in contents) else None


@given(
    st.lists(st.text(alphabet='ab5",\\:{}[]', max_size=8) | st.just("\\\\"), max_size=6), st.booleans(), st.booleans()
)
def test_parser_reads_lines_that_are_alike_as_json_does(inners: list[str], has_comment: bool, has_cr: bool) -> None:
    lines = [b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % inner.encode() for inner in ["x", *inners, "y"]]
    expected = text_by_json(lines)
    if has_comment:
        lines.insert(2, b": wait\n\n")
    stream = b"".join(lines) + line(finish="stop") + DONE
    if has_cr:
        stream = stream.replace(b"\n", b"\r\n")
    if expected is None:
        with pytest.raises(errors.ModelStreamBroken):
            parse(stream)
    else:
        assert text_of(parse(stream)) == expected


def test_parser_reads_alike_lines_that_other_lines_part() -> None:
    parts = [line("a"), line("b"), line("c", usage={"prompt_tokens": 1}), line("d"), b": wait\n\n", line("e")]
    assert text_of(parse(b"".join(parts) + line(finish="stop") + DONE)) == "abcde"


def test_parser_looks_at_no_byte_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    read_alike = StreamParser._read_alike

    def counting(parser: StreamParser, lines: bytes) -> str | None:
        nonlocal looked_at
        looked_at += len(lines)
        return read_alike(parser, lines)

    monkeypatch.setattr(StreamParser, "_read_alike", counting)
    stream = (line("a") + b": wait\n\n") * 500
    assert text_of(StreamParser().feed(stream)) == "a" * 500
    assert looked_at < 3 * len(stream)


def test_parser_joins_the_text_of_one_read() -> None:
    assert parse(line("a") + line("b") + line("c") + line(finish="stop") + DONE) == [TextDelta("abc"), Finished("stop")]


def test_parser_tells_usage_once_and_before_the_end() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5}
    events = parse(
        line("a", usage=usage) + line("b", usage={**usage, "completion_tokens": 6}), line(finish="stop") + DONE
    )
    assert events == [TextDelta("ab"), Usage(3, 6), Finished("stop")]


def test_parser_bounds_impossible_usage() -> None:
    usage = {"prompt_tokens": -5, "completion_tokens": 10**12}
    assert parse(line("a", finish="stop", usage=usage) + DONE)[1] == Usage(0, MAX_TOKENS)


def test_parser_takes_a_last_line_without_line_break() -> None:
    assert parse(line("a"), line(finish="length").strip()) == [TextDelta("a"), Finished("length")]


def test_parser_ignores_what_follows_done() -> None:
    assert parse(line("a") + line(finish="stop") + DONE + line("more")) == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": []},
        {"choices": None},
        {},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"delta": {"reasoning_content": "hmm"}}]},
        {"choices": [{"delta": {"tool_calls": None}}]},
        {"choices": [], "prompt_filter_results": [{}], "usage": None},
    ],
)
def test_parser_passes_over_chunks_without_text(chunk: object) -> None:
    events = parse(b"data:" + orjson.dumps(chunk) + b"\r\n\r\n", line("a") + line(finish="stop") + DONE)
    assert events == [TextDelta("a"), Finished("stop")]


def test_parser_reads_text_in_parts_without_thoughts() -> None:
    parts = [{"type": "thinking", "thinking": "hmm"}, {"type": "text", "text": "yes"}]
    assert text_of(parse(line(parts) + line(finish="stop"))) == "yes"


def test_parser_reads_refusals_as_text() -> None:
    refusal = b'data: {"choices":[{"delta":{"refusal":"I cannot"}}]}\n'
    assert text_of(parse(refusal + line(finish="stop"))) == "I cannot"


def test_parser_reads_tool_calls() -> None:
    delta = {"tool_calls": [{"index": 1, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    call = b"data: " + orjson.dumps({"choices": [{"delta": delta}]}) + b"\n"
    assert parse(call + line(finish="tool_calls"))[0] == ToolCallDelta(1, "c", "f", "{}")


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {\n", b"data: nonsense\n", b"data: []\n", b"data: 5\n", b'data: {"choices":5}\n',
        b'data: {"choices":[5]}\n',
        b'data: {"choices":[{"delta":{"content":5}}]}\n', b'data: {"choices":[{"delta":{"content":[5]}}]}\n',
        b'data: {"choices":[{"delta":{"tool_calls":[5]}}]}\n', b'data: {"choices":[{"delta":"x"}]}\n',
        b'data: {"usage":{"prompt_tokens":"x"}}\n', b"data: \xff\xfe\n", b'data: {"usage": 7}\n',
    ],
)  # fmt: skip
def test_parser_refuses_what_is_broken(broken: bytes) -> None:
    parser = StreamParser()
    assert parser.feed(line("before")) == [TextDelta("before")]
    with pytest.raises(errors.ModelStreamBroken):
        parser.feed(broken)


def test_parser_refuses_an_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_LINE_BYTES", 1000)
    parser = StreamParser()
    with pytest.raises(errors.ModelStreamBroken, match="endless"):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 100)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "code": 429}, errors.ModelRateLimited),
        ({"message": "bad", "type": "invalid_request_error"}, errors.ModelRejected),
        ({"message": "overheated", "type": "server_error"}, errors.ModelUnavailable),
        ("just words", errors.ModelUnavailable),
    ],
)
def test_parser_raises_the_providers_own_error(error: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        StreamParser().feed(b"data: " + orjson.dumps({"error": error}) + b"\n")


def test_parser_cut_before_the_end_is_broken() -> None:
    parser = StreamParser()
    parser.feed(line("half"))
    with pytest.raises(errors.ModelStreamBroken):
        parser.close()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b'"x"', b"\xff"]
)
def test_read_whole_answer_refuses_what_is_not_one(body: bytes) -> None:
    with pytest.raises(errors.ModelRejected):
        read_whole_answer(body)


@given(st.binary(max_size=300))
def test_parser_never_fails_otherwise(data: bytes) -> None:
    parser = StreamParser()
    try:
        parser.feed(b"data: " + data + b"\n")
        parser.close()
    except errors.ModelError:
        pass


def test_comments_are_skipped_between_and_before_lines() -> None:
    noise = b": wait\n\nevent: x\n" * 1000 + b"\r\n"
    stream = (
        noise + line("a") + noise + line("b").replace(b"\n\n", b"\n") + line("c") + noise + line(finish="stop") + DONE
    )
    for size in (len(stream), 1000, 7):
        assert text_of(parse(*(stream[at : at + size] for at in range(0, len(stream), size)))) == "abc"


@pytest.mark.parametrize("reason", ["x" * 21, "a\x00b", "a\nb", {"a": [1, 2, 3, 4, 5, 6]}])
def test_finish_reason_that_cannot_be_stored_counts_as_the_usual_one(reason: object) -> None:
    body = {"choices": [{"message": {"content": "a"}, "finish_reason": reason}]}
    for events in (parse(line("a", reason), DONE), read_whole_answer(orjson.dumps(body))):
        assert events[-1] == Finished("stop")


def test_words_of_a_provider_hold_no_nul() -> None:
    with pytest.raises(errors.ModelError) as raised:
        parse(b"data: " + orjson.dumps({"error": {"message": "no\x00 way"}}) + b"\n\n")
    assert "no way" in raised.value.message
