"""A server for chats, and people of the store."""

from collections.abc import Iterator

import pytest

from tests.live import LiveServer


@pytest.fixture
def live(_fresh_limits: None) -> Iterator[str]:
    """The whole application on a socket: chats run in its event loop."""
    with LiveServer() as server:
        yield server.url


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """The counts of the doors live in this process; each test starts at its own."""
    from store import api

    api._limiter = type(api._limiter)("")
