"""Workers that die while a receiver thinks: for real."""

import signal
from pathlib import Path
from typing import Any

import pytest

from integrations.models import Delivery
from tests.factories import make_agent, make_event, make_webhook, make_workspace
from tests.integrations.webhook_receiver import Receiver, Reply
from tests.processes import database_url, running, wait_until


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("allow_loopback")
def test_killed_worker_loses_no_delivery(settings: Any, tmp_path: Path) -> None:
    env = {
        "DATABASE_URL": database_url(), "GILO_SEED_DEMO": "0", "GILO_WEBHOOK_TIMEOUT": "3",
        "GILO_EGRESS_ALLOWED_NETWORKS": "127.0.0.1/32", "GILO_ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS[0],
    }  # fmt: skip
    agent = make_agent(make_workspace()[0])
    with Receiver(*[Reply() for _ in range(5)], Reply(delay=2.5)) as receiver:
        make_webhook(agent, receiver.url)
        expected = {str(make_event(agent, number=number).pk) for number in range(30)}
        with running(tmp_path / "data", env=env, is_first_start=False) as killed:
            wait_until(lambda: len(receiver.received) >= 7, 30, "requests on their way")
            killed.send(signal.SIGKILL)
            killed.wait_end()
        on_their_way = Delivery.objects.filter(state="pending", lease_token__isnull=False)
        interrupted = {str(event_id) for event_id in on_their_way.values_list("event_id", flat=True)}
        assert interrupted & set(receiver.ids), "killed while the receiver thought"
        receiver.replies = [Reply()]
        before = len(receiver.received)
        with running(tmp_path / "data", env=env):
            all_there = Delivery.objects.filter(state="delivered")
            wait_until(lambda: all_there.count() == 30, 60, lambda: f"{all_there.count()} of 30 are delivered")
        assert set(receiver.ids) == expected
        assert interrupted <= set(receiver.ids[before:]), "sent again, with the same ids"
