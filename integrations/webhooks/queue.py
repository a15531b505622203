"""Deliveries as jobs: which are due, who sends them until when, what became of them.

A claim gives each endpoint so many places at most, so that a slow one holds up nobody else; one that keeps failing has
a single place. Results go through the lease: what another worker has taken over meanwhile is written by that one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from integrations import services
from integrations.models import DeliveryState, DisabledReason, WebhookEndpoint
from integrations.webhooks.schedule import GIVE_UP_AFTER, pause_of, retry_delay
from integrations.webhooks.sending import Answer

PLACES = 16  # deliveries of one endpoint that workers hold; most of them wait in the courier's lane
PLACES_WHILE_FAILING = 1

_CLAIM = """
WITH RECURSIVE waiting(id) AS (
    -- the endpoints with pending deliveries, by leaps through the index rather than over each row of a long queue
    (SELECT endpoint_id FROM integrations_delivery WHERE state = 'pending' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT endpoint_id FROM integrations_delivery
        WHERE state = 'pending' AND endpoint_id > waiting.id ORDER BY endpoint_id LIMIT 1
    ) FROM waiting WHERE waiting.id IS NOT NULL
), open AS (
    SELECT endpoint.id, CASE WHEN endpoint.failing_since IS NULL THEN %(places)s ELSE %(places_failing)s END - (
        SELECT count(*) FROM integrations_delivery
        WHERE endpoint_id = endpoint.id AND leased_until IS NOT NULL AND leased_until > %(now)s
    ) AS places
    FROM waiting JOIN integrations_webhookendpoint endpoint ON endpoint.id = waiting.id
    WHERE endpoint.is_active AND (endpoint.resume_at IS NULL OR endpoint.resume_at <= %(now)s)
), due AS (
    SELECT picked.id FROM open CROSS JOIN LATERAL (
        SELECT id FROM integrations_delivery
        WHERE endpoint_id = open.id AND state = 'pending' AND next_attempt_at <= %(now)s
            AND (leased_until IS NULL OR leased_until <= %(now)s)
        ORDER BY next_attempt_at LIMIT greatest(open.places, 0) FOR UPDATE SKIP LOCKED
    ) picked ORDER BY random() LIMIT %(limit)s
)
UPDATE integrations_delivery delivery
SET leased_until = %(lease_end)s, lease_token = %(token)s, attempts = delivery.attempts + 1
FROM due, integrations_webhookendpoint endpoint
WHERE delivery.id = due.id AND endpoint.id = delivery.endpoint_id
RETURNING delivery.id, delivery.event_id, delivery.body, delivery.attempts, endpoint.id, endpoint.url, endpoint.secret,
    endpoint.previous_secret, endpoint.previous_secret_until
"""
_RECORD = """
UPDATE integrations_delivery SET
    state = %s, next_attempt_at = %s, finished_at = %s, leased_until = NULL, lease_token = NULL,
    attempt_log = jsonb_path_query_array(attempt_log || %s::jsonb, '$[last - 29 to last]'),
    request_headers = %s::jsonb, response_status = %s, response_headers = %s::jsonb, response_body = %s, error = %s,
    latency_ms = %s
WHERE id = %s AND lease_token = %s
"""
_RETURN = """
UPDATE integrations_delivery SET leased_until = NULL, lease_token = NULL, attempts = attempts - 1
WHERE id = %s AND lease_token = %s
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed delivery: all that sending it needs."""

    delivery_id: UUID
    event_id: UUID
    body: bytes
    attempts: int
    endpoint: WebhookEndpoint
    token: UUID
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Result:
    job: Job
    answer: Answer


def claim(limit: int) -> list[Job]:
    """Take up to `limit` due deliveries for as long as sending can last."""
    now, token = timezone.now(), uuid4()
    lease_end = now + timedelta(seconds=2 * settings.WEBHOOK_TIMEOUT_SECONDS)
    parameters: dict[str, Any] = {
        "now": now, "limit": limit, "token": token, "places": PLACES, "places_failing": PLACES_WHILE_FAILING,
        "lease_end": lease_end,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters)
        return [_make_job(row, token, lease_end) for row in cursor.fetchall()]


def _make_job(row: tuple[Any, ...], token: UUID, leased_until: datetime) -> Job:
    delivery_id, event_id, body, attempts, endpoint_id, url, secret, previous, until = row
    endpoint = WebhookEndpoint(
        id=endpoint_id, url=url, secret=secret, previous_secret=previous, previous_secret_until=until
    )
    return Job(delivery_id, event_id, body.encode(), attempts, endpoint, token, leased_until)


def give_back(jobs: Sequence[Job]) -> None:
    """Let go of claimed deliveries that were not sent after all, as if they had not been claimed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_RETURN, [(job.delivery_id, job.token) for job in jobs])


def record(results: Sequence[Result]) -> None:
    """Write what became of deliveries, then what it says about their endpoints."""
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_RECORD, [_record_row(result, now) for result in results])
    by_address: dict[tuple[UUID, str], list[Result]] = defaultdict(list)
    for result in results:
        by_address[result.job.endpoint.pk, result.job.endpoint.url].append(result)
    reached = {address for address, told in by_address.items() if any(result.answer.is_success for result in told)}
    reached_ids = [endpoint_id for endpoint_id, _ in reached]
    WebhookEndpoint.objects.filter(pk__in=reached_ids, failing_since__isnull=False).update(failing_since=None)
    for address, told in by_address.items():
        if failures := [result.answer for result in told if not result.answer.is_success]:
            _judge_endpoint(told[0].job.endpoint, failures, address in reached, now)


def _record_row(result: Result, now: datetime) -> tuple[Any, ...]:
    job, answer = result.job, result.answer
    delay = None if answer.is_success else retry_delay(job.attempts, answer.retry_after)
    if answer.is_success:
        state = DeliveryState.DELIVERED
    elif answer.error == "gone":
        state, delay = DeliveryState.ABANDONED, None
    else:
        state = DeliveryState.FAILED if delay is None else DeliveryState.PENDING
    return (
        state, None if delay is None else now + delay, now if delay is None else None, _json([answer.log_entry()]),
        _json(answer.request_headers), answer.status, _json(answer.headers), answer.body, answer.error, answer.ms,
        job.delivery_id, job.token,
    )  # fmt: skip


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _judge_endpoint(sent_to: WebhookEndpoint, failures: list[Answer], is_reached: bool, now: datetime) -> None:
    # Each write is a transaction of its own: people lock an agent before its endpoints, so nothing is held here.
    # An address that was changed meanwhile is not judged by what the old one answered.
    endpoints = WebhookEndpoint.objects.filter(pk=sent_to.pk, url=sent_to.url)
    if any(answer.error == "gone" for answer in failures):
        services.switch_off(endpoint=sent_to, reason=DisabledReason.GONE)
    elif not is_reached:
        endpoints.filter(failing_since=None).update(failing_since=now)
        if endpoints.filter(failing_since__lte=now - GIVE_UP_AFTER).exists():
            services.switch_off(endpoint=sent_to, reason=DisabledReason.FAILING)
    pause = max(pause_of(answer.retry_after) for answer in failures)
    if pause:
        endpoints.update(resume_at=now + pause)
    for endpoint in WebhookEndpoint.objects.filter(pk=sent_to.pk, is_active=False):
        services.abandon_waiting(endpoint)  # it was switched off while these were on their way
