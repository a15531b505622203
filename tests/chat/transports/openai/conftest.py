"""The official Python client, its base URL and key changed and nothing else."""

from collections.abc import Iterator

import openai
import pytest

from agents.models import Agent
from tests.chat.serving import Client
from tests.factories import make_key


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
