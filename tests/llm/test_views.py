"""The page of models says which one answers and offers what can be done."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Role
from llm.services import create_endpoint
from tests.factories import make_workspace
from tests.fake_model import FakeModel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


def open_page(role: Role = Role.OWNER, language: str = "en", **endpoint: Any) -> str:
    workspace, user = make_workspace(role=role)
    if endpoint:
        values = {"name": "Ours", "base_url": "https://models.example.com/v1", "default_model": "big-1"}
        create_endpoint(workspace_id=workspace.pk, **{**values, **endpoint})
    client = Client(headers={"X-Workspace-Id": str(workspace.pk), "Accept-Language": language})
    client.force_login(user)
    response = client.get("/settings/models")
    assert response.status_code == 200
    return response.content.decode()


def test_page_without_models_says_that_the_demo_answers() -> None:
    page = open_page()
    assert "The demo model answers now" in page
    assert "No model is connected yet" in page
    assert "api.openai.com" in page


def test_page_speaks_french() -> None:
    assert "modèle de démonstration qui répond" in open_page(language="fr")


def test_page_names_the_platforms_model(settings: Any) -> None:
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    settings.OPENAI_MODEL = "house-model"
    assert "house-model answers now" in open_page()


def test_page_lists_endpoints_without_their_keys() -> None:
    page = open_page(api_key="sk-a-very-secret-key-1234")
    assert "big-1 of Ours answers now" in page
    assert "key …1234" in page
    assert "very-secret" not in page


@pytest.mark.parametrize(
    ("language", "endpoint", "words"),
    [
        ("en", {}, "price unknown"),
        ("fr", {}, "prix inconnu"),
        ("en", {"input_price": Decimal(0), "output_price": Decimal(0)}, "free"),
        ("en", {"input_price": Decimal("0.0375"), "output_price": Decimal(3)}, "$0.0375 / $3.00 per million tokens"),
        (
            "fr",
            {"input_price": Decimal("0.1"), "output_price": Decimal(10_000)},
            "0,10\u00a0$ / 10000,00\u00a0$ par million",
        ),
        ("en", {"default_model": "gpt-4.1-mini"}, "$0.40 / $1.60 per million tokens"),
    ],
)
def test_page_tells_what_a_model_costs(language: str, endpoint: dict[str, Any], words: str) -> None:
    page = open_page(language=language, name="Ours", **endpoint)
    facts = re.findall(r'<p class="models__facts">.*?</p>', page)
    assert len(facts) == 1
    assert words in facts[0]


def test_page_asks_an_owner_for_prices() -> None:
    page = open_page()
    assert 'name="input_price"' in page
    assert 'name="output_price"' in page


def test_page_escapes_names() -> None:
    assert "<script>alert(1)" not in open_page(name="<script>alert(1)</script>", default_model="</script><b>")


def test_page_offers_an_ollama_nearby(fake_model: FakeModel, settings: Any) -> None:
    settings.OLLAMA_URL = fake_model.url.removesuffix("/v1")
    assert "Ollama runs on this machine" in open_page()


def test_page_of_an_editor_changes_nothing() -> None:
    page = open_page(role=Role.EDITOR, api_key="")
    assert "endpoint-dialog" not in page
    assert "data-delete" not in page


def test_page_is_closed_to_viewers_and_strangers() -> None:
    workspace, user = make_workspace(role=Role.VIEWER)
    client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
    assert client.get("/settings/models").status_code in {302, 401}
    client.force_login(user)
    assert client.get("/settings/models").status_code == 403
