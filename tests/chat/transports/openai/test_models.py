import openai
import pytest

from tests.factories import make_agent, make_workspace


def test_models_are_the_keys_agent(client, agent):
    assert [model.id for model in client.models.list()] == [agent.slug]
    assert client.models.retrieve(agent.slug).owned_by == "gilo"
    assert client.models.retrieve(str(agent.pk)).id == str(agent.pk)


def test_model_of_another_agent_is_not_found(client):
    other = make_agent(make_workspace()[0])
    for name in (other.slug, str(other.pk), "gpt-5"):
        with pytest.raises(openai.NotFoundError) as refusal:
            client.models.retrieve(name)
        assert refusal.value.code == "model_not_found"
