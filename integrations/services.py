"""Writes about webhooks: keyword-only, one transaction each. Permission is the route's declared policy.

Whoever changes endpoints locks their agent first, so that `Agent.wanted_events` and the limit always hold.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from agents.services import require_editable, set_wanted_events
from core.crypto import SecretUnreadable, encrypt
from core.errors import FieldError, UrlNotAllowed
from core.http import check_url, egress_session
from core.ids import uuid7
from integrations.errors import TooManyWebhooks, WebhookSwitchedOff
from integrations.models import TEST_EVENT, Delivery, DeliveryState, DisabledReason, WebhookEndpoint
from integrations.webhooks.outbox import make_body, make_delivery
from integrations.webhooks.sending import Answer, post
from integrations.webhooks.signing import make_secret, secrets_of, signed_headers

MOST_WEBHOOKS = 20
OVERLAP_HOURS = 24
KEPT_DAYS = 30
_DELETED_AT_ONCE = 5_000


@transaction.atomic
def create_webhook(*, agent: Agent, url: str, events: list[str]) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret in plain text: show it once. Raises UrlNotAllowed, TooManyWebhooks, OverQuota."""
    require_editable(agent)
    _check_url(url)
    _lock_agent(agent.pk)
    if WebhookEndpoint.objects.filter(agent=agent).count() >= MOST_WEBHOOKS:
        raise TooManyWebhooks()
    secret = make_secret()
    endpoint = WebhookEndpoint.objects.create(agent=agent, url=url, events=sorted(set(events)), secret=encrypt(secret))
    _announce_wishes(agent.pk)
    return endpoint, secret


@transaction.atomic
def update_webhook(
    *, endpoint: WebhookEndpoint, url: str | None = None, events: list[str] | None = None, is_active: bool | None = None
) -> WebhookEndpoint:
    """Change the address or the events, switch off or on. What waits goes to the new address, at once.

    Switching off abandons what waits; it can be replayed. Switching on begins anew, without the failures that were.
    What a smaller plan has no room for may still be switched off. Raises UrlNotAllowed, OverQuota.
    """
    if url is not None or events is not None or is_active:
        require_editable(endpoint.agent)
    is_moved = False
    _lock_agent(endpoint.agent_id)
    endpoint = WebhookEndpoint.objects.select_for_update(of=("self",)).get(pk=endpoint.pk)
    if url is not None:
        _check_url(url)
        is_moved = url != endpoint.url
        endpoint.url = url
    if is_moved:  # another receiver: what the old one asked for and how it failed is no matter any more
        endpoint.failing_since, endpoint.resume_at = None, None
    if events is not None:
        endpoint.events = sorted(set(events))
    if is_active is not None and is_active != endpoint.is_active:
        endpoint.is_active = is_active
        endpoint.disabled_reason = DisabledReason.NONE if is_active else DisabledReason.PAUSED
        endpoint.failing_since, endpoint.resume_at, endpoint.owes_notice = None, None, False
    endpoint.save()
    if is_moved:
        _hurry_waiting(endpoint)
    if not endpoint.is_active:
        abandon_waiting(endpoint)
    _announce_wishes(endpoint.agent_id)
    return endpoint


@transaction.atomic
def delete_webhook(*, endpoint: WebhookEndpoint) -> None:
    """Delete it with its deliveries; what is being sent at this moment still arrives."""
    _lock_agent(endpoint.agent_id)
    endpoint.delete()
    _announce_wishes(endpoint.agent_id)


@transaction.atomic
def rotate_secret(*, endpoint: WebhookEndpoint, overlap_hours: int = OVERLAP_HOURS) -> str:
    """A new secret in plain text: show it once. For the overlap the previous one signs as well."""
    secret = make_secret()
    endpoint = WebhookEndpoint.objects.select_for_update(of=("self",)).get(pk=endpoint.pk)
    endpoint.previous_secret = endpoint.secret if overlap_hours else ""
    endpoint.previous_secret_until = timezone.now() + timedelta(hours=overlap_hours) if overlap_hours else None
    endpoint.secret = encrypt(secret)
    endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until", "updated_at"])
    return secret


@transaction.atomic
def switch_off(*, endpoint: WebhookEndpoint, reason: DisabledReason) -> None:
    """Stop sending to a receiver that is gone or has long failed. Its owners are told by mail.

    Nothing happens when the endpoint has another address by now: that receiver did neither.
    """
    at_address = WebhookEndpoint.objects.filter(pk=endpoint.pk, url=endpoint.url, is_active=True)
    found = at_address.values_list("agent_id", flat=True).first()
    if found is None:
        return
    _lock_agent(found)
    stored = at_address.first()
    if stored is None:
        return
    stored.is_active, stored.disabled_reason, stored.owes_notice = False, reason, True
    stored.save(update_fields=["is_active", "disabled_reason", "owes_notice", "updated_at"])
    abandon_waiting(stored)
    _announce_wishes(found)


