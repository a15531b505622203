import pytest
from django.conf import settings

from agents import keys
from agents.models import Agent, ApiKey, KeyKind
from agents.services import revoke_api_key
from gilo.demo import load_landing_demo
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


def test_landing_demo_opens_the_guide_with_a_working_key(seeded):
    demo = load_landing_demo()
    assert demo.agent.name == "GiLo guide"
    assert keys.is_well_formed_token(demo.key, keys.KEY_PREFIX)
    assert demo.as_json()["agent"]["suggested_questions"]


def test_landing_page_shows_the_demo_and_leaves_it_out_once_its_key_is_revoked(seeded, client):
    assert b'id="landing-demo"' in client.get("/").content
    revoke_api_key(key=ApiKey.objects.get(kind=KeyKind.SECRET))
    page = client.get("/")
    assert page.status_code == 200
    assert b'id="landing-demo"' not in page.content


def test_demo_user_signs_in_with_the_printed_login(seeded, client):
    login = {"email": settings.DEMO_EMAIL, "password": settings.DEMO_PASSWORD}
    answer = client.post("/api/auth/login", login, content_type="application/json")
    assert answer.status_code == 200
