"""A real web server, the fake model, an agent with a key."""

from collections.abc import Iterator

import pytest

from agents.models import Agent
from chat import lifecycle
from tests.chat.serving import Client, serving
from tests.factories import make_agent, make_key, make_workspace


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    workspace, _ = make_workspace()
    return make_agent(workspace, knowledge_enabled=False)


@pytest.fixture
def server(transactional_db: None, settings, fake_model, monkeypatch) -> Iterator[str]:
    """The address of a real web server whose platform model is the fake one."""
    settings.OPENAI_BASE_URL = fake_model.url
    settings.OPENAI_MODEL = "fake-model"
    settings.DEFAULT_PLAN = "unlimited"  # what limits do is tested where a plan is set
    monkeypatch.setattr(lifecycle, "SHUTDOWN_SECONDS", 0.2)
    with serving() as url:
        yield url


@pytest.fixture
def client_with_key(server: str, agent: Agent) -> Iterator[Client]:
    client = make_client(server, agent)
    yield client
    client.session.close()


def make_client(server: str, agent: Agent) -> Client:
    """A client with a new key of the agent."""
    return Client(server, str(agent.pk), {"Authorization": f"Bearer {make_key(agent)}"})
