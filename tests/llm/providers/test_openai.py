"""The streaming client against a real server, and against what the official SDK makes of the same streams."""

import asyncio
import socket
import time
from contextlib import aclosing, closing
from typing import Any

import openai as sdk
import pytest

from llm import errors
from llm.providers import http1, openai
from llm.providers.http1 import pool
from llm.types import ChatMessage, ChatRequest, Endpoint, Finished, ModelEvent, TextDelta, ToolCallDelta, Usage
from tests.fake_model import FakeModel


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "BACKOFF", (0.01, 0.02))
    monkeypatch.setattr(openai, "DRAIN_TIMEOUT", 0.05)


def endpoint_for(fake: FakeModel, **changes: Any) -> Endpoint:
    values = {"id": "platform", "base_url": fake.url, "api_key": "sk-test", "model": "fake-model"}
    return Endpoint(**{**values, "is_platform": True, "kind": "openai", **changes})


def ask(text: str) -> ChatRequest:
    return ChatRequest(messages=[ChatMessage("user", text)], temperature=0.2, max_tokens=100)


async def collect(fake: FakeModel, text: str, **changes: Any) -> list[ModelEvent]:
    return [event async for batch in openai.stream_chat(endpoint_for(fake, **changes), ask(text)) for event in batch]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_stream_chat_yields_text_usage_and_end(fake_model: FakeModel) -> None:
    events = await collect(fake_model, "SAY:Bonjour à tous 👋")
    assert text_of(events) == "Bonjour à tous 👋"
    assert events[-2:] == [Usage(9, 4), Finished("stop")]


async def test_stream_chat_sends_what_the_protocol_asks(fake_model: FakeModel) -> None:
    await collect(fake_model, "hello")
    request = fake_model.requests[0]
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.body == {
        "model": "fake-model",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.2,
        "max_tokens": 100,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_stream_chat_without_key_sends_no_authorization(fake_model: FakeModel) -> None:
    await collect(fake_model, "hello", api_key="")
    assert "Authorization" not in fake_model.requests[0].headers


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_stream_chat_joins_lines_split_across_reads(fake_model: FakeModel, size: int) -> None:
    events = await collect(fake_model, f"SPLIT:{size} SAY:Où est l'été ? 東京 👋")
    assert text_of(events) == "Où est l'été ? 東京 👋"
    assert events[-1] == Finished("stop")


@pytest.mark.parametrize("fault", ["", "crlf", "no-done"])
@pytest.mark.parametrize("asked", ["WORDS:30", "SAY:Ça alors : «été» 👋", 'CALL_TOOL:weather{"city": "Orléans"}'])
async def test_stream_chat_agrees_with_the_official_sdk(fake_model: FakeModel, fault: str, asked: str) -> None:
    fake_model.fault = fault
    ours = summarize(await collect(fake_model, asked))
    assert ours == await collect_with_sdk(fake_model, asked)


@pytest.mark.parametrize("fault", ["plain", "linger"])
async def test_stream_chat_reads_what_other_servers_do(fake_model: FakeModel, fault: str) -> None:
    events = await collect(fake_model, f"FAULT:{fault} SAY:all the same")
    assert text_of(events) == "all the same"
    assert events[-1] == Finished("stop")


async def test_stream_chat_reads_a_tool_call_from_one_object(fake_model: FakeModel) -> None:
    events = await collect(fake_model, "FAULT:plain CALL_TOOL:weather")
    assert [type(event) for event in events] == [ToolCallDelta, Usage, Finished]


async def collect_with_sdk(fake: FakeModel, text: str) -> dict[str, Any]:
    seen: dict[str, Any] = {"text": "", "tool": "", "arguments": "", "usage": None, "finish": ""}
    async with sdk.AsyncOpenAI(base_url=fake.url, api_key="sk-test", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="fake-model",
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.usage:
                seen["usage"] = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            for choice in chunk.choices:
                seen["text"] += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    seen["tool"] += call.function.name or "" if call.function else ""
                    seen["arguments"] += call.function.arguments or "" if call.function else ""
                seen["finish"] = choice.finish_reason or seen["finish"]
    return seen


def summarize(events: list[ModelEvent]) -> dict[str, Any]:
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    usage = next((event for event in events if isinstance(event, Usage)), None)
    return {
        "text": text_of(events),
        "tool": "".join(call.name for call in calls),
        "arguments": "".join(call.arguments for call in calls),
        "usage": (usage.input_tokens, usage.output_tokens) if usage else None,
        "finish": next(event.reason for event in events if isinstance(event, Finished)),
    }


async def test_stream_chat_sends_once_for_each_upstream_read(fake_model: FakeModel) -> None:
    batches = [batch async for batch in openai.stream_chat(endpoint_for(fake_model), ask("WORDS:5 DELAY:20"))]
    texts = [event.text for batch in batches for event in batch if isinstance(event, TextDelta)]
    assert len(batches) >= 5
    assert texts == ["word0 ", "word1 ", "word2 ", "word3 ", "word4 "]


async def test_stream_chat_keeps_its_connection(fake_model: FakeModel) -> None:
    for _ in range(3):
        await collect(fake_model, "hello")
    assert len(fake_model.requests) == 3
    assert len(fake_model.connections) == 1


@pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "empty", "nothing", "error-first"])
async def test_stream_chat_retries_before_the_first_event(
    fake_model: FakeModel, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "LONGEST_RETRY_AFTER", 1.0)
    events = await collect(fake_model, f"FAULT:{fault}*1 SAY:at last")
    assert text_of(events) == "at last"
    assert len(fake_model.requests) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "requests", "words"),
    [
        ("500", errors.ModelUnavailable, 3, "The server had an error"),
        ("503", errors.ModelUnavailable, 3, "status 503"),
        ("reset", errors.ModelUnavailable, 3, "cannot be reached"),
        ("empty", errors.ModelUnavailable, 3, "empty answer"),
        ("429-long", errors.ModelRateLimited, 1, "Quota used up"),
        ("400", errors.ModelRejected, 1, "temperature must be at most 2"),
        ("404", errors.ModelRejected, 1, "fake-model"),
        ("redirect", errors.ModelRejected, 1, "redirects"),
        ("html", errors.ModelRejected, 1, "/v1"),
        ("length", errors.ModelRejected, 1, "max tokens"),
    ],
)
async def test_stream_chat_says_what_is_wrong(
    fake_model: FakeModel, fault: str, kind: type[errors.ModelError], requests: int, words: str
) -> None:
    with pytest.raises(kind, match=words):
        await collect(fake_model, f"FAULT:{fault} hello")
    assert len(fake_model.requests) == requests


