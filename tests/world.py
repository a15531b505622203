"""Two workspaces with one of everything, for tests that walk all routes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Role, User, Workspace
from agents.models import Agent, KeyKind
from billing.models import Budget, Period, Scope
from chat.models import Channel, Conversation, Message, MessageRole, MessageStatus, Run
from core.crypto import encrypt
from core.ids import uuid7
from integrations.models import Delivery, WebhookEndpoint
from knowledge.models import Chunk, Document, DocumentStatus
from llm.models import ModelEndpoint
from store.access import create_token
from store.moderation import report_listing
from store.reviews import save_review
from tests.factories import make_agent, make_key, make_user
from tests.store.making import PER_MONTH, make_conversation, make_listing, make_purchase


@dataclass
class Place:
    """One workspace: its owner, and the id of one row of every kind by the name that it has in paths."""

    owner: User
    workspace: Workspace
    api_key: str = ""
    ids: dict[str, str] = field(default_factory=dict)


def make_place() -> Place:
    """The owner's personal workspace with an agent and all that can hang on one."""
    owner = make_user()
    workspace = Workspace.objects.get(memberships__user=owner)
    Workspace.objects.filter(pk=workspace.pk).update(plan="unlimited")  # the walk asks more than a plan allows
    agent = make_agent(workspace)
    place = Place(owner, workspace, api_key=make_key(agent))
    place.ids = {
        "agent_id": str(agent.pk),
        "number": "1",
        "key_id": str(agent.api_keys.get(kind=KeyKind.SECRET).pk),
        "document_id": str(make_document(agent).pk),
        "budget_id": str(_make_budget(agent).pk),
        "endpoint_id": str(_make_endpoint(workspace).pk),
        "model": agent.slug,
        **_make_conversation(agent, owner),
        **_make_webhook(agent),
        **_make_listing(agent),
    }
    return place


def add_member(place: Place, role: Role) -> User:
    """A member with this role; the workspace is the only one that the user belongs to."""
    user = make_user()
    Membership.objects.filter(user=user).delete()
    Membership.objects.create(workspace=place.workspace, user=user, role=role)
    return user


def cookies_of(user: User) -> dict[str, str]:
    """A browser's session and CSRF cookies."""
    client = Client()
    client.force_login(user)
    return {"sessionid": client.cookies["sessionid"].value, "csrftoken": "c" * 32}


CSRF_HEADERS = {"X-CSRFToken": "c" * 32}


def make_document(agent: Agent) -> Document:
    document = Document.objects.create(
        workspace=agent.workspace, agent=agent, name="guide.txt", mime_type="text/plain", size=5, sha256="0" * 64,
        storage_key=f"documents/{uuid4().hex}", status=DocumentStatus.READY, chunk_count=1,
    )  # fmt: skip
    Chunk.objects.create(document=document, agent=agent, position=0, content="Hello.", token_count=2)
    return document


def _make_budget(agent: Agent) -> Budget:
    return Budget.objects.create(
        workspace=agent.workspace, agent_id=agent.pk, scope=Scope.AGENT, period=Period.DAY, limit_tokens=1_000_000
    )


def _make_endpoint(workspace: Workspace) -> ModelEndpoint:
    return ModelEndpoint.objects.create(
        workspace=workspace, name="mine", base_url="https://models.example.com/v1", default_model="m"
    )


def _make_webhook(agent: Agent) -> dict[str, str]:
    # An address that the egress guard refuses: whoever sends something in a test sends nothing.
    endpoint = WebhookEndpoint.objects.create(
        agent=agent, url="http://127.0.0.1:9/", events=["message.created"], secret=encrypt("whsec_" + "A" * 32)
    )
    delivery = Delivery.objects.create(
        endpoint=endpoint, event_id=uuid7(), event_type="message.created", body="{}", state="failed",
        created_at=timezone.now(),
    )  # fmt: skip
    return {"webhook_id": str(endpoint.pk), "delivery_id": str(delivery.pk)}


def _make_listing(agent: Agent) -> dict[str, str]:
    # With a buyer, a review and a report of somebody else's.
    listing = make_listing(agent=agent, **PER_MONTH)
    stranger = make_user()
    purchase = make_purchase(listing, stranger)
    make_conversation(listing, stranger)
    review = save_review(listing=listing, user=stranger, rating=4, text="Helps.")
    report = report_listing(listing=listing, reporter=stranger, reason="spam")
    token, _ = create_token(listing=listing, actor=None, label="for you")
    return {
        "listing_id": str(listing.pk),
        "creator_id": str(listing.creator_id),
        "purchase_id": str(purchase.pk),
        "review_id": str(review.pk),
        "report_id": str(report.pk),
        "token_id": str(token.pk),
    }


def _make_conversation(agent: Agent, owner: User) -> dict[str, str]:
    now: datetime = timezone.now()
    conversation = Conversation.objects.create(
        workspace=agent.workspace, agent=agent, channel=Channel.PLAYGROUND, user=owner, title="Hello",
        created_at=now, last_message_at=now,
    )  # fmt: skip
    parts: dict[str, Any] = {"conversation": conversation, "created_at": now}
    question = Message.objects.create(role=MessageRole.USER, content="Hello?", **parts)
    answer = Message.objects.create(role=MessageRole.ASSISTANT, content="Hello!", **parts)
    run = Run.objects.create(
        workspace=agent.workspace, agent=agent, version=agent.draft_version, conversation=conversation,
        question=question, answer=answer, status=MessageStatus.COMPLETE, process=uuid7(), started_at=now,
        finished_at=now,
    )  # fmt: skip
    return {
        "conversation_id": str(conversation.pk),
        "message_id": str(answer.pk),
        "run_id": str(run.pk),
        "response_id": f"resp_{run.pk.hex}",
    }
