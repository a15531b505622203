"""A server, an agent, and receivers that webhooks may reach on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest

from agents.models import Agent
from tests.factories import make_agent, make_workspace
from tests.live import LiveServer


@pytest.fixture
def live() -> Iterator[str]:
    with LiveServer() as server:
        yield server.url


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_workspace()[0])


@pytest.fixture
def allow_loopback(settings: Any) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.1/32"]
