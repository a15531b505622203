"""Webhooks from the outbox to real receivers on loopback: signed, once each, again after failures."""

import asyncio
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from agents.models import Agent
from chat.models import OutboxEvent
from core.crypto import decrypt
from integrations import services
from integrations.models import Delivery, WebhookEndpoint
from integrations.webhooks.courier import AT_ONCE, Round
from integrations.webhooks.outbox import dispatch_events
from integrations.webhooks.queue import PLACES, claim, record
from integrations.webhooks.schedule import retry_delay
from tests.factories import make_agent, make_event, make_webhook, make_workspace
from tests.integrations.webhook_receiver import Receiver, Reply, deliver
from tests.processes import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allow_loopback")]
# docs/webhooks.md names them
PROMISED_DELAYS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip


def make_due() -> None:
    """The time of the next attempt has come."""
    now = timezone.now()
    Delivery.objects.filter(state="pending").update(next_attempt_at=now)
    WebhookEndpoint.objects.update(resume_at=None)


def waiting_time(delivery: Delivery) -> timedelta:
    assert delivery.next_attempt_at is not None
    return delivery.next_attempt_at - timezone.now()


def test_event_is_delivered_signed_and_recorded(agent: Agent) -> None:
    with Receiver(Reply(201, body=b"thanks")) as receiver:
        _, secret = make_webhook(agent, receiver.url)
        event = make_event(agent, content="Hello", role="user")
        deliver()
    assert not OutboxEvent.objects.exists()
    (received,) = receiver.received
    assert received.id == str(event.pk)
    assert received.headers["content-type"] == "application/json"
    assert received.json == {
        "type": "message.created",
        "timestamp": event.created_at.isoformat(),
        "data": {"agent_id": str(agent.pk), "content": "Hello", "role": "user"},
    }
    assert Webhook(secret).verify(received.body, received.headers) == received.json
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.response_status) == ("delivered", 1, 201)
    assert (delivery.response_body, delivery.error, delivery.next_attempt_at) == ("thanks", "", None)
    assert delivery.request_headers["webhook-signature"] == received.headers["webhook-signature"]
    assert [entry["status"] for entry in delivery.attempt_log] == [201]


def test_changed_body_does_not_verify(agent: Agent) -> None:
    with Receiver() as receiver:
        _, secret = make_webhook(agent, receiver.url)
        make_event(agent, content="pay 1")
        deliver()
    (received,) = receiver.received
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(received.body.replace(b"pay 1", b"pay 9"), received.headers)


def test_events_go_only_to_endpoints_that_want_them(agent: Agent) -> None:
    other = make_agent(make_workspace()[0])
    with Receiver() as wants_failures, Receiver() as wants_messages, Receiver() as off, Receiver() as elsewhere:
        make_webhook(agent, wants_failures.url, events=["run.failed"])
        make_webhook(agent, wants_messages.url, events=["message.created", "conversation.started"])
        switched_off, _ = make_webhook(agent, off.url)
        services.update_webhook(endpoint=switched_off, is_active=False)
        make_webhook(other, elsewhere.url)
        make_event(agent, "message.created")
        deliver()
    assert [len(one.received) for one in (wants_failures, wants_messages, off, elsewhere)] == [0, 1, 0, 0]
    assert Delivery.objects.count() == 1


def test_failure_is_sent_again_with_the_same_id_and_body(agent: Agent) -> None:
    with Receiver(Reply(500, body=b"oops"), Reply(200)) as receiver:
        make_webhook(agent, receiver.url)
        make_event(agent)
        deliver()
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.error, delivery.response_body) == ("pending", "bad_status", "oops")
        assert timedelta(seconds=3) < waiting_time(delivery) <= timedelta(seconds=5.5)
        make_due()
        deliver()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert [entry["status"] for entry in delivery.attempt_log] == [500, 200]


def test_attempts_follow_the_schedule_and_end(agent: Agent) -> None:
    port = free_port()  # nobody listens
    make_webhook(agent, f"http://127.0.0.1:{port}/")
    make_event(agent)
    for delay in PROMISED_DELAYS:
        deliver()
        waits = waiting_time(Delivery.objects.get())
        assert delay * 0.9 - timedelta(seconds=5) <= waits <= delay * 1.1
        make_due()
    deliver()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error, delivery.attempts) == ("failed", "connection_failed", 10)
    assert delivery.next_attempt_at is None


def test_delays_vary_by_a_tenth_so_that_receivers_are_not_hit_by_all_at_once() -> None:
    delays = [retry_delay(1) for _ in range(50)]
    assert len(set(delays)) > 10
    assert all(timedelta(seconds=4.5) <= delay <= timedelta(seconds=5.5) for delay in delays if delay)


