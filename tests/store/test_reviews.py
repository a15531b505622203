"""Reviews: who may write one, and that the sums are right whoever writes at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, User
from agents.services import delete_agent
from store.models import Listing, Review, ReviewStatus
from store.reviews import save_review
from tests.factories import make_user
from tests.store.making import make_conversation, make_listing
from tests.store.visiting import sign_in

pytestmark = pytest.mark.django_db


def send(listing: Listing, user: User, rating: Any = 5, text: str = "Good.") -> Any:
    body = {"rating": rating, "text": text}
    return sign_in(user).put(f"/api/store/listings/{listing.slug}/review", body, content_type="application/json")


def make_reader(listing: Listing, **fields: Any) -> User:
    """Somebody who has had an answer."""
    user = make_user(**fields)
    make_conversation(listing, user)
    return user


def sums(listing: Listing) -> tuple[int, int]:
    listing.refresh_from_db()
    return listing.rating_count, listing.rating_sum


def test_who_has_used_the_agent_reviews_it_once_and_may_change_it():
    listing = make_listing()
    reader = make_reader(listing, name="Ada")
    assert send(listing, reader, 2).status_code == 200
    changed = send(listing, reader, 4, "Better now.").json()
    assert (changed["author"], changed["rating"], changed["text"]) == ("Ada", 4, "Better now.")
    assert sums(listing) == (1, 4)
    send(listing, make_reader(listing), 1)
    assert sums(listing) == (2, 5)
    shown = sign_in(make_user()).get(f"/api/store/listings/{listing.slug}/reviews").json()["data"]
    assert [(row["author"], row["rating"]) for row in shown] == [("", 1), ("Ada", 4)]


def test_no_review_without_an_answer():
    listing, other = make_listing(), make_listing()
    never, unanswered = make_user(), make_user()
    make_conversation(other, never)
    make_conversation(listing, unanswered, answer="")
    for user in (never, unanswered):
        answer = send(listing, user)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "review_needs_use"
    assert Review.objects.count() == 0


def test_members_do_not_review_their_own():
    listing = make_listing()
    owner = Membership.objects.get(workspace=listing.workspace).user
    make_conversation(listing, owner)
    assert send(listing, owner).json()["error"]["code"] == "own_listing"


@pytest.mark.parametrize("rating", [0, 6, None, "x", 2.5, []])
def test_a_rating_is_one_to_five(rating):
    listing = make_listing()
    assert send(listing, make_reader(listing), rating).status_code == 422


def test_a_review_is_taken_back_by_its_writer_alone():
    listing = make_listing()
    reader = make_reader(listing)
    send(listing, reader, 3)
    path = f"/api/store/listings/{listing.slug}/review"
    assert sign_in(make_user()).delete(path).status_code == 404
    assert sign_in(reader).delete(path).status_code == 204
    assert sums(listing) == (0, 0)


def test_a_review_goes_with_its_writers_account():
    listing = make_listing()
    reader = make_reader(listing)
    send(listing, reader, 3)
    reader.delete()
    assert sums(listing) == (0, 0)


def test_reviews_go_with_the_listing_without_being_counted_one_by_one():
    costs = []
    for count in (1, 3):
        listing = make_listing()
        for _ in range(count):
            send(listing, make_reader(listing))
        with CaptureQueriesContext(connection) as queries:
            delete_agent(agent=listing.agent)
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert not Review.objects.exists()


def test_the_page_says_what_the_reader_may_do():
    listing = make_listing()
    reader, stranger = make_reader(listing), make_user()
    send(listing, reader, 3)
    path = f"/api/store/listings/{listing.slug}"
    mine = sign_in(reader).get(path).json()["my"]
    assert (mine["review"]["rating"], mine["access"], mine["can_review"]) == (3, "free", True)
    assert sign_in(stranger).get(path).json()["my"] == {"review": None, "access": "free", "can_review": False}


def test_the_creator_replies_and_takes_it_back():
    listing = make_listing()
    send(listing, make_reader(listing))
    review = Review.objects.get()
    owner = sign_in(Membership.objects.get(workspace=listing.workspace).user)
    path = f"/api/store/mine/{listing.pk}/reviews/{review.pk}/reply"
    assert owner.post(path, {"text": "Thank you."}, content_type="application/json").json()["reply"] == "Thank you."
    assert owner.post(path, {"text": ""}, content_type="application/json").json()["replied_at"] is None
    assert sign_in(make_user()).post(path, {"text": "x"}, content_type="application/json").status_code == 404


def test_a_hidden_review_stays_hidden_when_it_is_changed():
    listing = make_listing()
    reader = make_reader(listing)
    send(listing, reader, 1)
    Review.objects.update(status=ReviewStatus.HIDDEN)
    assert send(listing, reader, 1, "Again!").json()["status"] == "hidden"
    assert sums(listing) == (0, 0)


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_costs_the_same_however_long(count, django_assert_num_queries):
    listing = make_listing()
    for _ in range(count):
        send(listing, make_reader(listing))
    with django_assert_num_queries(2):  # the listing, the reviews with their writers
        assert len(Client().get(f"/api/store/listings/{listing.slug}/reviews").json()["data"]) == count


@pytest.mark.django_db(transaction=True)
def test_the_sums_are_exact_when_many_write_at_once():
    listing = make_listing()
    readers = [make_reader(listing) for _ in range(16)]

    def write(numbered: tuple[int, User]) -> None:
        try:
            save_review(listing=listing, user=numbered[1], rating=1 + numbered[0] % 5, text="")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, enumerate(readers)))
        list(pool.map(write, enumerate(reversed(readers))))
    ratings = list(Review.objects.values_list("rating", flat=True))
    assert sums(listing) == (16, sum(ratings))