async def test_stream_chat_passes_retry_after_on(fake_model: FakeModel) -> None:
    with pytest.raises(errors.ModelRateLimited) as caught:
        await collect(fake_model, "FAULT:429-long hello")
    assert caught.value.retry_after == 120


async def test_stream_chat_with_a_wrong_key_says_so_without_the_key(fake_model: FakeModel) -> None:
    fake_model.api_key = "sk-right"
    with pytest.raises(errors.ModelRejected, match="API key") as caught:
        await collect(fake_model, "hello", api_key="sk-wrong-secret")
    assert "sk-wrong-secret" not in str(caught.value)


async def test_stream_chat_hides_a_key_that_the_stream_repeats(fake_model: FakeModel) -> None:
    with pytest.raises(errors.ModelUnavailable, match="The model …") as caught:
        await collect(fake_model, "FAULT:error WORDS:20", api_key="overheated")
    assert "overheated" not in str(caught.value)


@pytest.mark.parametrize("fault", ["drop", "end", "malformed", "not-openai", "error"])
async def test_stream_chat_broken_in_the_middle_keeps_the_partial_and_does_not_retry(
    fake_model: FakeModel, fault: str
) -> None:
    events: list[ModelEvent] = []
    with pytest.raises(errors.ModelError) as caught:
        async for batch in openai.stream_chat(endpoint_for(fake_model), ask(f"FAULT:{fault} WORDS:20 DELAY:2")):
            events += batch
    assert text_of(events).startswith("word0 word1 ")
    assert "word19" not in text_of(events)
    assert len(fake_model.requests) == 1
    assert caught.value.code in {"model_stream_broken", "model_unavailable"}


