"""Who may chat with a listing, how often, and that drafts do not leak."""

import pytest

from agents.services import deploy_agent, save_config
from store.models import Payer
from store.services import publish_listing
from tests.factories import make_user
from tests.store.making import make_listing
from tests.store.visiting import open_session, sign_in, visit

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_stranger_chats_with_what_was_published_and_not_with_the_draft(live, fake_model):
    listing = make_listing(name="Kettle guide")
    assert open_session(listing).json()["error"]["code"] == "sign_in_required"
    user = make_user()
    chat = visit(live, listing, sign_in(user))
    answer = chat.ask("Hello?")
    assert answer["content"]
