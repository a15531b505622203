"""The storefront through its API: what is shown, in which order, page by page, and what that costs."""

import base64
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Membership
from agents.services import delete_agent, save_config
from store.categories import CATEGORIES
from store.models import Listing, Payer, Visibility
from store.selectors import front_page
from store.services import publish_listing, unpublish_listing
from tests.factories import make_agent, make_user, make_workspace
from tests.store.making import (
    PER_MONTH,
    make_conversation,
    make_document,
    make_draft,
    make_listing,
    make_purchase,
)
from tests.store.visiting import sign_in

pytestmark = pytest.mark.django_db
LIST = "/api/store/listings"


def browse(query: str = "") -> dict[str, Any]:
    answer = Client().get(f"{LIST}?{query}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def names(query: str = "") -> list[str]:
    return [row["name"] for row in browse(query)["data"]]


def test_only_what_is_public_is_in_lists():
    make_draft(name="Draft")
    make_listing(name="Private", visibility=Visibility.PRIVATE)
    unpublish_listing(listing=make_listing(name="Unpublished"))
    make_listing(name="Public")
    assert names() == ["Public"]
    for word in ("draft", "private", "unpublished"):
        assert names(f"q={word}") == []
    sections = front_page()
    assert [listing.name for listing in sections.new] == ["Public"]
    assert {shelf.id: count for shelf, count in sections.categories}["support"] == 1


def test_a_card_says_what_a_list_shows():
    listing = make_listing(
        name="Kettle guide", tagline="All about kettles", tags=["tea"], glyph="coffee", category="lifestyle",
        **PER_MONTH,
    )  # fmt: skip
    (card,) = browse()["data"]
    assert card == {
        "id": str(listing.pk),
        "slug": listing.slug,
        "name": "Kettle guide",
        "tagline": "All about kettles",
        "category": "lifestyle",
        "tags": ["tea"],
        "color": "#7c3aed",
        "color_2": "#06b6d4",
        "glyph": "coffee",
        "icon_url": None,
        "visibility": "public",
        "price": {"kind": "month", "amount": 900, "currency": "eur", "pack_messages": 0},
        "rating": {"average": None, "count": 0},
        "use_count": 0,
        "remix_count": 0,
        "creator": {"handle": listing.creator.handle, "name": listing.creator.name, "is_verified": False},
        "published_at": card["published_at"],
    }


def test_shelves_and_prices_narrow_the_list():
    make_listing(name="Free helper")
    make_listing(name="Paid helper", category="business", **PER_MONTH)
    assert names("category=business") == ["Paid helper"]
    assert names("price=free") == ["Free helper"]
    assert names("price=paid&q=helpr") == ["Paid helper"]
    assert names("price=paid&category=support") == []


def forge(value: Any) -> str:
    place = orjson.dumps([value, "01a1ffa0-cb2e-7b2b-b31c-2636a70003ac"])
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "query", ["q=!!", "q=%00", "q=%F0%9F%98%80", f"cursor={forge(1e308)}", f"cursor={forge('nan')}"]
)
def test_odd_questions_have_empty_answers(query):
    make_listing(name="Guide")
    assert len(names(query)) <= 1