async def test_stream_chat_when_the_model_hangs_times_out(
    fake_model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_TIMEOUT", 0.2)
    with pytest.raises(errors.ModelTimeout):
        await collect(fake_model, "FAULT:hang hello")
    assert len(fake_model.requests) == 1


async def test_stream_chat_when_only_comments_come_times_out(
    fake_model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "FIRST_EVENT_TIMEOUT", 0.2)
    with pytest.raises(errors.ModelTimeout):
        await collect(fake_model, "FAULT:silent hello")


async def test_stream_chat_that_falls_silent_keeps_the_partial(
    fake_model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_TIMEOUT", 0.2)
    events: list[ModelEvent] = []
    with pytest.raises(errors.ModelStreamBroken, match="silent"):
        async for batch in openai.stream_chat(endpoint_for(fake_model), ask("FAULT:stall WORDS:10")):
            events += batch
    assert text_of(events).startswith("word0 ")


@pytest.mark.parametrize("limit", ["TOTAL_TIMEOUT", "MAX_STREAM_BYTES", "MAX_TEXT_CHARACTERS"])
async def test_stream_chat_that_never_ends_is_cut(
    fake_model: FakeModel, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(openai, limit, 0.3 if limit == "TOTAL_TIMEOUT" else 2_000)
    events: list[ModelEvent] = []
    with pytest.raises(errors.ModelStreamBroken, match="does not stop"):
        async for batch in openai.stream_chat(endpoint_for(fake_model), ask("WORDS:100000 DELAY:10")):
            events += batch
    assert text_of(events).startswith("word0 ")
    await until(lambda: fake_model.open_streams == 0)


async def test_stream_chat_leaves_out_what_reasoning_models_refuse(fake_model: FakeModel) -> None:
    await collect(fake_model, "hello", model="gpt-5-mini")
    assert fake_model.chats[0]["max_completion_tokens"] == 100
    assert not {"temperature", "max_tokens"} & set(fake_model.chats[0])


async def test_stream_chat_to_a_closed_port_says_refused() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(errors.ModelUnavailable, match="refuses connections"):
        await collect(FakeModel(url=f"http://127.0.0.1:{port}/v1"), "hello")


async def test_stream_chat_to_an_unknown_name_says_so() -> None:
    with pytest.raises(errors.ModelUnavailable, match="not found"):
        await collect(FakeModel(url="http://no-such-host.invalid/v1"), "hello")


async def test_stream_chat_of_a_workspace_endpoint_cannot_reach_loopback(fake_model: FakeModel) -> None:
    with pytest.raises(errors.ModelBlocked) as caught:
        await collect(fake_model, "hello", is_platform=False)
    assert caught.value.code == "egress_blocked"
    assert fake_model.requests == []
    assert fake_model.connections == set()


async def until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.01)


async def test_stream_chat_when_closed_stops_the_model(fake_model: FakeModel) -> None:
    stream: Any = openai.stream_chat(endpoint_for(fake_model), ask("WORDS:1000 DELAY:20"))
    async with aclosing(stream):
        await anext(stream)
    await until(lambda: fake_model.aborted == 1 and fake_model.open_streams == 0)


async def test_stream_chat_when_cancelled_stops_the_model(fake_model: FakeModel) -> None:
    task = asyncio.create_task(collect(fake_model, "WORDS:1000 DELAY:20"))
    await until(lambda: fake_model.open_streams == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: fake_model.aborted == 1 and fake_model.open_streams == 0)


async def test_stream_chat_cancelled_while_waiting_for_headers_stops_the_model(fake_model: FakeModel) -> None:
    task = asyncio.create_task(collect(fake_model, "FAULT:hang hello"))
    await until(lambda: fake_model.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: fake_model.aborted == 1)


async def test_close_pool_lets_the_next_request_open_new_connections(fake_model: FakeModel) -> None:
    await collect(fake_model, "hello")
    await http1.close_pool()
    await http1.close_pool()
    assert text_of(await collect(fake_model, "SAY:again")) == "again"


async def test_stream_chat_serves_many_at_once(fake_model: FakeModel) -> None:
    answers = await asyncio.gather(*(collect(fake_model, f"SAY:answer {number} DONE") for number in range(50)))
    assert [text_of(events) for events in answers] == [f"answer {number} DONE" for number in range(50)]