def test_redirect_is_a_failure_and_not_followed(agent: Agent) -> None:
    with Receiver() as target, Receiver(Reply(302, {"Location": target.url})) as receiver:
        make_webhook(agent, receiver.url)
        make_event(agent)
        deliver()
    assert (len(receiver.received), len(target.received)) == (1, 0)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error, delivery.response_status) == ("pending", "redirect", 302)


def test_gone_switches_the_endpoint_off(agent: Agent) -> None:
    with Receiver(Reply(410)) as receiver:
        endpoint, _ = make_webhook(agent, receiver.url)
        for _ in range(10):
            make_event(agent)
        deliver()
        make_event(agent)
        deliver()
    assert 1 <= len(receiver.received) <= AT_ONCE
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (False, "gone")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"abandoned"}
    agent.refresh_from_db()
    assert agent.wanted_events == []


def test_slow_receiver_is_given_up_and_holds_up_nobody(agent: Agent, settings: Any) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 1
    with Receiver(Reply(delay=3)) as slow, Receiver() as healthy:
        make_webhook(agent, slow.url)
        make_webhook(agent, healthy.url)
        for _ in range(20):
            make_event(agent)
        asyncio.run(_deliver_until(lambda: len(healthy.received) == 20))
        assert len(slow.received) <= 2 * AT_ONCE, "the healthy one has everything, the slow one no more than its places"
    errors = set(Delivery.objects.filter(endpoint__url=slow.url).values_list("error", "response_status"))
    assert ("timeout", None) in errors


async def _deliver_until(condition: Any) -> None:
    working = Round()
    task = asyncio.create_task(working.run_until_stopped())
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
    working.stop()
    await task


def test_huge_answer_is_read_no_further_than_needed(agent: Agent) -> None:
    with Receiver(Reply(200, body=b"x" * 65536, times=1000)) as receiver:
        make_webhook(agent, receiver.url)
        make_event(agent)
        deliver()
    delivery = Delivery.objects.get()
    assert (delivery.state, len(delivery.response_body)) == ("delivered", 4096)
    assert receiver.bytes_sent < 10 * 1024 * 1024, "the rest of 64 MB stayed in the receiver's hands"


def test_answer_that_no_column_holds_is_kept_readable(agent: Agent) -> None:
    with Receiver(Reply(200, {"X-Odd": "caf\xe9"}, body=b"\x00\xff\xfe end")) as receiver:
        make_webhook(agent, receiver.url)
        make_event(agent)
        deliver()
    delivery = Delivery.objects.get()
    assert delivery.state == "delivered"
    assert delivery.response_body.endswith(" end")


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("120", 110, 120), ("9999999", 86_000, 86_400), ("nonsense", 0, 6), ("-5", 0, 6)],
)
def test_retry_after_is_honoured_within_reason(agent: Agent, header: str, least: int, most: int) -> None:
    with Receiver(Reply(503, {"Retry-After": header})) as receiver:
        endpoint, _ = make_webhook(agent, receiver.url)
        make_event(agent)
        deliver()
        assert least <= waiting_time(Delivery.objects.get()).total_seconds() <= most
        make_event(agent)
        deliver()
    endpoint.refresh_from_db()
    assert len(receiver.received) == (1 if least else 2), "a receiver that asked for a pause is left alone"
    assert bool(endpoint.resume_at) == bool(least)


def test_receiver_down_for_a_day_gets_everything_on_its_return(agent: Agent) -> None:
    port = free_port()
    endpoint, _ = make_webhook(agent, f"http://127.0.0.1:{port}/hook")
    with Receiver() as healthy:
        make_webhook(agent, healthy.url)
        events = [make_event(agent, number=number) for number in range(25)]
        for _ in range(7):  # 5 s, 5 min, 30 min, 2 h, 5 h, 10 h: the seventh attempt is after 17 hours
            deliver()
            make_due()
        assert len(healthy.received) == 25
    expected = {str(event.pk) for event in events}
    assert Delivery.objects.filter(endpoint=endpoint, state="pending").count() == 25
    with Receiver(port=port) as returned:
        deliver()
    assert set(returned.ids) == expected
    assert len(returned.ids) == 25
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_five_days_of_failures_switch_the_endpoint_off(agent: Agent) -> None:
    endpoint, _ = make_webhook(agent, f"http://127.0.0.1:{free_port()}/")
    make_event(agent)
    deliver()
    endpoint.refresh_from_db()
    assert endpoint.is_active
    assert endpoint.failing_since is not None
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=5, minutes=1))
    make_due()
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason, endpoint.owes_notice) == (False, "failing", True)
    assert Delivery.objects.get().state == "abandoned"


def test_private_address_is_refused_at_connect(agent: Agent, settings: Any) -> None:
    with Receiver() as canary:
        make_webhook(agent, canary.url)
        settings.EGRESS_ALLOWED_NETWORKS = []
        make_event(agent)
        deliver()
    assert canary.received == []
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == ("pending", "egress_blocked")


