import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone

from agents.models import Agent, ApiKey, KeyKind
from agents.services import create_api_key, revoke_api_key
from gilo.demo import narrow_landing_key
from gilo.seed import seed_demo
from knowledge.models import Document
from store.models import Listing, ListingStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def seeded(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    settings.SEED_DEMO = True
    seed_demo()


def test_seed_makes_three_deployed_agents_with_documents_once(seeded):
    seed_demo()
    assert [agent.status for agent in Agent.objects.all()] == ["deployed"] * 3
    assert Document.objects.values("agent").distinct().count() == 3


def test_seed_publishes_the_samples_with_their_documents(seeded):
    listings = Listing.objects.filter(status=ListingStatus.PUBLISHED).select_related("release")
    assert {listing.name for listing in listings} == {"Support Atelier Nord", "Northwind HR", "GiLo guide"}
    for listing in listings:
        known = set(Document.objects.filter(agent=listing.agent_id).values_list("pk", flat=True))
        assert set(listing.release.documents) == known != set()


def test_landing_page_shows_the_guide_with_a_key_that_opens_visitors_sessions_only(seeded, client):
    shown = read_demo(client.get("/"))
    key = ApiKey.objects.get(kind=KeyKind.WIDGET)
    assert shown["key"] == str(key.pk)
    assert shown["agent"]["id"] == str(key.agent_id)
    assert shown["agent"]["suggested_questions"]
    assert not ApiKey.objects.filter(kind=KeyKind.SECRET).exists()


@pytest.mark.parametrize("change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_landing_page_leaves_the_demo_out_once_its_key_has_ended(seeded, client, change):
    ApiKey.objects.filter(kind=KeyKind.WIDGET).update(**change)
    assert read_demo(client.get("/")) is None


def test_landing_page_leaves_the_demo_out_while_its_agent_is_off(seeded, client):
    Agent.objects.update(is_serving=False)
    assert read_demo(client.get("/")) is None


def test_secret_key_of_an_earlier_version_is_never_shown_and_becomes_a_widgets_at_the_next_start(seeded, client):
    key, token = leave_secret_key()
    assert token not in client.get("/").content.decode()
    narrow_landing_key()
    key.refresh_from_db()
    assert (key.kind, key.scopes) == (KeyKind.WIDGET, [])
    assert read_demo(client.get("/"))["key"] == str(key.pk)
    assert token not in key_file().read_text()


def test_secret_key_that_was_revoked_stays_so(seeded, client):
    key, _token = leave_secret_key()
    revoke_api_key(key=key)
    narrow_landing_key()
    assert read_demo(client.get("/")) is None


def test_secret_key_of_a_database_that_is_gone_is_forgotten(seeded):
    key, _token = leave_secret_key()
    key.delete()
    narrow_landing_key()
    assert not key_file().exists()


def test_demo_user_signs_in_with_the_printed_login(seeded, client):
    login = {"email": settings.DEMO_EMAIL, "password": settings.DEMO_PASSWORD}
    answer = client.post("/api/auth/login", login, content_type="application/json")
    assert answer.status_code == 200


def key_file() -> Path:
    return settings.DATA_DIR / "secrets" / "landing_key"


def leave_secret_key() -> tuple[ApiKey, str]:
    """What earlier versions left behind: a key of all scopes, and its text in the file."""
    key, token = create_api_key(agent=Agent.objects.get(name="GiLo guide"), actor=None, name="Landing page")
    key_file().write_text(token)
    return key, token


def read_demo(page: HttpResponse) -> Any:
    """What the page's script is given; None where the page has no demo."""
    assert page.status_code == 200
    found = re.search(r'<script id="page" type="application/json">(.*?)</script>', page.content.decode())
    return json.loads(found[1]) if found else None
