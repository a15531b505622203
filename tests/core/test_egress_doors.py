"""Every door that takes an address refuses it on save with `url_not_allowed` and stores nothing (SAFETY 30, 31)."""

import pytest
from django.core.cache import cache
from django.test import Client

from chat.models import EventType
from core.http import MAX_URL_LENGTH
from integrations.models import WebhookEndpoint
from llm.models import ModelEndpoint
from tests.core.test_http import PRIVATE_ADDRESSES, REFUSED_URLS
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db
PUBLIC = "https://service.example.com/v1"
PRIVATE_URLS = [f"http://[{address}]/v1" if ":" in address else f"http://{address}/v1" for address in PRIVATE_ADDRESSES]
ALL = [*PRIVATE_URLS, *REFUSED_URLS]
# At these doors, an empty field or one with control characters is refused by the field itself, before it is an address.
NO_TEXT = {url for url in ALL if not url or not url.isprintable()}


class Doors:
    """Each way to give the product an address, for a signed-in owner."""

    def __init__(self) -> None:
        workspace, user = make_workspace()
        self.client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
        self.client.force_login(user)
        self.agent = make_agent(workspace)

    def send(self, method: str, path: str, body: dict) -> object:
        return getattr(self.client, method)(path, body, content_type="application/json")

    def create_model_endpoint(self, url: str):
        return self.send("post", "/api/model-endpoints", {"name": "Ours", "base_url": url, "default_model": "m"})

    def change_model_endpoint(self, url: str):
        made = self.create_model_endpoint(PUBLIC).json()
        return self.send("patch", f"/api/model-endpoints/{made['id']}", {"base_url": url})

    def create_webhook(self, url: str):
        body = {"url": url, "events": [EventType.values[0]]}
        return self.send("post", f"/api/agents/{self.agent.pk}/webhooks", body)

    def change_webhook(self, url: str):
        made = self.create_webhook(PUBLIC).json()
        return self.send("patch", f"/api/agents/{self.agent.pk}/webhooks/{made['id']}", {"url": url})


SAVING = ["create_model_endpoint", "change_model_endpoint", "create_webhook", "change_webhook"]


@pytest.fixture
def doors() -> Doors:
    cache.clear()
    return Doors()


@pytest.mark.parametrize("door", SAVING)
def test_door_takes_a_public_address(doors, door):
    assert getattr(doors, door)(PUBLIC).status_code in {200, 201}


@pytest.mark.parametrize("door", SAVING)
def test_door_refuses_every_spelling_of_a_private_address(doors, door):
    for url in ALL:
        cache.clear()  # the doors' rate limits
        response = getattr(doors, door)(url)
        assert response.status_code == 422, (url, response.content)
        error = response.json()["error"]
        assert error["code"] == "url_not_allowed" or url in NO_TEXT or len(url) > MAX_URL_LENGTH, (url, error)
        stored = [*ModelEndpoint.objects.values_list("base_url"), *WebhookEndpoint.objects.values_list("url")]
        assert {address for (address,) in stored} <= {PUBLIC}, url
        ModelEndpoint.objects.all().delete()
        WebhookEndpoint.objects.all().delete()
