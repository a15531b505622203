"""Chat completions, with the official client."""

import json
from uuid import UUID

import openai
import orjson
import pytest

from chat.models import Conversation
from chat.runtime.events import Event
from chat.transports.openai.completions import Chunks, frame_text, read_completion
from core.errors import ValidationFailed
from tests.chat.transports.openai.conftest import open_client
from tests.factories import make_agent, make_workspace

USER = {"role": "user", "content": "SAY: Hello there"}


def test_completion_answers_like_openai(client, agent):
    answer = client.chat.completions.create(model=agent.slug, messages=[USER])
    assert answer.choices[0].message.content == "Hello there"
    assert (answer.object, answer.model, answer.choices[0].finish_reason) == ("chat.completion", agent.slug, "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert Conversation.objects.get().channel == "openai"


def test_completion_streams_like_openai(client, agent):
    chunks = list(
        client.chat.completions.create(
            model=str(agent.pk),
            messages=[{"role": "user", "content": "WORDS:3 DELAY:10"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "word0 word1 word2 "
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_completion_streams_through_the_clients_accumulator(reader):
    question = {"role": "user", "content": "Who is the harbour master? SAY: Odile Kerr [1] indeed"}
    with (
        open_client(reader) as client,
        client.chat.completions.stream(model=reader.agent_id, messages=[question]) as stream,
    ):
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert message.content == "Odile Kerr [1] indeed"
    assert message.annotations[0].url_citation.title == "guide.md"


def test_completion_sources_are_annotations_at_their_marks(reader):
    question = {"role": "user", "content": "Who is the harbour master? SAY: Odile Kerr [1] indeed"}
    with open_client(reader) as client:
        message = client.chat.completions.create(model=reader.agent_id, messages=[question]).choices[0].message
        chunks = list(client.chat.completions.create(model=reader.agent_id, messages=[question], stream=True))
    (annotation,) = message.annotations
    place = annotation.url_citation
    assert (annotation.type, message.content[place.start_index : place.end_index]) == ("url_citation", "[1]")
    source = annotation.file_citation
    assert (place.url, source["filename"]) == (f"urn:uuid:{source['file_id']}", "guide.md")
    assert "Odile Kerr" in source["snippet"]
    assert chunks[-2].choices[0].delta.annotations == [annotation.model_dump()]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_completion_history_and_system_messages_reach_the_model(client, agent, fake_model):
    messages = [
        {"role": "system", "content": "Speak like a sailor."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Ahoy"},
        {"role": "user", "content": [{"type": "text", "text": "SAY: Fair winds"}]},
    ]
    client.chat.completions.create(model=agent.slug, messages=messages, temperature=0.9, max_tokens=7)
    sent = fake_model.chats[0]
    assert sent["messages"][0]["content"].endswith("\n\nSpeak like a sailor.")
    assert [message["content"] for message in sent["messages"][1:]] == ["Hi", "Ahoy", "SAY: Fair winds"]
    assert (sent["temperature"], sent["max_tokens"]) == (0.9, 7)


def test_completion_max_tokens_cannot_raise_the_agents_limit(client, agent, fake_model):
    client.chat.completions.create(model=agent.slug, messages=[USER], max_completion_tokens=500_000)
    assert fake_model.chats[0]["max_tokens"] == 1024


@pytest.mark.parametrize("name", ["user", "safety_identifier"])
def test_completion_user_is_the_conversations_end_user(client, agent, name):
    client.chat.completions.create(model=agent.slug, messages=[USER], **{name: "visitor-7"})
    assert Conversation.objects.get().end_user == "visitor-7"


def test_another_model_is_model_not_found(client):
    other = make_agent(make_workspace()[0])
    for name in (other.slug, str(other.pk), "gpt-5"):
        with pytest.raises(openai.NotFoundError) as refusal:
            client.chat.completions.create(model=name, messages=[USER])
        assert refusal.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": ""}]}, "message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
         "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": [], "text": "x"}]}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages.0.content"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, USER]}, "messages.0"),
        ({"temperature": 3}, "temperature"), ({"temperature": "hot"}, "temperature"), ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"), ({"stream": "yes"}, "stream"), ({"unknown": 1}, "unknown"),
        ({"max_tokens": 0}, "max_tokens"), ({"stop": ["x"]}, "stop"), ({"stream_options": []}, "stream_options"),
        ({"response_format": {"type": "json_object"}}, "response_format"), ({"user": "x" * 201}, "user"),
    ],
)  # fmt: skip
def test_completion_wrong_field_is_refused_with_its_name(fields, param):
    with pytest.raises(ValidationFailed) as refusal:
        read_completion({"model": "guide", "messages": [USER], **fields})
    assert refusal.value.param == param


def test_completion_takes_what_frameworks_send_along(client_with_key, agent):
    """LangChain, LlamaIndex and chat front ends send their defaults, most of which ask for nothing."""
    body = {
        "model": agent.slug,
        "messages": [{"role": "user", "name": "ada", "content": [{"type": "text", "text": "SAY: Hello"}]}],
        "n": 1, "stream": False, "temperature": 0.7, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0,
        "logit_bias": {}, "seed": 7, "stop": None, "logprobs": False, "tools": [], "tool_choice": "auto",
        "functions": None, "parallel_tool_calls": True, "response_format": {"type": "text"}, "metadata": {"a": "b"},
        "store": False, "service_tier": "auto", "max_completion_tokens": None, "top_k": 40, "reasoning_effort": "low",
        "stream_options": None, "prediction": {"type": "content", "content": "x"}, "web_search_options": None,
    }  # fmt: skip
    response = client_with_key.call("POST", "/api/v1/chat/completions", json=body)
    assert response.json()["choices"][0]["message"]["content"] == "Hello"


def test_completion_raw_stream_is_what_the_protocol_says(client_with_key, agent):
    """As curl sees it: `data:` lines alone, a role first, `[DONE]` last."""
    body = {"model": agent.slug, "messages": [{"role": "user", "content": "WORDS:3 DELAY:20"}], "stream": True}
    with client_with_key.call("POST", "/api/v1/chat/completions", json=body, stream=True) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = [line.decode() for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]


def test_completion_failure_in_mid_stream_raises_in_the_client(client, agent):
    stream = client.chat.completions.create(
        model=agent.slug, messages=[{"role": "user", "content": "WORDS:20 DELAY:5 FAULT:drop"}], stream=True
    )
    with pytest.raises(openai.APIError, match="broke"):
        list(stream)


@pytest.mark.parametrize("text", ["plain", 'a "quote", a \\ and a\nline', "é 😀 \x07", ""])
@pytest.mark.parametrize("model", ["guide", 'odd "model" ,"choices":[] \\'])
@pytest.mark.parametrize("include_usage", [True, False])
def test_chunk_by_its_frame_is_the_chunk_encoded_whole(text, model, include_usage):
    chunks = Chunks(UUID(int=7), model, include_usage=include_usage)
    first, piece = chunks.encode([Event(2, "delta", {"text": "x"})]), chunks.encode([Event(3, "delta", {"text": text})])
    whole = orjson.loads(first.removeprefix(b"data: "))
    whole["choices"][0]["delta"] = {"content": text}
    assert piece == b"data: %b\n\n" % orjson.dumps(whole)


def test_frame_of_text_closes_the_base_it_opens():
    head, tail = frame_text({"id": "1"})
    assert head + b'"x"' + tail == (
        b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"x"},"logprobs":null,"finish_reason":null}]}\n\n'
    )
