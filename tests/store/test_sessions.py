"""Who may chat with a listing, how often and in whose name; and that nothing leaks which was not published."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
import websockets.sync.client
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed

from accounts.models import Membership, User
from accounts.permissions import Login
from accounts.services import register_user
from agents import visitors
from agents.models import ApiKey
from agents.services import save_config
from agents.visitor_tokens import read_visitor_token
from billing.grants import revoke_grant
from billing.models import Grant
from chat.models import Run
from core.ratelimit import Window
from knowledge.models import Document
from store.access import create_token, revoke_token
from store.models import Payer, Visibility
from store.services import publish_listing, unpublish_listing, update_listing
from store.sessions import _network_of
from tests.factories import PASSWORD, make_user
from tests.store.making import PER_MONTH, make_document, make_listing, make_purchase
from tests.store.visiting import open_session, sign_in, visit

pytestmark = pytest.mark.django_db(transaction=True)
PRIVATE = {"visibility": Visibility.PRIVATE}


def code_of(answer) -> str:
    return answer.json()["error"]["code"]


def make_plain(listing, **fields) -> str:
    return create_token(listing=listing, actor=None, label="for you", **fields)[1]


def test_changes_of_instructions_and_documents_reach_nobody_before_they_are_published(live, fake_model):
    listing = make_listing()
    agent = listing.agent
    make_document(agent, "The blue kettle boils in two minutes.")
    save_config(agent=agent, actor=None, changes={"instructions": "Talk like a pirate."}, expected_version=None)
    chat = visit(live, listing, sign_in(make_user()))
    chat.ask("How long does the blue kettle take?")
    assert "pirate" not in json.dumps(fake_model.chats)
    assert "two minutes" not in json.dumps(fake_model.chats)
    publish_listing(listing=listing, actor=None, changelog="Pirates and kettles")
    chat.ask("How long does the blue kettle take?")
    assert "pirate" in json.dumps(fake_model.chats[-1])
    assert "two minutes" in json.dumps(fake_model.chats[-1])
    Document.objects.get(agent=agent).delete()
    chat.ask("How long does the blue kettle take now?")
    assert "two minutes" not in json.dumps(fake_model.chats[-1]["messages"][0])


def test_a_stranger_is_asked_to_sign_in_where_nobody_pays():
    answer = open_session(make_listing())
    assert answer.status_code == 401
    assert code_of(answer) == "sign_in_required"


def test_a_user_opens_a_free_agent_and_an_owner_any():
    listing = make_listing()
    answer = open_session(listing, sign_in(make_user()))
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    session = answer.json()
    assert (session["access"], session["remaining"], session["is_verified"]) == ("free", None, True)
    assert session["agent_id"] == str(listing.agent_id)
    paid = make_listing(**PER_MONTH, **PRIVATE)
    owner = Membership.objects.get(workspace=paid.workspace).user
    assert open_session(paid, sign_in(owner)).json()["access"] == "owner"


def end_login(client: Client, user: User, end: str) -> None:
    if end == "signed out":
        assert client.post("/logout").status_code == 302
    elif end == "removed":
        Membership.objects.filter(user=user).delete()
    elif end == "suspended":
        User.objects.filter(pk=user.pk).update(is_active=False)
    else:
        user.set_unusable_password()
        user.save()


@pytest.mark.parametrize("end", ["signed out", "removed", "suspended", "password changed"])
def test_a_session_ends_with_the_login_that_opened_it_on_every_door(live, end):
    listing = make_listing(**PRIVATE)
    user = Membership.objects.get(workspace=listing.workspace).user
    client, elsewhere = sign_in(user), sign_in(user)
    chat, other = visit(live, listing, client), visit(live, listing, elsewhere)
    address = f"{live.replace('http', 'ws')}/ws/agents/{chat.agent_id}/chat"
    with websockets.sync.client.connect(address, additional_headers=chat.headers) as socket:
        socket.send(json.dumps({"message": "WORDS:600 DELAY:20"}))
        with chat.streaming("WORDS:600 DELAY:20") as events:
            next(events), socket.recv(timeout=10)
            end_login(client, user, end)
            assert [chat.call("GET", path).status_code for path in ("/api/v1/agent", "/api/v1/conversations")] == [
                401
            ] * 2
            assert chat.post_chat().status_code == 401
            last = list(events)[-1]
        with pytest.raises(ConnectionClosed):
            while True:
                socket.recv(timeout=5)
    assert (last.name, last.data["error"]["code"]) == ("error", "access_ended")
    assert socket.protocol.close_code == 4401
    assert [bool(run.answer.content) for run in Run.objects.filter(status="partial")] == [True, True]
    assert other.post_chat(stream=False).status_code == (200 if end == "signed out" else 401)


def test_a_session_that_an_access_token_opened_belongs_to_its_family():
    user = register_user(email="ada@example.com", password=PASSWORD, verified=True)
    signed_in = Client().post("/api/auth/login", {"email": user.email, "password": PASSWORD}, "application/json")
    bearer = {"authorization": f"Bearer {signed_in.json()['access']}"}
    text = open_session(make_listing(), headers=bearer).json()["token"]
    family = Session.objects.get().session_key
    assert read_visitor_token(text).login == Login(user.pk, family)
    assert family not in signing.b64_decode(text.split(".")[1].encode()).decode(), "scripts of pages read it"


def test_another_sites_page_opens_nothing():
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    path = f"/api/store/listings/{listing.slug}/session"
    for headers in ({}, {"origin": "https://evil.example"}):
        assert Client().post(path, {}, content_type="application/json", headers=headers).status_code == 403


def test_visitors_share_what_their_address_and_the_listing_have(live, settings):
    settings.STORE_VISITOR_MESSAGES, settings.STORE_LISTING_MESSAGES = 2, 3
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    first = open_session(listing, address="198.51.100.1").json()
    assert (first["access"], first["remaining"], first["is_verified"]) == ("allowance", 2, False)
    chat = visit(live, listing, address="198.51.100.1")
    chat.ask("One")
    assert open_session(listing, address="198.51.100.1").json()["remaining"] == 1
    chat.ask("Two")
    for answer in (chat.post_chat("Three"), open_session(listing, address="198.51.100.1")):
        assert answer.status_code == 429
        assert code_of(answer) == "allowance_used_up"
        assert int(answer.headers["Retry-After"]) > 0
    neighbour = visit(live, listing, address="198.51.100.2")
    neighbour.ask("One")
    assert open_session(listing, address="198.51.100.3").status_code == 429
    assert open_session(make_listing(visitors_paid_by=Payer.CREATOR), address="198.51.100.3").status_code == 201


def test_the_platform_pays_up_to_its_own_limit_and_the_creators_quota_is_not_touched(live, settings):
    settings.STORE_PLATFORM_MESSAGES = 2
    one, other = (make_listing(visitors_paid_by=Payer.PLATFORM) for _ in range(2))
    token = read_visitor_token(open_session(one).json()["token"])
    assert token is not None
    assert token.is_platform_paid
    visit(live, one).ask("One")
    visit(live, other).ask("Two")
    assert open_session(one, address="203.0.113.99").status_code == 429
    assert open_session(make_listing(visitors_paid_by=Payer.CREATOR)).status_code == 201


def test_an_allowance_ends_with_the_day_and_keeps_no_address():
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    session = open_session(listing, address="203.0.113.77").json()
    tomorrow = (timezone.now() + timedelta(days=1)).date()
    assert session["expires_at"].startswith(f"{tomorrow:%Y-%m-%d}T00:00:00")
    assert {grant.expires_at.date() for grant in Grant.objects.all()} == {tomorrow}
    assert Grant.objects.count() == 2
    open_session(listing, address="203.0.113.77")
    assert Grant.objects.count() == 2


def test_an_ipv6_home_is_one_address():
    assert _network_of("2001:db8:1:2:3::4") == _network_of("2001:db8:1:2:ffff::1")
    assert _network_of("2001:db8:1:2::1") != _network_of("2001:db8:1:3::1")
    assert _network_of("203.0.113.7") == "203.0.113.7"


def test_of_fifty_messages_at_once_exactly_those_pass_that_there_is_room_for(live, settings):
    settings.STORE_VISITOR_MESSAGES = 7
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    chats = [visit(live, listing) for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda chat: chat.post_chat("Hello", stream=False).status_code, chats))
    assert sorted(answers) == [200] * 7 + [429] * 43
    assert set(Grant.objects.values_list("uses", flat=True)) == {7}


def test_an_address_opens_so_many_sessions_a_minute(monkeypatch):
    monkeypatch.setattr(visitors, "_windows", (Window("minute", 60, 2),))
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    answers = [open_session(listing) for _ in range(5)]  # within two minutes of the wall clock at most
    assert answers[0].status_code == 201
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused
    assert {code_of(answer) for answer in refused} == {"rate_limited"}


def test_a_visitor_stays_the_same_and_a_user_is_known_on_every_device(live):
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    first = open_session(listing).json()
    again = open_session(listing, visitor=first["token"]).json()
    assert read_visitor_token(first["token"]).end_user == read_visitor_token(again["token"]).end_user
    assert (
        read_visitor_token(open_session(listing).json()["token"]).end_user
        != read_visitor_token(first["token"]).end_user
    )
    user = make_user()
    talk = visit(live, listing, sign_in(user)).ask("Remember me")["conversation_id"]
    elsewhere = visit(live, listing, sign_in(user), visitor=first["token"])
    shown = elsewhere.call("GET", "/api/v1/conversations").json()["data"]
    assert [row["id"] for row in shown] == [talk]


def test_a_private_agent_asks_for_a_token_and_each_message_is_one_use(live):
    listing = make_listing(**PRIVATE)
    user = sign_in(make_user())
    for client in (Client(), user):
        assert code_of(open_session(listing, client)) == "access_token_required"
        assert code_of(open_session(listing, client, access_token="gilo_s_guess")) == "access_token_invalid"
    plain = make_plain(listing, most_uses=2)
    assert code_of(open_session(make_listing(**PRIVATE), access_token=plain)) == "access_token_invalid"
    chat = visit(live, listing, access_token=plain)
    chat.ask("One")
    session = open_session(listing, access_token=plain).json()
    assert (session["access"], session["remaining"]) == ("token", 1)
    chat.ask("Two")
    assert chat.post_chat("Three").status_code == 402
    assert open_session(listing, access_token=plain).status_code == 402


def test_a_token_that_is_over_opens_nothing():
    listing = make_listing(**PRIVATE)
    token, plain = create_token(
        listing=listing, actor=None, label="short", expires_at=timezone.now() + timedelta(hours=1)
    )
    assert open_session(listing, access_token=plain).status_code == 201
    Grant.objects.filter(pk=token.grant_id).update(expires_at=timezone.now())
    assert code_of(open_session(listing, access_token=plain)) == "access_token_invalid"


def test_a_revoked_token_is_dead_at_once_and_its_stream_ends(live, fake_model):
    listing = make_listing(**PRIVATE)
    token, plain = create_token(listing=listing, actor=None, label="for you")
    chat = visit(live, listing, access_token=plain)
    with chat.streaming("WORDS:400 DELAY:100") as events:
        next(event for event in events if event.name == "delta")
        revoke_token(token=token)
        assert code_of(chat.post_chat("More")) == "grant_ended"
        assert code_of(open_session(listing, access_token=plain)) == "access_token_invalid"
        assert len(list(events)) < 400  # all of it would take forty seconds


def test_a_paid_agent_is_for_who_has_paid(live):
    listing = make_listing(**PER_MONTH, visitors_paid_by=Payer.PLATFORM)
    user = make_user()
    client = sign_in(user)
    for somebody in (Client(), client):
        answer = open_session(listing, somebody)
        assert answer.status_code == 402
        assert code_of(answer) == "purchase_required"
    purchase = make_purchase(listing, user, messages=1)
    session = open_session(listing, client).json()
    assert (session["access"], session["remaining"]) == ("purchase", 1)
    chat = visit(live, listing, client)
    chat.ask("One")
    assert code_of(chat.post_chat("Two")) == "grant_used_up"
    assert code_of(open_session(listing, client)) == "purchase_required"
    another = make_purchase(listing, user, messages=5)
    chat = visit(live, listing, client)
    revoke_grant(grant_id=another.grant_id)  # what a refund does
    assert code_of(chat.post_chat("Three")) == "grant_ended"
    assert code_of(open_session(listing, client)) == "purchase_required"
    assert purchase.grant_id != another.grant_id


@pytest.mark.parametrize("changes", [PRIVATE, {"visitors_paid_by": Payer.NOBODY}])
def test_sessions_from_before_a_gate_was_closed_are_over(live, changes):
    listing = make_listing(visitors_paid_by=Payer.CREATOR)
    first = open_session(listing).json()
    chat = visit(live, listing, visitor=first["token"])
    talk = chat.ask("Hello")["conversation_id"]
    update_listing(listing=listing, changes={"tagline": "Still open"})
    chat.ask("Hello again", conversation_id=talk)
    update_listing(listing=listing, changes=changes)
    assert chat.post_chat("Still there?").status_code == 401
    assert open_session(listing, visitor=first["token"]).status_code in {401, 403}
    update_listing(listing=listing, changes={"visibility": Visibility.PUBLIC, "visitors_paid_by": Payer.CREATOR})
    visit(live, listing, visitor=first["token"]).ask("Back again", conversation_id=talk)


def test_what_was_paid_for_stays_open_when_the_agent_becomes_private():
    listing = make_listing(**PER_MONTH)
    user = make_user()
    make_purchase(listing, user)
    update_listing(listing=listing, changes={"visibility": Visibility.PRIVATE})
    assert open_session(listing, sign_in(user)).json()["access"] == "purchase"


def test_an_unpublished_agent_is_gone_and_comes_back_with_its_visitors(live):
    listing = make_listing()
    client = sign_in(make_user())
    chat = visit(live, listing, client)
    talk = chat.ask("Hello")["conversation_id"]
    unpublish_listing(listing=listing)
    assert open_session(listing, client).status_code == 404
    assert chat.post_chat("Still there?").status_code == 401
    old = ApiKey.objects.get(agent=listing.agent)
    publish_listing(listing=listing, actor=None)
    listing.refresh_from_db()
    assert listing.key.replaces == old
    back = visit(live, listing, client)
    shown = back.call("GET", "/api/v1/conversations").json()["data"]
    assert [row["id"] for row in shown] == [talk]


def test_an_agent_that_is_switched_off_says_so():
    listing = make_listing()
    listing.agent.is_serving = False
    listing.agent.save()
    assert code_of(open_session(listing, sign_in(make_user()))) == "agent_off"


def test_the_widgets_door_does_not_open_the_stores_key(live):
    listing = make_listing(**PER_MONTH)
    body = {"key": str(listing.key_id)}
    answer = requests.post(f"{live}/api/v1/visitor-sessions", json=body, headers={"Origin": live}, timeout=20)
    assert answer.status_code == 404
