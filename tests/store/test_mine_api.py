"""A creator's own routes: drafts, prices, publishing, tokens, the creator's name."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Role, Workspace
from agents.models import Agent, ApiKey
from agents.services import save_config
from billing.models import Grant
from store.errors import AlreadyListed
from store.models import AccessToken, Creator, Listing, Release
from store.services import create_listing
from tests.factories import make_agent, make_user, make_workspace
from tests.store.making import LOOK, PER_MONTH, make_document, make_draft, make_listing, make_purchase
from tests.store.visiting import sign_in

pytestmark = pytest.mark.django_db
MINE = "/api/store/mine"


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace()[0]


@pytest.fixture
def agent(workspace) -> Agent:
    return make_agent(workspace, name="Kettle guide")


@pytest.fixture
def creator(workspace) -> Client:
    return sign_in(Membership.objects.get(workspace=workspace).user)


def send(client: Client, path: str, method: str = "post", **body: Any) -> Any:
    return getattr(client, method)(path, body, content_type="application/json")


def create(creator: Client, agent: Agent, **fields: Any) -> Any:
    return send(creator, MINE, **{"agent_id": str(agent.pk), "name": "Kettle guide", "category": "support", **fields})


def test_a_listing_is_prepared_published_changed_and_taken_out_again(creator, agent):
    draft = create(creator, agent, tagline="All about kettles", tags=["tea"], features=["Fast"]).json()
    assert (draft["status"], draft["has_changes"], draft["release"]) == ("draft", True, None)
    assert draft["slug"].startswith("kettle-guide-")
    assert (draft["color"], draft["glyph"]) == ("#7c3aed", "")  # the agent's look
    path = f"{MINE}/{draft['id']}"
    release = send(creator, f"{path}/publish", changelog="First")
    assert release.status_code == 201
    assert (release.json()["number"], release.json()["changelog"]) == (1, "First")
    changed = send(creator, path, "patch", name="Tea guide", color="#000000").json()
    assert (changed["name"], changed["slug"], changed["has_changes"]) == ("Tea guide", draft["slug"], False)
    save_config(agent=agent, actor=None, changes={"instructions": "New."}, expected_version=None)
    assert creator.get(path).json()["has_changes"]
    assert send(creator, f"{path}/publish").json()["number"] == 2
    assert [row["number"] for row in creator.get(f"{path}/releases").json()["data"]] == [2, 1]
    assert send(creator, f"{path}/unpublish").json()["status"] == "unpublished"
    assert send(creator, f"{path}/unpublish").json()["error"]["code"] == "not_published"
    assert creator.delete(path).status_code == 204
    assert Agent.objects.filter(pk=agent.pk).exists()
    assert create(creator, agent).status_code == 201


def test_a_new_document_is_a_change_and_a_deleted_one_is_not(creator, agent):
    listing = make_listing(agent=agent)
    document = make_document(agent, "Words.")
    assert creator.get(f"{MINE}/{listing.pk}").json()["has_changes"]
    send(creator, f"{MINE}/{listing.pk}/publish")
    assert not creator.get(f"{MINE}/{listing.pk}").json()["has_changes"]
    document.delete()
    assert not creator.get(f"{MINE}/{listing.pk}").json()["has_changes"]


def test_publishing_moves_the_one_key_that_nobody_holds(creator, agent):
    listing = make_listing(agent=agent)
    key = ApiKey.objects.get(agent=agent)
    assert (key.kind, key.prefix, key.pinned_version) == ("store", "", agent.draft_version)
    save_config(agent=agent, actor=None, changes={"instructions": "New."}, expected_version=None)
    document = make_document(agent, "Words.")
    send(creator, f"{MINE}/{listing.pk}/publish")
    moved = ApiKey.objects.get(agent=agent)
    assert (moved.pk, moved.pinned_documents) == (key.pk, [document.pk])
    assert moved.pinned_version != key.pinned_version
    assert creator.get(f"/api/agents/{agent.pk}/api-keys").json()["data"] == []


def test_an_agent_has_one_listing(creator, agent):
    create(creator, agent)
    assert create(creator, agent).json()["error"]["code"] == "already_listed"
    assert create(creator, make_agent(make_workspace()[0])).status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""}, {"name": "x" * 81}, {"name": "a\nb"}, {"category": "nothing"}, {"tagline": "x" * 121},
        {"description": "x" * 4001}, {"features": ["x"] * 9}, {"features": "x"}, {"tags": ["x" * 31]},
        {"tags": [""]}, {"color": "red"}, {"color_2": "#12345g"}, {"visibility": "secret"}, {"remix_policy": "all"},
        {"visitors_paid_by": "me"}, {"status": "published"}, {"slug": "mine"}, {"rating_score": 5},
        {"price": {}}, {"price": {"kind": "month", "amount": 49, "currency": "usd", "pack_messages": 0}},
        {"price": {"kind": "pack", "amount": 500, "currency": "usd", "pack_messages": 0}},
        {"price": {"kind": "month", "amount": 500, "currency": "btc", "pack_messages": 0}},
        {"price": {"kind": "month", "amount": -1, "currency": "usd", "pack_messages": 0}},
    ],
)  # fmt: skip
def test_what_a_listing_cannot_say_is_refused(creator, agent, fields):
    assert create(creator, agent, **fields).status_code == 422
    listing = make_draft(agent=agent)
    assert send(creator, f"{MINE}/{listing.pk}", "patch", **fields).status_code == 422


@pytest.mark.parametrize(
    ("price", "stored"),
    [
        ({"kind": "free", "amount": 500, "currency": "eur", "pack_messages": 9}, ("free", 0, "eur", 0)),
        ({"kind": "month", "amount": 500, "currency": "eur", "pack_messages": 9}, ("month", 500, "eur", 0)),
        ({"kind": "pack", "amount": 500, "currency": "usd", "pack_messages": 9}, ("pack", 500, "usd", 9)),
    ],
)
def test_a_price_keeps_what_its_kind_has(creator, agent, price, stored):
    shown = create(creator, agent, price=price).json()["price"]
    assert tuple(shown.values()) == stored


def test_a_price_needs_somebody_who_can_be_paid(creator, agent):
    listing = make_draft(agent=agent, **PER_MONTH)
    assert send(creator, f"{MINE}/{listing.pk}/publish").json()["error"]["code"] == "payouts_not_ready"
    Creator.objects.update(stripe_charges_enabled=True)
    assert send(creator, f"{MINE}/{listing.pk}/publish").status_code == 201
    free = make_listing(make_agent(make_workspace()[0]).workspace)
    price = {"kind": "month", "amount": 500, "currency": "usd", "pack_messages": 0}
    Creator.objects.update(stripe_charges_enabled=False)
    owner = sign_in(Membership.objects.get(workspace=free.workspace).user)
    answer = send(owner, f"{MINE}/{free.pk}", "patch", price=price)
    assert answer.json()["error"]["code"] == "payouts_not_ready"


def test_what_was_sold_in_one_currency_stays_in_it(creator, agent):
    listing = make_listing(agent=agent, **PER_MONTH)
    price = {"kind": "month", "amount": 500, "currency": "usd", "pack_messages": 0}
    path = f"{MINE}/{listing.pk}"
    assert send(creator, path, "patch", price=price).json()["price"]["currency"] == "usd"
    make_purchase(listing, make_user())
    answer = send(creator, path, "patch", price={**price, "currency": "eur"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "price.currency")
    free = send(creator, path, "patch", price={**price, "kind": "free", "currency": "eur"}).json()["price"]
    assert (free["kind"], free["currency"]) == ("free", "usd")


def test_a_listing_that_people_have_paid_for_is_not_deleted(creator, agent):
    listing = make_listing(agent=agent, **PER_MONTH)
    purchase = make_purchase(listing, make_user(), messages=2)
    for path in (f"{MINE}/{listing.pk}", f"/api/agents/{agent.pk}"):
        assert creator.delete(path).json()["error"]["code"] == "has_purchases"
    Grant.objects.filter(pk=purchase.grant_id).update(uses=2)
    assert creator.delete(f"/api/agents/{agent.pk}").status_code == 204


def test_a_token_is_shown_once_and_stored_as_its_digest(creator, agent):
    listing = make_listing(agent=agent)
    path = f"{MINE}/{listing.pk}/tokens"
    end = (timezone.now() + timedelta(days=1)).isoformat()
    made = send(creator, path, label="for Ada", most_uses=5, expires_at=end).json()
    assert made["token"].startswith("gilo_s_")
    assert made["link"] == f"http://localhost:8000/store/{listing.slug}#token={made['token']}"
    (row,) = creator.get(path).json()["data"]
    assert (row["label"], row["uses"], row["most_uses"], row["prefix"]) == ("for Ada", 0, 5, made["token"][:13])
    assert "token" not in row
    stored = AccessToken.objects.values_list().get()
    assert made["token"] not in str(stored)
    assert creator.delete(f"{path}/{made['id']}").status_code == 204
    assert creator.delete(f"{path}/{made['id']}").status_code == 404
    assert creator.get(path).json()["data"] == []


@pytest.mark.parametrize(
    "fields", [{"label": ""}, {}, {"label": "x", "most_uses": 0}, {"label": "x", "expires_at": "2020-01-01T00:00:00Z"}]
)
def test_a_token_that_opens_nothing_is_not_made(creator, agent, fields):
    listing = make_draft(agent=agent)
    assert send(creator, f"{MINE}/{listing.pk}/tokens", **fields).status_code == 422


def test_a_listing_has_so_many_tokens_and_no_more(creator, agent, monkeypatch):
    monkeypatch.setattr("store.access.MOST_TOKENS", 2)
    path = f"{MINE}/{make_draft(agent=agent).pk}/tokens"
    answers = [send(creator, path, label="x").status_code for _ in range(3)]
    assert answers == [201, 201, 422]


@pytest.mark.parametrize("count", [1, 3])
def test_lists_cost_the_same_however_long(creator, workspace, count, django_assert_num_queries):
    listings = [make_listing(workspace, name=f"Guide {number}") for number in range(count)]
    for _ in range(count):
        send(creator, f"{MINE}/{listings[0].pk}/tokens", label="x")
        send(creator, f"{MINE}/{listings[0].pk}/publish")
    for path, queries in ((MINE, 4), (f"{MINE}/{listings[0].pk}/tokens", 5), (f"{MINE}/{listings[0].pk}/releases", 5)):
        with django_assert_num_queries(queries):  # session, user, membership (and the listing) besides the rows
            assert len(creator.get(path).json()["data"]) >= count


def test_viewers_look_on_and_editors_publish(workspace, agent):
    listing = make_draft(agent=agent)
    answers = {}
    for role in (Role.VIEWER, Role.EDITOR):
        user = make_user()
        Membership.objects.filter(user=user).delete()
        Membership.objects.create(workspace=workspace, user=user, role=role)
        client = sign_in(user)
        body = {"handle": "taken-by-me", "name": "x"}
        answers[role] = [
            client.get(MINE).status_code,
            send(client, f"{MINE}/{listing.pk}/publish").status_code,
            client.get(f"{MINE}/{listing.pk}/tokens").status_code,
            send(client, "/api/store/creator", "put", **body).status_code,
        ]
    assert answers == {Role.VIEWER: [200, 403, 403, 403], Role.EDITOR: [200, 201, 200, 403]}


def test_a_creator_is_named_after_the_workspace_and_may_change_it(creator, workspace):
    assert creator.get("/api/store/creator").json()["handle"] == ""
    workspace.name = "Atelier Nord"
    workspace.save()
    make_draft(workspace)
    assert creator.get("/api/store/creator").json()["handle"] == "atelier-nord"
    other = make_workspace()[0]
    other.name = "Atelier Nord"
    other.save()
    taken = make_draft(other).creator.handle
    assert taken.startswith("atelier-nord-")
    path = "/api/store/creator"
    assert send(creator, path, "put", handle="nord", name="Nord", bio="We knit.").json() == {
        "handle": "nord", "name": "Nord", "is_verified": False, "bio": "We knit."
    }  # fmt: skip
    assert send(creator, path, "put", handle=taken, name="Nord").json()["error"]["code"] == "handle_taken"
    for handle in ("No", "no", "a--b", "-ab", "ünd", "x" * 41):
        assert send(creator, path, "put", handle=handle, name="Nord").status_code == 422


@pytest.mark.parametrize("days", ["0", "366", "x", "-1", "1e9", "٣"])
def test_figures_are_for_some_days(creator, agent, days):
    listing = make_draft(agent=agent)
    assert creator.get(f"{MINE}/{listing.pk}/stats?days={days}").status_code == 400
    assert len(creator.get(f"{MINE}/{listing.pk}/stats").json()["days"]) == 30


def test_a_release_that_fails_leaves_all_as_it_was(agent, monkeypatch):
    listing = make_listing(agent=agent)
    before = ApiKey.objects.get(agent=agent).pinned_version

    def fail(*args: Any, **fields: Any) -> None:
        raise RuntimeError

    save_config(agent=agent, actor=None, changes={"instructions": "New."}, expected_version=None)
    monkeypatch.setattr(Listing, "save", fail)
    from store.services import publish_listing

    with pytest.raises(RuntimeError):
        publish_listing(listing=listing, actor=None)
    assert ApiKey.objects.get(agent=agent).pinned_version == before
    assert Release.objects.count() == 1


def test_slugs_of_the_same_name_differ(workspace):
    slugs = {
        create_listing(agent=make_agent(workspace), name=name, category="support", **LOOK).slug
        for name in ("Guide", "Guide", "指南")
    }
    assert len(slugs) == 3


@pytest.mark.django_db(transaction=True)
def test_first_listings_at_the_same_moment_share_one_creator_and_an_agent_has_one(settings):
    settings.DEFAULT_PLAN = "unlimited"
    workspace = make_workspace()[0]
    agents = [make_agent(workspace) for _ in range(6)]

    def prepare(agent: Agent) -> str:
        try:
            make_draft(agent=agent)
        except AlreadyListed:
            return "already"
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(prepare, agents[:5])) == {"made"}
        assert sorted(pool.map(prepare, [agents[5]] * 6)) == ["already"] * 5 + ["made"]
    assert Creator.objects.count() == 1
