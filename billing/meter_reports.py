"""What was used beyond plans, told to Stripe's meters: each hour of each workspace once, whatever fails in between.

A closed hour's records become one `MeterReport` in one statement, which names them; what comes late makes another one
with the next `sequence`. A report is sent under its own `identifier`, which Stripe takes only once.
"""

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from billing.errors import PaymentRefused, PaymentsUnavailable
from billing.models import MeterReport
from billing.prices import METERS
from billing.stripe import report_usage

logger = logging.getLogger(__name__)
_SETTLING = timedelta(minutes=5)  # after an hour's end: the records of runs that ended in it are there
_AT_ONCE = 500
_EVENT_NAMES = {meter.meter: meter.event_name for meter in METERS}

_CLOSE = """
WITH due AS MATERIALIZED (
    SELECT id, workspace_id, meter, date_trunc('hour', at, 'UTC') AS hour FROM billing_usagerecord
    WHERE meter <> '' AND report_id IS NULL AND at < %s FOR UPDATE SKIP LOCKED
), reports AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, workspace_id, meter, hour, count(*) AS quantity,
        (SELECT count(*) FROM billing_meterreport earlier
         WHERE earlier.workspace_id = due.workspace_id AND earlier.meter = due.meter AND earlier.hour = due.hour
        ) AS sequence
    FROM due GROUP BY workspace_id, meter, hour
), made AS (
    INSERT INTO billing_meterreport
        (id, created_at, updated_at, workspace_id, meter, hour, sequence, quantity, identifier, attempts, error)
    SELECT id, clock_timestamp(), clock_timestamp(), workspace_id, meter, hour, sequence, quantity,
        concat_ws(':', workspace_id, meter, to_char(hour AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24'), sequence), 0, ''
    FROM reports
)
UPDATE billing_usagerecord SET report_id = reports.id
FROM due JOIN reports USING (workspace_id, meter, hour) WHERE billing_usagerecord.id = due.id
"""


def close_hours(now: datetime | None = None) -> int:
    """Make reports of the records of hours that are over; returns how many records that were."""
    hour = ((now or timezone.now()) - _SETTLING).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Statistics that were made when the table was empty let the planner compare each record with each.
            cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute(_CLOSE, [hour])
            return int(cursor.rowcount)
    except IntegrityError:  # another worker makes the same reports: the next round takes what is left
        return 0


def send_reports() -> int:
    """Tell Stripe what it does not know yet; returns how many reports it took. Ends early when Stripe is away."""
    sent = 0
    waiting = MeterReport.objects.filter(reported_at=None, workspace__customer__stripe_id__isnull=False)
    for report_id in waiting.order_by("attempts", "hour").values_list("pk", flat=True)[:_AT_ONCE]:
        try:
            sent += _send(report_id)
        except PaymentsUnavailable:
            logger.warning("Stripe does not answer: usage is reported later")
            break
        except PaymentRefused as error:
            logger.error("Stripe refused the usage report %s: %s", report_id, error.code)
            MeterReport.objects.filter(pk=report_id).update(attempts=F("attempts") + 1, error=str(error.code)[:500])
    return sent


@transaction.atomic
def _send(report_id: UUID) -> int:
    """Send one report, unless another worker is at it."""
    rows = MeterReport.objects.select_for_update(of=("self",), skip_locked=True)
    report = rows.select_related("workspace__customer").filter(pk=report_id, reported_at=None).first()
    if report is None:
        return 0
    customer_id = report.workspace.customer.stripe_id or ""
    report_usage(
        event_name=_EVENT_NAMES[report.meter],
        customer=customer_id,
        quantity=report.quantity,
        identifier=report.identifier,
        at=report.hour,
    )
    MeterReport.objects.filter(pk=report.pk).update(reported_at=timezone.now(), attempts=F("attempts") + 1, error="")
    return 1
