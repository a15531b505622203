"""Visitors of the store, as clients of one running server or of Django's test client."""

from typing import Any

from django.test import Client

from accounts.models import User
from store.models import Listing
from tests.chat.serving import Client as ChatClient

HOST = "http://testserver"


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def open_session(listing: Listing, client: Client | None = None, **body: Any) -> Any:
    """The answer of the session's route to somebody on our own page."""
    address = body.pop("address", "203.0.113.7")
    headers = body.pop("headers", {})
    return (client or Client()).post(
        f"/api/store/listings/{listing.slug}/session",
        body,
        content_type="application/json",
        headers={"origin": HOST, **headers},
        REMOTE_ADDR=address,
    )


def visit(live: str, listing: Listing, client: Client | None = None, **body: Any) -> ChatClient:
    """A chat's client with a new session."""
    answer = open_session(listing, client, **body)
    assert answer.status_code == 201, answer.content
    session = answer.json()
    return ChatClient(live, session["agent_id"], {"Authorization": f"Bearer {session['token']}"})
