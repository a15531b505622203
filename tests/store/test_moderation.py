"""Reports and what the operator does about them."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import Membership, User
from store.models import Listing, Report, Review
from store.reviews import save_review
from store.tasks import send_notices
from tests.factories import make_user
from tests.store.making import make_conversation, make_draft, make_listing
from tests.store.visiting import open_session, sign_in

pytestmark = pytest.mark.django_db
QUEUE = "/api/store/moderation/reports"


def send(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def report(listing: Listing, user: User | None = None, **body: Any) -> Any:
    path = f"/api/store/listings/{listing.slug}/report"
    return send(sign_in(user or make_user()), path, **{"reason": "spam", **body})


def make_review(listing: Listing, rating: int = 1) -> Review:
    user = make_user()
    make_conversation(listing, user)
    return save_review(listing=listing, user=user, rating=rating, text="Buy my thing!")


@pytest.fixture
def operator() -> Client:
    return sign_in(make_user(is_staff=True))


def queue_of(operator: Client, status: str = "open") -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = operator.get(f"{QUEUE}?status={status}").json()["data"]
    return data


def decide(operator: Client, **body: Any) -> Any:
    return send(operator, f"{QUEUE}/{queue_of(operator)[0]['id']}/decide", **body)


def test_a_report_is_open_once_for_each_person_and_target(operator):
    listing, user = make_listing(), make_user()
    review = make_review(listing)
    assert report(listing, user).status_code == 201
    assert report(listing, user).json()["error"]["code"] == "already_reported"
    assert report(listing, user, review_id=str(review.pk)).status_code == 201
    assert report(listing).status_code == 201
    assert len(queue_of(operator)) == 3
    decide(operator, action="dismiss")
    assert Report.objects.filter(status="dismissed").count() == 1


@pytest.mark.parametrize("body", [{"reason": "because"}, {"review_id": "x"}, {"text": "x" * 1001}, {"more": 1}])
def test_a_report_that_says_nothing_sensible_is_refused(body):
    assert report(make_listing(), **body).status_code == 422


def test_a_review_of_another_listing_cannot_be_reported_here():
    review = make_review(make_listing())
    assert report(make_listing(), review_id=str(review.pk)).status_code == 404


def test_a_dismissed_report_changes_nothing_and_is_decided_once(operator):
    listing = make_listing()
    report(listing, text="Look at this")
    shown = queue_of(operator)[0]
    assert (shown["text"], shown["listing"]["slug"], shown["review"]) == ("Look at this", listing.slug, None)
    assert decide(operator, action="dismiss", reason="Fine").json()["status"] == "dismissed"
    again = send(operator, f"{QUEUE}/{shown['id']}/decide", action="dismiss")
    assert again.json()["error"]["code"] == "already_decided"
    assert queue_of(operator, "dismissed")[0]["decision"] == "Fine"
    assert report(listing).status_code == 201


def test_a_hidden_review_is_gone_and_does_not_count(operator):
    listing = make_listing()
    make_review(listing, 5)
    review = make_review(listing, 1)
    for _ in range(2):
        report(listing, review_id=str(review.pk))
    assert decide(operator, action="hide_review").status_code == 200
    assert queue_of(operator) == []
    listing.refresh_from_db()
    assert (listing.rating_count, listing.rating_sum) == (1, 5)
    assert len(Client().get(f"/api/store/listings/{listing.slug}/reviews").json()["data"]) == 1


def test_a_report_of_a_listing_hides_no_review(operator):
    report(make_listing())
    assert decide(operator, action="hide_review").status_code == 422


def test_a_listing_that_is_taken_down_is_gone_for_all_and_says_why_to_its_creator(operator):
    listing = make_listing(name="Shady offers")
    owner = Membership.objects.get(workspace=listing.workspace).user
    for _ in range(2):
        report(listing)
    assert decide(operator, action="take_down").json()["error"]["param"] == "reason"
    assert decide(operator, action="take_down", reason="It sells what it does not have.").status_code == 200
    assert queue_of(operator) == []
    path = f"/api/store/listings/{listing.slug}"
    assert {Client().get(path).status_code, sign_in(owner).get(path).status_code} == {404}
    assert open_session(listing, sign_in(owner)).status_code == 404
    assert Client().get("/api/store/listings").json()["data"] == []
    mine = sign_in(owner).get(f"/api/store/mine/{listing.pk}").json()
    assert (mine["status"], mine["taken_down_reason"]) == ("taken_down", "It sells what it does not have.")
    answer = send(sign_in(owner), f"/api/store/mine/{listing.pk}/publish")
    assert answer.json()["error"]["code"] == "listing_taken_down"
    send_notices()
    send_notices()
    assert len(mail.outbox) == 1
    assert mail.outbox[0].to == [owner.email]
    assert "Shady offers" in mail.outbox[0].subject
    assert "It sells what it does not have." in mail.outbox[0].body


def test_the_mail_is_written_in_the_owners_language(operator):
    listing = make_listing()
    Membership.objects.get(workspace=listing.workspace).user.__class__.objects.update(language="fr")
    measure(operator, listing, "take_down", reason="Spam")
    send_notices()
    assert "boutique" in mail.outbox[0].body


def measure(operator: Client, listing: Listing, action: str, **body: Any) -> Any:
    return send(operator, f"/api/store/moderation/listings/{listing.pk}", action=action, **body)


@pytest.mark.django_db(transaction=True)
def test_a_listing_is_restored_as_it_was(operator):
    listing = make_listing()
    assert measure(operator, listing, "take_down", reason="Spam").json()["status"] == "taken_down"
    assert measure(operator, listing, "take_down", reason="Spam").status_code == 409
    assert measure(operator, listing, "restore").json()["status"] == "published"
    assert measure(operator, listing, "restore").status_code == 409
    assert open_session(listing, sign_in(make_user())).status_code == 201
    send_notices()
    assert mail.outbox == []  # nothing to tell any more
    draft = make_draft()
    measure(operator, draft, "take_down", reason="Spam")
    assert measure(operator, draft, "restore").json()["status"] == "unpublished"


def test_the_badge_is_given_and_taken_back(operator):
    listing = make_listing()
    path = f"/api/store/moderation/creators/{listing.creator_id}"
    for is_verified in (True, False):
        assert send(operator, path, is_verified=is_verified).json()["is_verified"] is is_verified
        card = Client().get(f"/api/store/listings/{listing.slug}").json()["creator"]
        assert card["is_verified"] is is_verified


@pytest.mark.parametrize("path", [f"{QUEUE}/{{0}}/decide", "/api/store/moderation/listings/{0}"])
def test_what_is_not_there_is_missing(operator, path):
    body = {"action": "take_down", "reason": "Spam"}
    assert send(operator, path.format("0190a1b2-0000-7000-8000-000000000000"), **body).status_code == 404


@pytest.mark.parametrize("body", [{}, {"action": "x"}, {"action": None}, {"action": "dismiss", "reason": "x" * 501}])
def test_a_decision_is_one_of_those_there_are(operator, body):
    report(make_listing())
    assert decide(operator, **body).status_code == 422


@pytest.mark.parametrize("count", [1, 3])
def test_the_queue_costs_the_same_however_long(operator, count, django_assert_num_queries):
    for _ in range(count):
        report(make_listing())
    with django_assert_num_queries(4):  # session, user, membership, the reports with all they name
        assert len(queue_of(operator)) == count
