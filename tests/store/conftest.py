"""A server for chats, and doors that count from nothing."""

from collections.abc import Iterator

import pytest

from agents import visitors
from chat import lifecycle
from core.ratelimit import RateLimiter
from tests.chat.serving import serving


@pytest.fixture
def live(transactional_db: None, settings, fake_model, monkeypatch) -> Iterator[str]:
    """The address of a real web server whose platform model is the fake one."""
    settings.OPENAI_BASE_URL = fake_model.url
    settings.OPENAI_MODEL = "fake-model"
    settings.DEFAULT_PLAN = "unlimited"
    monkeypatch.setattr(lifecycle, "SHUTDOWN_SECONDS", 0.2)
    with serving() as url:
        yield url


@pytest.fixture(autouse=True)
def _fresh_limits(monkeypatch) -> None:
    """How many sessions an address has opened is counted in this process, which all tests share."""
    monkeypatch.setattr(visitors, "_limiter", RateLimiter(""))
