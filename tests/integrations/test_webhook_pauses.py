"""A receiver's pause (Retry-After) and its failures end with their cause, and people see them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents.models import Agent
from integrations import services
from integrations.models import Delivery, WebhookEndpoint
from integrations.webhooks.outbox import dispatch_events
from integrations.webhooks.queue import Result, claim, record
from integrations.webhooks.sending import Answer
from tests.factories import make_event, make_webhook
from tests.integrations.webhook_receiver import Receiver, Reply, deliver
from tests.processes import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allow_loopback")]
PAUSE = Reply(503, {"Retry-After": "86400"})


def make_paused(agent: Agent, url: str) -> WebhookEndpoint:
    """A webhook whose receiver at this address has just asked for a day, with one event waiting."""
    endpoint, _ = make_webhook(agent, url)
    make_event(agent)
    deliver()
    endpoint.refresh_from_db()
    assert endpoint.pause_end
    assert endpoint.failing_since
    return endpoint


def troubles_of(endpoint: WebhookEndpoint) -> tuple[Any, Any]:
    endpoint.refresh_from_db()
    return endpoint.resume_at, endpoint.failing_since


def test_another_address_has_neither_the_pause_nor_the_failures_of_the_old_one(agent: Agent) -> None:
    with Receiver(PAUSE) as old, Receiver() as new:
        endpoint = make_paused(agent, old.url)
        services.update_webhook(endpoint=endpoint, url=new.url)
        assert troubles_of(endpoint) == (None, None)
        make_event(agent)
        deliver()
        assert (len(old.received), len(new.received)) == (1, 2), "what waited goes there too"


def test_same_address_and_other_events_keep_the_pause(agent: Agent) -> None:
    with Receiver(PAUSE) as receiver:
        endpoint = make_paused(agent, receiver.url)
        services.update_webhook(endpoint=endpoint, url=receiver.url, events=["message.created"])
        make_event(agent)
        deliver()
    assert None not in troubles_of(endpoint)
    assert len(receiver.received) == 1


def test_successful_test_ends_the_pause_and_a_failed_one_does_not(agent: Agent) -> None:
    with Receiver(PAUSE, Reply(500), Reply(200)) as receiver:
        endpoint = make_paused(agent, receiver.url)
        services.send_test(endpoint=endpoint)
        assert None not in troubles_of(endpoint)
        services.send_test(endpoint=endpoint)
        assert troubles_of(endpoint) == (None, None)
        deliver()
    assert len(receiver.received) == 4
    assert set(Delivery.objects.exclude(response_status=500).values_list("state", flat=True)) == {"delivered"}


@pytest.mark.parametrize("is_one", [True, False])
def test_replay_ends_the_pause(agent: Agent, is_one: bool) -> None:
    with Receiver(PAUSE, Reply(200)) as receiver:
        endpoint = make_paused(agent, receiver.url)
        if is_one:
            services.replay_delivery(delivery=endpoint.deliveries.get())
        else:
            assert services.replay_since(endpoint=endpoint, since=timezone.now() - timedelta(hours=1)) == 1
        assert troubles_of(endpoint)[0] is None
        deliver()
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.parametrize("status", [410, 503])
def test_answer_of_the_old_address_that_comes_late_is_not_held_against_the_new_one(agent: Agent, status: int) -> None:
    port = free_port()  # nobody listens
    endpoint, _ = make_webhook(agent, f"http://127.0.0.1:{port}/old")
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=6))
    make_event(agent)
    dispatch_events()
    (job,) = claim(1)
    services.update_webhook(endpoint=endpoint, url=f"http://127.0.0.1:{port}/new")
    error = "gone" if status == 410 else "bad_status"
    late = Answer(at=timezone.now(), request_headers={}, status=status, error=error, retry_after=3600.0)
    record([Result(job, late)])
    assert troubles_of(endpoint) == (None, None)
    assert endpoint.is_active


def test_pause_is_told_with_its_end_and_waiting_deliveries_wait_for_it(agent: Agent) -> None:
    with Receiver(PAUSE) as receiver:
        endpoint = make_paused(agent, receiver.url)
    make_event(agent)
    dispatch_events()
    client = Client()
    client.force_login(agent.workspace.memberships.get().user)
    path = f"/api/agents/{agent.pk}/webhooks"
    (told,) = client.get(path).json()["data"]
    assert endpoint.resume_at
    assert parse_datetime(told["resume_at"]) == endpoint.resume_at
    newest = client.get(f"{path}/{endpoint.pk}/deliveries").json()["data"][0]
    assert parse_datetime(newest["next_attempt_at"]) == endpoint.resume_at
    WebhookEndpoint.objects.update(resume_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"{path}/{endpoint.pk}").json()["resume_at"] is None, "it is over"
