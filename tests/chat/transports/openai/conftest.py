"""The official Python client, its base URL and key changed and nothing else."""

from collections.abc import Iterator

import openai
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from agents.models import Agent
from knowledge.processing import process_next
from tests.chat.conftest import make_client
from tests.chat.serving import Client
from tests.factories import make_agent, make_key, make_workspace

GUIDE = b"# Harbour guide\n\nThe harbour master is called Odile Kerr. The gate opens at six in the morning.\n"


@pytest.fixture
def client(client_with_key: Client) -> Iterator[openai.OpenAI]:
    with open_client(client_with_key) as client:
        yield client


def open_client(caller: Client, *, key: str = "", max_retries: int = 0) -> openai.OpenAI:
    """The official client with the caller's key, or another one."""
    known = caller.headers["Authorization"].split()[1]
    return openai.OpenAI(base_url=f"{caller.url}/api/v1", api_key=key or known, max_retries=max_retries)


@pytest.fixture
def stranger(client_with_key: Client, agent: Agent) -> Iterator[openai.OpenAI]:
    """Another key of the same agent."""
    with open_client(client_with_key, key=make_key(agent)) as client:
        yield client


@pytest.fixture
def reader(server: str, settings, tmp_path) -> Iterator[Client]:
    """A caller of an agent that has read one document."""
    settings.MEDIA_ROOT = tmp_path / "files"
    workspace, user = make_workspace()
    agent = make_agent(workspace)
    browser = Browser()
    browser.force_login(user)
    upload = {"file": SimpleUploadedFile("guide.md", GUIDE)}
    assert browser.post(f"/api/agents/{agent.pk}/knowledge", upload).status_code == 202
    while process_next():
        pass
    caller = make_client(server, agent)
    yield caller
    caller.session.close()