@pytest.mark.parametrize(
    "query",
    [
        "sort=x", "category=x", "price=x", "cursor=x", "cursor=WzEsMl0", "cursor=" + "x" * 999,
        f"cursor={forge('x')}", f"cursor={forge(None)}", f"cursor={forge([])}", f"cursor={forge(10**19)}&sort=new",
        f"cursor={forge('2026-01-01')}&sort=new", f"cursor={forge({})}&q=x",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(query):
    answer = Client().get(f"{LIST}?{query}")
    assert answer.status_code == 400


@pytest.mark.parametrize("sort", ["trending", "rating", "new", "q"])
def test_pages_show_each_listing_once_even_where_all_are_equal(sort):
    workspace = make_workspace()[0]
    for number in range(5):
        make_listing(workspace, name=f"Twin {number}")
    query = "q=twin" if sort == "q" else f"sort={sort}"
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = browse(f"{query}&limit=2&cursor={cursor}")
        seen += [row["name"] for row in page["data"]]
        cursor = page["next"]
    assert sorted(seen) == [f"Twin {number}" for number in range(5)]


@pytest.mark.parametrize("count", [1, 3])
def test_lists_cost_the_same_however_long(count, django_assert_num_queries):
    for number in range(count):
        make_listing(name=f"Helper {number}")
    for query, queries in (("", 1), ("category=support", 1), ("q=helper", 2), ("q=helpr", 2)):
        with django_assert_num_queries(queries):
            assert len(names(query)) == count
    with django_assert_num_queries(4):
        front_page()


def test_a_page_tells_what_runs_and_not_what_is_being_written():
    agent = make_agent(make_workspace()[0], welcome_message="Welcome!", suggested_questions=("Why?",), model="m")
    gone = make_document(agent, "One.")
    make_document(agent, "Two.")
    listing = make_listing(agent=agent, description="Long words", features=["Fast"], visitors_paid_by=Payer.CREATOR)
    save_config(agent=agent, actor=None, changes={"welcome_message": "Not yet"}, expected_version=None)
    make_document(agent, "Three.")
    gone.delete()
    page = Client().get(f"{LIST}/{listing.slug}").json()
    assert page["welcome_message"] == "Welcome!"
    assert page["suggested_questions"] == ["Why?"]
    assert page["model"] == {"name": "m", "knowledge": True, "documents": 1}
    assert (page["description"], page["features"], page["visitors_paid_by"]) == ("Long words", ["Fast"], "creator")
    assert page["my"] == {"review": None, "access": None, "can_review": False}
    assert (page["remixed_from"], page["lineage"], page["release"]["number"]) == (None, [], 1)
    publish_listing(listing=listing, actor=None, changelog="Friendlier")
    page = Client().get(f"{LIST}/{listing.slug}").json()
    assert page["welcome_message"] == "Not yet"
    assert [(row["number"], row["changelog"]) for row in page["releases"]] == [(2, "Friendlier"), (1, "")]


def test_a_private_page_is_for_who_knows_its_address_and_a_draft_for_nobody():
    private, draft = make_listing(visibility=Visibility.PRIVATE), make_draft()
    assert Client().get(f"{LIST}/{private.slug}").json()["visibility"] == "private"
    owner = sign_in(Membership.objects.get(workspace=draft.workspace).user)
    for client in (Client(), owner):
        assert client.get(f"{LIST}/{draft.slug}").status_code == 404


def test_a_page_costs_a_fixed_number_of_queries(django_assert_num_queries):
    listing = make_listing(make_workspace()[0])
    client = sign_in(make_user())
    for releases in (1, 3):
        while listing.releases.count() < releases:
            publish_listing(listing=listing, actor=None)
        with django_assert_num_queries(3):  # the listing, its origin, its releases
            Client().get(f"{LIST}/{listing.slug}")
        with django_assert_num_queries(10):  # session, user; the reader's membership twice, purchase, review, use
            client.get(f"{LIST}/{listing.slug}")


def test_the_library_holds_what_one_used_bought_and_reviewed(django_assert_num_queries):
    user, other = make_user(), make_user()
    used, bought, gone = make_listing(name="Used"), make_listing(name="Bought", **PER_MONTH), make_listing(name="Gone")
    for listing in (used, gone):
        make_conversation(listing, user)
    make_purchase(bought, user)
    make_purchase(bought, user)
    make_conversation(bought, other)
    unpublish_listing(listing=gone)
    client = sign_in(user)
    path = f"{LIST}/{used.slug}/review"
    assert client.put(path, {"rating": 5}, content_type="application/json").status_code == 200
    with django_assert_num_queries(6):  # session, user, membership, and one for each part
        library = client.get("/api/store/library").json()
    assert {part: [row["name"] for row in rows] for part, rows in library.items()} == {
        "used": ["Used"], "bought": ["Bought"], "reviewed": ["Used"]
    }  # fmt: skip


def test_a_listing_vanishes_with_its_agent():
    listing = make_listing()
    delete_agent(agent=listing.agent)
    assert Client().get(f"{LIST}/{listing.slug}").status_code == 404
    assert not Listing.objects.exists()


def test_every_shelf_has_an_icon_that_is_there():
    known = set((settings.BASE_DIR / "assets/icons.txt").read_text().split())
    assert {shelf.icon for shelf in CATEGORIES.values()} <= known