def test_name_that_leads_to_a_private_address_is_refused_at_connect(agent: Agent, settings: Any) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = ["10.1.2.0/24"]  # names may lead into it, so the name itself passes
    make_webhook(agent, f"http://localhost:{free_port()}/")
    make_event(agent)
    deliver()
    assert Delivery.objects.get().error == "egress_blocked"


def test_rotation_signs_with_both_secrets_until_the_overlap_ends(agent: Agent) -> None:
    with Receiver() as receiver:
        endpoint, old = make_webhook(agent, receiver.url)
        new = services.rotate_secret(endpoint=endpoint, overlap_hours=1)
        make_event(agent)
        deliver()
        WebhookEndpoint.objects.update(previous_secret_until=timezone.now() - timedelta(seconds=1))
        make_event(agent)
        deliver()
    during, after = receiver.received
    for secret in (old, new):
        assert Webhook(secret).verify(during.body, during.headers)
    assert Webhook(new).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after.body, after.headers)


def test_secret_is_stored_encrypted(agent: Agent) -> None:
    endpoint, secret = make_webhook(agent, "http://127.0.0.1:9999/")
    assert secret.startswith("whsec_")
    assert secret not in endpoint.secret
    assert decrypt(endpoint.secret) == secret


def test_workers_never_take_the_same_delivery(agent: Agent) -> None:
    make_webhook(agent, "http://127.0.0.1:9999/")
    for _ in range(PLACES + 2):
        make_event(agent)
    dispatch_events()
    first, second = claim(100), claim(100)
    assert len(first) == PLACES, "places of one endpoint"
    assert second == []
    Delivery.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now() - timedelta(seconds=1))
    again = claim(100)
    assert len(again) == PLACES, "the leases of a dead worker have ended"


def test_overtaken_worker_writes_nothing(agent: Agent) -> None:
    from integrations.webhooks.queue import Result
    from integrations.webhooks.sending import Answer

    make_webhook(agent, "http://127.0.0.1:9999/")
    make_event(agent)
    dispatch_events()
    (slow,) = claim(10)
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    (fast,) = claim(10)
    record([Result(slow, Answer(at=timezone.now(), request_headers={}, status=500, error="bad_status"))])
    assert Delivery.objects.get().attempt_log == []
    record([Result(fast, Answer(at=timezone.now(), request_headers={}, status=200))])
    assert Delivery.objects.get().state == "delivered"


def test_no_connection_is_held_while_a_receiver_thinks(agent: Agent) -> None:
    def connections_in_use() -> int:
        stats = connection.pool.get_stats()
        return int(stats["pool_size"] - stats["pool_available"])

    with Receiver(Reply(delay=1)) as receiver:
        make_webhook(agent, receiver.url)
        make_event(agent)
        before = connections_in_use()
        during: list[int] = []

        async def watch() -> None:
            working = Round()
            task = asyncio.create_task(working.run_until_stopped())
            while not receiver.received:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(0.9):  # the idle loop looks for work now and then, for a moment
                while connections_in_use() != before:
                    await asyncio.sleep(0.005)
            during.append(receiver.bytes_sent)
            working.stop()
            await task

        asyncio.run(watch())
    assert during == [0], "measured before the answer"
    assert Delivery.objects.get().state == "delivered", "a stop waits for what is on its way"


def test_receiver_that_speaks_no_http_is_a_failure(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        make_webhook(agent, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        make_event(agent)

        def talk_nonsense() -> None:
            peer, _ = listener.accept()
            peer.recv(65536)
            peer.sendall(b"220 mail.example ESMTP\r\n")
            peer.close()

        async def run() -> None:
            await asyncio.gather(asyncio.to_thread(talk_nonsense), Round().run_until_idle())

        asyncio.run(run())
    assert Delivery.objects.get().error == "connection_broken"


def test_wanted_events_are_the_union_of_active_endpoints(agent: Agent) -> None:
    def wanted() -> set[str]:
        agent.refresh_from_db()
        return set(agent.wanted_events)

    first, _ = make_webhook(agent, "http://127.0.0.1:9999/", events=["message.created", "run.failed"])
    second, _ = make_webhook(agent, "http://127.0.0.1:9999/", events=["message.created"])
    assert wanted() == {"message.created", "run.failed"}
    services.update_webhook(endpoint=first, is_active=False)
    assert wanted() == {"message.created"}
    services.update_webhook(endpoint=second, events=["conversation.started"])
    assert wanted() == {"conversation.started"}
    services.delete_webhook(endpoint=second)
    assert wanted() == set()


def test_event_ids_are_unique_per_endpoint(agent: Agent) -> None:
    endpoint, _ = make_webhook(agent, "http://127.0.0.1:9999/")
    event = make_event(agent)
    dispatch_events()
    assert Delivery.objects.get().event_id == event.pk
    assert isinstance(Delivery.objects.get(endpoint=endpoint).event_id, UUID)
