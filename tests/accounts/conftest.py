"""Accounts for these tests: real argon2, but with the least work, so that the suite is quick."""

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import cache

from accounts import services
from accounts.models import User

PASSWORD = "tidal-lantern-42"


@pytest.fixture(autouse=True)
def quick_argon2(monkeypatch):
    monkeypatch.setattr(Argon2PasswordHasher, "time_cost", 1)
    monkeypatch.setattr(Argon2PasswordHasher, "memory_cost", 64)
    monkeypatch.setattr(Argon2PasswordHasher, "parallelism", 1)


@pytest.fixture(autouse=True)
def fresh_counters():
    cache.clear()


@pytest.fixture
def user(db) -> User:
    return services.register_user(email="ada@example.com", password=PASSWORD, name="Ada", verified=True)


@pytest.fixture
def tokens(client, user):
    response = client.post("/api/auth/login", {"email": user.email, "password": PASSWORD}, "application/json")
    assert response.status_code == 200, response.content
    return response.json()


@pytest.fixture
def bearer(tokens):
    return {"HTTP_AUTHORIZATION": f"Bearer {tokens['access']}"}
