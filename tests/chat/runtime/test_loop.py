import pytest

from chat.runtime.loop import Answer, stream_answer
from chat.runtime.outcome import AnswerEmpty
from llm.errors import ModelStreamBroken
from llm.types import Finished, TextDelta, Usage


async def batches(*groups, error=None):
    for group in groups:
        yield list(group)
    if error:
        raise error


async def test_stream_answer_publishes_one_text_for_each_read():
    answer, published = Answer(), []
    stream = batches([TextDelta("a"), TextDelta("b")], [TextDelta("c"), Usage(3, 4), Finished("length")])
    outcome = await stream_answer(stream, answer, published.append)
    assert published == ["ab", "c"]
    assert (answer.text, answer.usage, outcome.status, outcome.finish_reason) == (
        "abc",
        Usage(3, 4),
        "complete",
        "length",
    )


async def test_stream_answer_rests_after_each_read_but_the_last():
    told = []

    async def rest():
        told.append("rest")

    stream = batches([TextDelta("a")], [TextDelta("b")], [TextDelta("c"), Finished("stop")])
    await stream_answer(stream, Answer(), told.append, rest)
    assert told == ["a", "rest", "b", "rest", "c"]


async def test_stream_answer_without_text_is_an_error():
    with pytest.raises(AnswerEmpty):
        await stream_answer(batches([Finished("stop")]), Answer(), print)


async def test_stream_answer_that_breaks_keeps_what_came():
    answer = Answer()
    with pytest.raises(ModelStreamBroken):
        await stream_answer(batches([TextDelta("half")], error=ModelStreamBroken()), answer, [].append)
    assert answer.text == "half"


async def test_stream_answer_nul_and_lone_surrogate_become_storable():
    answer, published = Answer(), []
    await stream_answer(batches([TextDelta("a\x00b\ud800c")]), answer, published.append)
    assert answer.text == "a\ufffdb?c" == published[0]


async def test_stream_answer_that_is_closed_closes_the_model():
    closed = []

    async def endless():
        try:
            while True:
                yield [TextDelta("x")]
        finally:
            closed.append(True)

    def publish(text):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        await stream_answer(endless(), Answer(), publish)
    assert closed == [True]
