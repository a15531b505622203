"""Webhooks through the dashboard's API: secrets shown once, addresses checked, roles, tests, logs, replays."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks import Webhook

from accounts.models import Role
from agents.models import Agent
from core.crypto import decrypt
from integrations import services
from integrations.models import Delivery, WebhookEndpoint
from integrations.webhooks.outbox import dispatch_events
from tests.factories import make_agent, make_event, make_webhook, make_workspace
from tests.integrations.webhook_receiver import Receiver, Reply

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/gilo"
VALUES = {"url": URL, "events": ["message.created"]}


class Member:
    """Someone signed in, in a workspace with one agent."""

    def __init__(self, role: Role = Role.OWNER) -> None:
        workspace, user = make_workspace(role=role)
        self.agent: Agent = make_agent(workspace)
        self.client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
        self.client.force_login(user)

    @property
    def path(self) -> str:
        return f"/api/agents/{self.agent.pk}/webhooks"

    def get(self, path: str = "", **query: Any) -> Any:
        return self.client.get(self.path + path, query)

    def post(self, path: str = "", body: Any = None) -> Any:
        return self.client.post(self.path + path, body or {}, content_type="application/json")

    def patch(self, path: str, **body: Any) -> Any:
        return self.client.patch(self.path + path, body, content_type="application/json")

    def delete(self, path: str) -> Any:
        return self.client.delete(self.path + path)


@pytest.fixture
def owner() -> Member:
    return Member()


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def make_delivery(endpoint: WebhookEndpoint, state: str = "failed", **fields: Any) -> Delivery:
    values = {"event_type": "message.created", "body": "{}", "created_at": timezone.now(), **fields}
    return Delivery.objects.create(endpoint=endpoint, event_id=uuid4(), state=state, **values)


def test_create_shows_the_secret_once(owner: Member) -> None:
    response = owner.post(body=VALUES)
    assert response.status_code == 201
    created = response.json()
    stored = WebhookEndpoint.objects.get(pk=created["id"])
    assert decrypt(stored.secret) == created["secret"]
    for answer in (owner.get().json()["data"][0], owner.get(f"/{created['id']}").json()):
        assert "secret" not in answer
        assert (answer["url"], answer["events"], answer["is_active"]) == (URL, ["message.created"], True)
    owner.agent.refresh_from_db()
    assert owner.agent.wanted_events == ["message.created"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://[::1]/", "http://169.254.169.254/latest",
        "http://localhost/", "ftp://example.com/", "https://example.com:6379/", "https://a@example.com/", "nonsense",
    ],
)  # fmt: skip
def test_private_or_odd_address_is_refused_on_save(owner: Member, url: str) -> None:
    response = owner.post(body={**VALUES, "url": url})
    assert error_of(response) == (422, "url_not_allowed")
    assert response.json()["error"]["param"] == "url"
    endpoint_id = owner.post(body=VALUES).json()["id"]
    assert error_of(owner.patch(f"/{endpoint_id}", url=url)) == (422, "url_not_allowed")
    assert WebhookEndpoint.objects.get().url == URL


@pytest.mark.parametrize(
    "events", [[], ["escalation.requested"], ["approval.requested"], ["webhook.test"], "message.created", [1], None]
)
def test_only_events_that_happen_can_be_subscribed(owner: Member, events: Any) -> None:
    assert owner.post(body={**VALUES, "events": events}).status_code == 422


def test_at_most_twenty_webhooks(owner: Member) -> None:
    for _ in range(20):
        assert owner.post(body=VALUES).status_code == 201
    assert error_of(owner.post(body=VALUES)) == (422, "too_many_webhooks")


def test_protected_fields_are_refused(owner: Member) -> None:
    endpoint_id = owner.post(body=VALUES).json()["id"]
    for field in ("secret", "agent", "failing_since", "disabled_reason"):
        assert owner.patch(f"/{endpoint_id}", **{field: None}).status_code == 422


def test_switching_off_abandons_what_waits_and_on_begins_anew(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    make_event(owner.agent)
    dispatch_events()
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    off = owner.patch(f"/{endpoint.pk}", is_active=False).json()
    assert (off["is_active"], off["disabled_reason"], off["last_delivery"]["state"]) == (False, "paused", "abandoned")
    assert error_of(owner.post(f"/{endpoint.pk}/replay", {"since": "2026-01-01T00:00:00Z"})) == (
        409, "webhook_switched_off",
    )  # fmt: skip
    on = owner.patch(f"/{endpoint.pk}", is_active=True).json()
    assert (on["is_active"], on["disabled_reason"], on["failing_since"]) == (True, "", None)


def test_delete_takes_the_deliveries_along(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    make_delivery(endpoint)
    assert owner.delete(f"/{endpoint.pk}").status_code == 204
    assert not WebhookEndpoint.objects.exists()
    assert not Delivery.objects.exists()


def test_rotation_keeps_the_old_secret_for_the_overlap(owner: Member) -> None:
    created = owner.post(body=VALUES).json()
    rotated = owner.post(f"/{created['id']}/rotate-secret", {"overlap_hours": 48}).json()
    assert rotated["secret"] != created["secret"]
    endpoint = WebhookEndpoint.objects.get()
    assert [decrypt(endpoint.secret), decrypt(endpoint.previous_secret)] == [rotated["secret"], created["secret"]]
    assert endpoint.previous_secret_until is not None
    hours = (endpoint.previous_secret_until - timezone.now()) / timedelta(hours=1)
    assert 47.9 < hours <= 48
    owner.post(f"/{created['id']}/rotate-secret", {"overlap_hours": 0})
    endpoint.refresh_from_db()
    assert (endpoint.previous_secret, endpoint.previous_secret_until) == ("", None)
    for hours in (-1, 169, "x", None):
        assert owner.post(f"/{created['id']}/rotate-secret", {"overlap_hours": hours}).status_code == 422


def test_test_button_sends_a_signed_event_and_tells_the_answer(owner: Member, allow_loopback: None) -> None:
    with Receiver(Reply(418, body=b"short and stout")) as receiver:
        created = owner.post(body={"url": receiver.url, "events": ["run.failed"]}).json()
        answer = owner.post(f"/{created['id']}/test").json()
        receiver.replies = [Reply(200)]
        again = owner.post(f"/{created['id']}/test").json()
    assert (answer["state"], answer["response_status"], answer["error"]) == ("failed", 418, "bad_status")
    assert answer["response_body"] == "short and stout"
    assert answer["error_message"]
    assert answer["latency_ms"] >= 0
    assert (again["state"], again["response_status"]) == ("delivered", 200)
    received = receiver.received[0]
    assert Webhook(created["secret"]).verify(received.body, received.headers)["type"] == "webhook.test"
    assert Delivery.objects.filter(state="pending").count() == 0, "a test is never retried"


def test_test_of_an_address_that_became_private_is_blocked(owner: Member, allow_loopback: None, settings: Any) -> None:
    with Receiver() as canary:
        endpoint, _ = make_webhook(owner.agent, canary.url)
        settings.EGRESS_ALLOWED_NETWORKS = []
        answer = owner.post(f"/{endpoint.pk}/test").json()
    assert (answer["state"], answer["error"], answer["response_status"]) == ("failed", "egress_blocked", None)
    assert canary.received == []


def test_unreadable_secret_is_told_not_crashed_on(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    WebhookEndpoint.objects.update(secret="not ours")
    answer = owner.post(f"/{endpoint.pk}/test")
    assert (answer.status_code, answer.json()["error"]) == (200, "secret_unreadable")


def test_deliveries_are_listed_filtered_and_shown(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    failed = make_delivery(endpoint, "failed", error="timeout", response_body="", body='{"type":"message.created"}')
    delivered = make_delivery(endpoint, "delivered", response_status=200)
    rows = owner.get(f"/{endpoint.pk}/deliveries").json()["data"]
    assert [row["id"] for row in rows] == [str(delivered.pk), str(failed.pk)]
    (row,) = owner.get(f"/{endpoint.pk}/deliveries", state="failed").json()["data"]
    assert (row["id"], row["error"]) == (str(failed.pk), "timeout")
    assert owner.get(f"/{endpoint.pk}/deliveries", state="lost").status_code == 400
    page = owner.get(f"/{endpoint.pk}/deliveries", limit=1).json()
    rest = owner.get(f"/{endpoint.pk}/deliveries", limit=1, cursor=page["next"]).json()
    assert [page["data"][0]["id"], rest["data"][0]["id"], rest["next"]] == [str(delivered.pk), str(failed.pk), None]
    detail = owner.get(f"/{endpoint.pk}/deliveries/{failed.pk}").json()
    assert (detail["request_body"], detail["url"]) == ('{"type":"message.created"}', URL)


def test_replay_of_one_and_of_all_since(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    now = timezone.now()
    old = make_delivery(endpoint, "failed", created_at=now - timedelta(days=3))
    failed = make_delivery(endpoint, "failed", attempts=10)
    abandoned = make_delivery(endpoint, "abandoned")
    delivered = make_delivery(endpoint, "delivered")
    test = make_delivery(endpoint, "failed", event_type="webhook.test")
    since = (now - timedelta(hours=1)).isoformat()
    assert owner.post(f"/{endpoint.pk}/replay", {"since": since}).json() == {"count": 2}
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert [states[one.pk] for one in (old, failed, abandoned, delivered, test)] == [
        "failed", "pending", "pending", "delivered", "failed",
    ]  # fmt: skip
    failed.refresh_from_db()
    assert failed.attempts == 0
    everything = {"since": since, "include_delivered": True}
    assert owner.post(f"/{endpoint.pk}/replay", everything).json() == {"count": 3}
    assert owner.post(f"/{endpoint.pk}/deliveries/{old.pk}/replay").json()["state"] == "pending"


def test_replay_leaves_alone_what_is_on_its_way(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    token, until = uuid4(), timezone.now() + timedelta(seconds=20)
    delivery = make_delivery(endpoint, "pending", lease_token=token, leased_until=until, attempts=3)
    assert owner.post(f"/{endpoint.pk}/deliveries/{delivery.pk}/replay").status_code == 200
    delivery.refresh_from_db()
    assert (delivery.lease_token, delivery.attempts) == (token, 3)


def test_webhook_of_another_agent_is_not_found_under_mine(owner: Member) -> None:
    sibling = make_agent(owner.agent.workspace)
    endpoint, _ = make_webhook(sibling, URL)
    theirs, _ = make_webhook(Member().agent, URL)
    for foreign in (endpoint, theirs):
        delivery = make_delivery(foreign)
        for path in ("", "/deliveries", f"/deliveries/{delivery.pk}"):
            assert owner.get(f"/{foreign.pk}{path}").status_code == 404
        for path in ("/test", "/rotate-secret", "/replay", f"/deliveries/{delivery.pk}/replay"):
            assert owner.post(f"/{foreign.pk}{path}", {"since": "2026-01-01T00:00:00Z"}).status_code == 404
        assert owner.patch(f"/{foreign.pk}", is_active=False).status_code == 404
        assert owner.delete(f"/{foreign.pk}").status_code == 404
    mine, _ = make_webhook(owner.agent, URL)
    assert owner.get(f"/{mine.pk}/deliveries/{Delivery.objects.first().pk}").status_code == 404  # type: ignore[union-attr]


@pytest.mark.parametrize(("role", "seen", "changed"), [(Role.EDITOR, 200, 201), (Role.VIEWER, 403, 403)])
def test_roles(role: Role, seen: int, changed: int) -> None:
    member = Member(role)
    assert member.get().status_code == seen
    assert member.post(body=VALUES).status_code == changed


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_the_same_queries_however_many(owner: Member, count: int) -> None:
    for _ in range(count):
        endpoint, _secret = make_webhook(owner.agent, URL)
        make_delivery(endpoint)
    owner.get()
    with CaptureQueriesContext(
        connection,
    ) as listing:
        owner.get()
    with CaptureQueriesContext(connection) as deliveries:
        owner.get(f"/{endpoint.pk}/deliveries")
    on_webhooks = [query for query in listing if "integrations_" in query["sql"]]
    on_deliveries = [query for query in deliveries if "integrations_" in query["sql"]]
    assert (len(on_webhooks), len(on_deliveries)) == (1, 2)


def test_old_deliveries_are_deleted(owner: Member) -> None:
    endpoint, _ = make_webhook(owner.agent, URL)
    now = timezone.now()
    make_delivery(endpoint, created_at=now - timedelta(days=30, minutes=1))
    kept = make_delivery(endpoint, created_at=now - timedelta(days=29))
    assert services.delete_old_deliveries() == 1
    assert Delivery.objects.get() == kept
