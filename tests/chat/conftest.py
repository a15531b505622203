"""A real web server, the fake model, an agent with a key."""

from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from agents.models import Agent
from chat import lifecycle
from knowledge.processing import process_next
from tests.chat.serving import Client, serving
from tests.factories import make_agent, make_key, make_workspace

GUIDE = b"# Harbour guide\n\nThe harbour master is called Odile Kerr. The gate opens at six in the morning.\n"


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


@pytest.fixture
def reader(server: str, settings, tmp_path) -> Iterator[Client]:
    """A client of an agent that has read one document."""
    settings.MEDIA_ROOT = tmp_path / "files"
    workspace, user = make_workspace()
    agent = make_agent(workspace, name="Harbour")
    browser = Browser()
    browser.force_login(user)
    response = browser.post(
        f"/api/agents/{agent.pk}/knowledge",
        {"file": SimpleUploadedFile("guide.md", GUIDE)},
        headers={"X-Workspace-Id": str(workspace.pk)},
    )
    assert response.status_code == 202, response.content
    while process_next():
        pass
    client = make_client(server, agent)
    yield client
    client.session.close()


def make_client(server: str, agent: Agent) -> Client:
    """A client with a new key of the agent."""
    return Client(server, str(agent.pk), {"Authorization": f"Bearer {make_key(agent)}"})
