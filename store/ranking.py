"""What is trending, what is best rated, and how often a listing is used: counted apart from the chats themselves.

Conversations and messages of the channel "store" are counted once, up to a moment that moves on in the transaction
that counts them: nothing is counted twice, and what is deleted later stays counted.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from core.ids import first_uuid7
from store.models import Progress

SETTLED = timedelta(seconds=30)  # a row is written at most so long after its id was made
TRENDING_DAYS = 7
HALF_LIFE_DAYS = 2
PRIOR_WEIGHT = 5  # ratings of the store's mean that each rated listing has from the start
_USES = "uses"
_LOCK = 0x5343_4F52
_LONG_AGO = timedelta(days=TRENDING_DAYS)
# Ids are made in the order of time, so that the primary keys are the index. The creator's own chats do not count.
_IS_OWN = """EXISTS (
    SELECT FROM accounts_membership member
    WHERE member.workspace_id = listing.workspace_id AND talk.end_user = 'user:' || member.user_id
)"""
_COUNT_USES = f"""
WITH begun AS (
    SELECT listing.id AS listing_id, (talk.created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS uses, 0 AS messages
    FROM chat_conversation talk JOIN store_listing listing ON listing.agent_id = talk.agent_id
    WHERE talk.id >= %(first)s AND talk.id < %(last)s AND talk.channel = 'store' AND NOT {_IS_OWN}
    GROUP BY 1, 2
), said AS (
    SELECT listing.id, (message.created_at AT TIME ZONE 'UTC')::date, 0, count(*)
    FROM chat_message message JOIN chat_conversation talk ON talk.id = message.conversation_id
    JOIN store_listing listing ON listing.agent_id = talk.agent_id
    WHERE message.id >= %(first)s AND message.id < %(last)s AND message.role = 'user'
        AND talk.channel = 'store' AND NOT {_IS_OWN}
    GROUP BY 1, 2
), found AS (
    SELECT listing_id, day, sum(uses)::int AS uses, sum(messages)::int AS messages
    FROM (SELECT * FROM begun UNION ALL SELECT * FROM said) counted GROUP BY 1, 2
), stored AS (
    INSERT INTO store_listingday (listing_id, day, views, uses, messages, remixes, sales, revenue)
    SELECT listing_id, day, 0, uses, messages, 0, 0, 0 FROM found ORDER BY 1, 2
    ON CONFLICT (listing_id, day) DO UPDATE SET
        uses = store_listingday.uses + EXCLUDED.uses, messages = store_listingday.messages + EXCLUDED.messages
)
UPDATE store_listing listing SET use_count = listing.use_count + used.uses
FROM (SELECT listing_id, sum(uses)::int AS uses FROM found GROUP BY 1) used
WHERE listing.id = used.listing_id AND used.uses > 0
RETURNING listing.id
"""  # noqa: S608 - constants of ours
_SCORE_TRENDS = f"""
UPDATE store_listing listing SET trending_score = fresh.score
FROM (
    SELECT listed.id, round(coalesce(sum(
        past.uses * power(0.5, (%(today)s - past.day)::numeric / {HALF_LIFE_DAYS})
    ), 0), 6)::float8 AS score
    FROM store_listing listed LEFT JOIN store_listingday past
        ON past.listing_id = listed.id AND past.day > %(today)s - {TRENDING_DAYS} AND past.day <= %(today)s
    WHERE %(some)s::uuid[] IS NULL OR listed.id = ANY(%(some)s::uuid[])
    GROUP BY listed.id
) fresh
WHERE listing.id = fresh.id AND listing.trending_score <> fresh.score
"""  # noqa: S608 - constants of ours
_SCORE_RATINGS = f"""
UPDATE store_listing listing SET rating_score = fresh.score
FROM (
    SELECT listed.id, CASE WHEN listed.rating_count = 0 THEN 0 ELSE round(
        ({PRIOR_WEIGHT} * store.mean + listed.rating_sum) / ({PRIOR_WEIGHT} + listed.rating_count), 6
    ) END::float8 AS score
    FROM store_listing listed,
        (SELECT sum(rating_sum)::numeric / nullif(sum(rating_count), 0) AS mean FROM store_listing) store
    WHERE %(one)s::uuid IS NULL OR listed.id = %(one)s::uuid
) fresh
WHERE listing.id = fresh.id AND listing.rating_score <> fresh.score
"""  # noqa: S608


@transaction.atomic
def count_uses(now: datetime | None = None) -> int:
    """Count what was said in the store since the last time; how many listings were used. Their trend follows at once.

    Nothing is counted while another process counts.
    """
    until = (now or timezone.now()) - SETTLED
    Progress.objects.bulk_create([Progress(name=_USES, until=until - _LONG_AGO)], ignore_conflicts=True)
    progress = Progress.objects.select_for_update(skip_locked=True).filter(name=_USES).first()
    if progress is None or progress.until >= until:
        return 0
    _wait_for_scores()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_USES, {"first": first_uuid7(progress.until), "last": first_uuid7(until)})
        used = [row[0] for row in cursor.fetchall()]
    progress.until = until
    progress.save(update_fields=["until"])
    if used:
        score_trends(used)
    return len(used)


@transaction.atomic
def score_trends(listing_ids: list[UUID] | None = None) -> int:
    """Set the trending score of these listings, or of all: uses of the last 7 days, half as much every two days.

    Only what changes is written; how many did.
    """
    _wait_for_scores()
    return _run(_SCORE_TRENDS, {"today": timezone.now().date(), "some": listing_ids})


@transaction.atomic
def score_ratings(listing_id: UUID | None = None) -> int:
    """Set the rating score of one listing, or of all: its mean, drawn to the store's while its ratings are few.

    A listing without ratings has 0 and comes last. How many changed.
    """
    if listing_id is None:
        _wait_for_scores()
    return _run(_SCORE_RATINGS, {"one": listing_id})


def _wait_for_scores() -> None:
    """Whoever writes many listings does so alone: two in different orders would wait for one another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _run(statement: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)
