"""With the official client, its base URL and key changed and nothing else."""

import openai
import pytest

from chat.models import Conversation
from tests.factories import make_agent, make_workspace


@pytest.fixture
def client(client_with_key):
    key = client_with_key.headers["Authorization"].split()[1]
    with openai.OpenAI(base_url=f"{client_with_key.url}/api/v1", api_key=key, max_retries=0) as client:
        yield client


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


def test_models_are_the_keys_agent(client, agent):
    assert [model.id for model in client.models.list()] == [agent.slug]
    assert client.models.retrieve(agent.slug).owned_by == "gilo"
    assert client.models.retrieve(str(agent.pk)).id == str(agent.pk)


def test_another_model_is_model_not_found(client):
    other = make_agent(make_workspace()[0])
    for name in (other.slug, str(other.pk), "gpt-5"):
        with pytest.raises(openai.NotFoundError) as refusal:
            client.chat.completions.create(model=name, messages=[USER])
        assert refusal.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)


def test_wrong_key_is_an_authentication_error(client_with_key, agent):
    with (
        openai.OpenAI(base_url=f"{client_with_key.url}/api/v1", api_key="gilo_no", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model=agent.slug, messages=[USER])


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []}, {"messages": "Hi"}, {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": ""}]}, {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"temperature": 3}, {"temperature": "hot"}, {"n": 2}, {"tools": [{"type": "function"}]}, {"stream": "yes"},
        {"unknown": 1}, {"max_tokens": 0}, {"stop": ["x"]},
    ],
)  # fmt: skip
def test_bad_request_is_400(client_with_key, agent, fields):
    body = {"model": agent.slug, "messages": [USER], **fields}
    response = client_with_key.call("POST", "/api/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_model_failure_in_mid_stream_raises_in_the_client(client, agent):
    stream = client.chat.completions.create(
        model=agent.slug, messages=[{"role": "user", "content": "WORDS:20 DELAY:5 FAULT:drop"}], stream=True
    )
    with pytest.raises(openai.APIError, match="broke"):
        list(stream)