def send_test(*, endpoint: WebhookEndpoint) -> Delivery:
    """Send a signed test event now and wait for the answer, also when the endpoint is off. It is never retried.

    A success ends a pause: the receiver is back.
    """
    now = timezone.now()
    event_id = uuid7()
    data = {"agent_id": str(endpoint.agent_id), "webhook_id": str(endpoint.pk)}
    delivery = make_delivery(endpoint, event_id, TEST_EVENT, make_body(TEST_EVENT, now, data), now)
    body = delivery.body.encode()
    try:
        headers = signed_headers(str(event_id), body, secrets_of(endpoint, now), now)
    except SecretUnreadable:
        answer = Answer(at=now, request_headers={}, error="secret_unreadable")
    else:
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: nobody's connection waits for a receiver
        answer = asyncio.run(_send_once(endpoint.url, body, headers))
    _note_answer(delivery, answer)
    delivery.save(force_insert=True)
    if answer.is_success:
        _welcome_back(endpoint)
    return delivery


async def _send_once(url: str, body: bytes, headers: dict[str, str]) -> Answer:
    async with egress_session() as session:
        return await post(session, url, body, headers)


def _note_answer(delivery: Delivery, answer: Answer) -> None:
    delivery.state = DeliveryState.DELIVERED if answer.is_success else DeliveryState.FAILED
    delivery.attempts, delivery.attempt_log = 1, [answer.log_entry()]
    delivery.next_attempt_at, delivery.finished_at = None, timezone.now()
    delivery.request_headers, delivery.response_headers = answer.request_headers, answer.headers
    delivery.response_status, delivery.response_body = answer.status, answer.body
    delivery.error, delivery.latency_ms = answer.error, answer.ms


def replay_delivery(*, delivery: Delivery) -> Delivery:
    """Send it again from the first attempt, with the same id and body. This ends a pause. Raises WebhookSwitchedOff."""
    _require_active(delivery.endpoint)
    _replay(delivery.endpoint, Delivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()
    return delivery


def replay_since(*, endpoint: WebhookEndpoint, since: datetime, include_delivered: bool = False) -> int:
    """Send again what happened since then and was not delivered, or everything. Returns how many deliveries.

    Whoever asks for this wants it now: it ends a pause. Raises WebhookSwitchedOff.
    """
    _require_active(endpoint)
    deliveries = endpoint.deliveries.filter(created_at__gte=since).exclude(event_type=TEST_EVENT)
    return _replay(endpoint, deliveries if include_delivered else deliveries.exclude(state=DeliveryState.DELIVERED))


def delete_old_deliveries() -> int:
    """Delete deliveries older than KEPT_DAYS, a bounded number at once. Returns how many."""
    old = Delivery.objects.filter(created_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)).order_by("created_at")
    return Delivery.objects.filter(pk__in=old.values("pk")[:_DELETED_AT_ONCE])._raw_delete(using="default")


def _replay(endpoint: WebhookEndpoint, deliveries: Any) -> int:
    # One that is being sent at this moment needs no replay.
    now = timezone.now()
    free = deliveries.filter(leased_until=None) | deliveries.filter(leased_until__lte=now)
    changed: int = free.update(
        state=DeliveryState.PENDING, next_attempt_at=now, attempts=0, finished_at=None, leased_until=None,
        lease_token=None,
    )  # fmt: skip
    if changed:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(resume_at=None)
    return changed


def _welcome_back(endpoint: WebhookEndpoint) -> None:
    """Forget the pause and the failures of a receiver that answers again."""
    troubled = Q(resume_at__isnull=False) | Q(failing_since__isnull=False)
    at_address = WebhookEndpoint.objects.filter(troubled, pk=endpoint.pk, url=endpoint.url)
    if at_address.update(resume_at=None, failing_since=None):
        _hurry_waiting(endpoint)


def _hurry_waiting(endpoint: WebhookEndpoint) -> None:
    now = timezone.now()
    waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING, leased_until=None)
    waiting.filter(next_attempt_at__gt=now).update(next_attempt_at=now)


def _require_active(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_active:
        raise WebhookSwitchedOff()


def _lock_agent(agent_id: UUID) -> None:
    Agent.objects.select_for_update(of=("self",)).get(pk=agent_id)


def _announce_wishes(agent_id: UUID) -> None:
    wishes = WebhookEndpoint.objects.filter(agent_id=agent_id, is_active=True).values_list("events", flat=True)
    set_wanted_events(agent_id=agent_id, types={event for events in wishes for event in events})


def abandon_waiting(endpoint: WebhookEndpoint) -> None:
    """End what waits for an endpoint that is off; what is being sent at this moment is left alone."""
    waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING, leased_until=None)
    waiting.update(state=DeliveryState.ABANDONED, next_attempt_at=None, finished_at=timezone.now())


def _check_url(url: str) -> None:
    try:
        check_url(url)
    except UrlNotAllowed as error:
        fields = [FieldError("url", str(error.message))]
        raise UrlNotAllowed(error.message, param="url", errors=fields) from None
