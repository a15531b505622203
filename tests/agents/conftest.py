"""An agent, and the browser of who builds it."""

import pytest
from django.test import Client

from agents.models import Agent
from tests.factories import make_agent, make_workspace


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_workspace()[0])


@pytest.fixture
def builder(agent: Agent) -> Client:
    client = Client()
    client.force_login(agent.workspace.members.get())
    return client
