"""Uses are counted once and for good; trends fade; a rating of one person says little."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership
from chat.models import Channel, Conversation
from core.ids import first_uuid7
from store.days import add_to_day, count_view, describe_days
from store.models import Listing, ListingDay, Review
from store.ranking import count_uses, score_ratings, score_trends
from store.tasks import score_listings
from tests.factories import make_user
from tests.store.making import PER_MONTH, make_conversation, make_listing

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def talk(listing: Listing, at: datetime = NOON, **fields) -> Conversation:
    """A conversation whose ids were made at that moment, with one question."""
    made = make_conversation(listing, at=at, **fields)
    for number, row in enumerate([made, *made.messages.order_by("id")]):
        moved = type(row).objects.filter(pk=row.pk)
        new = first_uuid7(at + timedelta(milliseconds=number + 1 + Conversation.objects.count() * 10))
        if row is made:
            Conversation.objects.bulk_create([Conversation(**{**_columns(made), "id": new})])
            made.messages.update(conversation=new)
            moved.delete()
        else:
            moved.update(id=new)
    return Conversation.objects.get(pk__gte=first_uuid7(at), created_at=at, messages__id=new)


def _columns(row: Conversation) -> dict:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def days_of(listing: Listing) -> list[tuple[str, int, int]]:
    rows = ListingDay.objects.filter(listing=listing).order_by("day")
    return [(f"{row.day}", row.uses, row.messages) for row in rows]


def test_uses_are_counted_once_whatever_is_deleted_afterwards():
    listing = make_listing()
    count_uses(NOON - timedelta(hours=1))
    first = talk(listing)
    assert count_uses(NOON + timedelta(minutes=1)) == 1
    first.delete()
    talk(listing, NOON + timedelta(minutes=2))
    for _ in range(3):
        count_uses(NOON + timedelta(minutes=3))
    assert days_of(listing) == [("2026-11-10", 2, 2)]
    listing.refresh_from_db()
    assert listing.use_count == 2


def test_a_use_counts_on_its_own_day():
    listing = make_listing()
    count_uses(NOON - timedelta(hours=1))
    talk(listing)
    talk(listing, NOON + timedelta(hours=13))
    count_uses(NOON + timedelta(days=1))
    assert days_of(listing) == [("2026-11-10", 1, 1), ("2026-11-11", 1, 1)]


def test_what_may_still_be_written_is_counted_later():
    listing = make_listing()
    count_uses(NOON - timedelta(hours=1))
    talk(listing)
    assert count_uses(NOON + timedelta(seconds=10)) == 0
    assert count_uses(NOON + timedelta(seconds=40)) == 1


def test_other_channels_and_the_creators_own_chats_do_not_count():
    listing = make_listing()
    owner = Membership.objects.get(workspace=listing.workspace).user
    count_uses(NOON - timedelta(hours=1))
    elsewhere = talk(listing)
    Conversation.objects.filter(pk=elsewhere.pk).update(channel=Channel.HOSTED)
    talk(listing, NOON + timedelta(minutes=1), user=owner)
    assert count_uses(NOON + timedelta(minutes=5)) == 0
    assert days_of(listing) == []


def test_a_use_counts_for_its_trend_at_once():
    listing = make_listing()
    now = timezone.now()
    count_uses(now - timedelta(hours=1))
    talk(listing, now - timedelta(minutes=2))
    count_uses(now)
    listing.refresh_from_db()
    assert listing.trending_score > 0


def use(listing: Listing, count: int, days_ago: int = 0) -> None:
    day = timezone.now().date() - timedelta(days=days_ago)
    ListingDay.objects.create(listing=listing, day=day, uses=count)


def trends() -> list[tuple[str, float]]:
    found = Listing.objects.order_by("-trending_score")
    return [(listing.name, listing.trending_score) for listing in found]


def test_trends_fade_by_half_every_two_days_and_end_after_seven():
    fresh, older, past = (make_listing(name=name) for name in ("Fresh", "Older", "Past"))
    use(fresh, 4)
    use(fresh, 1, days_ago=6)
    use(older, 16, days_ago=4)
    use(past, 1000, days_ago=7)
    assert score_trends() == 2
    assert trends() == [("Fresh", 4.125), ("Older", 4.0), ("Past", 0.0)]
    assert score_trends() == 0
    ListingDay.objects.all().delete()
    score_listings()
    assert {score for _, score in trends()} == {0.0}


def rate(listing: Listing, *ratings: int) -> None:
    Listing.objects.filter(pk=listing.pk).update(rating_count=len(ratings), rating_sum=sum(ratings))


def test_a_few_ratings_say_less_than_many():
    loved, lucky, poor, silent = (make_listing(name=name) for name in ("Loved", "Lucky", "Poor", "Silent"))
    rate(loved, *[5] * 40, *[4] * 10)
    rate(lucky, 5)
    rate(poor, *[2] * 20)
    score_ratings()
    names = list(Listing.objects.order_by("-rating_score").values_list("name", flat=True))
    assert names == ["Loved", "Lucky", "Poor", "Silent"]
    mean = (240 + 5 + 40) / 71
    lucky.refresh_from_db()
    assert lucky.rating_score == pytest.approx((5 * mean + 5) / 6, abs=1e-6)
    rate(silent, 1)
    assert score_ratings(silent.pk) == 1
    assert score_ratings() == 3  # the store's mean has moved for the others


@pytest.mark.parametrize(
    "agent", ["", "Googlebot/2.1", "curl/8.5", "python-requests/2", "WhatsApp/2", "HeadlessChrome"]
)
def test_programs_do_not_count_as_views(agent):
    count_view(make_listing(), agent)
    assert not ListingDay.objects.exists()


def test_views_are_counted_in_one_statement(django_assert_num_queries):
    listing = make_listing()
    for _ in range(3):
        with django_assert_num_queries(1):
            count_view(listing, BROWSER)
    assert ListingDay.objects.get().views == 3


def test_figures_have_every_day_and_say_how_many_views_became_something():
    listing = make_listing()
    use(listing, 3, days_ago=2)
    add_to_day(listing.pk, views=12, uses=3)
    found = describe_days(listing, 4)
    assert [(day["views"], day["uses"]) for day in found["days"]] == [(0, 0), (0, 3), (0, 0), (12, 3)]
    assert (found["totals"]["uses"], found["conversion"]) == (6, 0.5)
    sold = make_listing(**PER_MONTH)
    assert describe_days(sold, 1)["conversion"] is None
    add_to_day(sold.pk, views=8, sales=1, revenue=810)
    add_to_day(sold.pk, sales=-1, revenue=-810)
    assert describe_days(sold, 1)["totals"]["revenue"] == 0
    add_to_day(sold.pk, sales=1, revenue=810)
    found = describe_days(sold, 1)
    assert (found["totals"]["revenue"], found["conversion"], found["currency"]) == (810, 0.125, "eur")


def test_ratings_are_told_over_time(django_assert_num_queries):
    listing = make_listing()
    for days_ago, rating in ((9, 5), (1, 2), (1, 2)):
        review = Review.objects.create(listing=listing, user=make_user(), rating=rating)
        Review.objects.filter(pk=review.pk).update(created_at=timezone.now() - timedelta(days=days_ago))
    Review.objects.create(listing=listing, user=make_user(), rating=1, status="hidden")
    with django_assert_num_queries(2):
        assert [day["rating"] for day in describe_days(listing, 3)["days"]] == [5.0, 3.0, 3.0]
    assert [day["rating"] for day in describe_days(make_listing(), 1)["days"]] == [None]


def test_what_is_taken_back_on_a_later_day_is_negative_revenue_and_no_negative_sale():
    listing = make_listing(**PER_MONTH)
    for _ in range(2):
        add_to_day(listing.pk, sales=-1, revenue=-100)
    day = ListingDay.objects.get()
    assert (day.sales, day.revenue) == (0, -200)


def test_the_sorts_follow_the_scores():
    names = ("One", "Two", "Three")
    for number, name in enumerate(names):
        scores = {"trending_score": number % 3, "rating_score": (number + 1) % 3}
        Listing.objects.filter(pk=make_listing(name=name).pk).update(**scores)
    found = {}
    for sort in ("trending", "rating", "new"):
        data = Client().get(f"/api/store/listings?sort={sort}").json()["data"]
        found[sort] = [row["name"] for row in data]
    assert found == {
        "trending": ["Three", "Two", "One"], "rating": ["Two", "One", "Three"], "new": ["Three", "Two", "One"]
    }  # fmt: skip


def test_a_user_of_many_listings_counts_for_each():
    listings = [make_listing() for _ in range(3)]
    user = make_user()
    count_uses(NOON - timedelta(hours=1))
    for listing in listings:
        talk(listing, user=user)
    assert count_uses(NOON + timedelta(minutes=1)) == 3
