"""What an agent's settings make of what a request says for itself."""

import openai
import pytest

from agents.config import AgentConfig
from chat.transports.openai.requests import settle_instructions, settle_temperature
from core.errors import ValidationFailed
from tests.chat.conftest import make_client
from tests.chat.transports.openai.conftest import open_client
from tests.factories import make_agent, make_workspace


def test_system_messages_are_appended_or_ignored():
    told = ("Be short.", "Be kind.")
    assert settle_instructions(AgentConfig(), told, "messages") == "Be short.\n\nBe kind."
    assert settle_instructions(AgentConfig(openai_system_messages="ignore"), told, "messages") == ""


def test_system_messages_are_refused_only_when_there_are_some():
    config = AgentConfig(openai_system_messages="refuse")
    assert settle_instructions(config, (), "messages") == ""
    with pytest.raises(ValidationFailed, match="no instructions"):
        settle_instructions(config, ("Be short.",), "messages")


def test_temperature_replaces_the_agents_or_is_ignored():
    assert settle_temperature(AgentConfig(), 0.9) == 0.9
    assert settle_temperature(AgentConfig(), None) is None
    assert settle_temperature(AgentConfig(openai_temperature="ignore"), 0.9) is None


def test_temperature_is_refused_only_when_there_is_one():
    config = AgentConfig(openai_temperature="refuse")
    assert settle_temperature(config, None) is None
    with pytest.raises(ValidationFailed, match="fixed"):
        settle_temperature(config, 0.0)


@pytest.fixture
def strict(server):
    agent = make_agent(
        make_workspace()[0], knowledge_enabled=False, openai_system_messages="refuse", openai_temperature="refuse"
    )
    caller = make_client(server, agent)
    with open_client(caller) as client:
        yield client, agent.slug
    caller.session.close()


def test_strict_agent_refuses_in_both_apis(strict):
    client, model = strict
    hello = {"role": "user", "content": "SAY: Hello"}
    assert client.responses.create(model=model, input="SAY: Hello").output_text == "Hello"
    refused = [
        (lambda: client.chat.completions.create(model=model, messages=[hello], temperature=1), "temperature"),
        (lambda: client.chat.completions.create(model=model, messages=[{"role": "system", "content": "Hm"}, hello]),
         "messages"),
        (lambda: client.responses.create(model=model, input="Hi", instructions="Be rude."), "input"),
    ]  # fmt: skip
    for call, param in refused:
        with pytest.raises(openai.BadRequestError) as refusal:
            call()
        assert refusal.value.param == param


def test_lenient_agent_ignores_and_says_what_took_effect(server, fake_model):
    agent = make_agent(
        make_workspace()[0], knowledge_enabled=False, instructions="Mine.", openai_system_messages="ignore",
        openai_temperature="ignore",
    )  # fmt: skip
    caller = make_client(server, agent)
    with open_client(caller) as client:
        response = client.responses.create(model=agent.slug, input="Hi", instructions="Be rude.", temperature=1)
    caller.session.close()
    assert (response.instructions, response.temperature) == (None, 0.3)
    sent = fake_model.chats[0]
    assert (sent["messages"][0]["content"], sent["temperature"]) == ("Mine.", 0.3)
