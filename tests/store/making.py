"""Listings, documents and payments for tests, made through the product's own services."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from accounts.models import User, Workspace
from agents.models import Agent
from agents.visitor_tokens import VERIFIED
from billing.grants import create_grant
from chat.models import Channel, Conversation, Message, MessageRole
from knowledge.chunking import ChunkText
from knowledge.indexing import insert_chunks
from knowledge.models import Document, DocumentStatus
from store.models import Listing, PriceKind, Purchase, PurchaseStatus, Use
from store.services import create_listing, publish_listing
from tests.factories import make_agent, make_workspace

LOOK = {"color": "#7c3aed", "color_2": "#06b6d4"}
PER_MONTH = {"price_kind": PriceKind.MONTH, "price": 900, "currency": "eur"}


def make_draft(workspace: Workspace | None = None, *, agent: Agent | None = None, **fields: Any) -> Listing:
    """A listing that nobody but its workspace sees."""
    agent = agent or make_agent(workspace or make_workspace()[0], name=fields.get("name", "Guide"))
    return create_listing(agent=agent, **{"name": agent.name, "category": "support", **LOOK, **fields})


def make_listing(workspace: Workspace | None = None, **fields: Any) -> Listing:
    """A published listing; one with a price has a creator who can be paid."""
    listing = make_draft(workspace, **fields)
    if listing.price_kind != PriceKind.FREE:
        listing.creator.stripe_charges_enabled = True
        listing.creator.save()
    publish_listing(listing=listing, actor=None)
    listing.refresh_from_db()
    return listing


def make_document(agent: Agent, text: str, name: str = "facts.txt") -> Document:
    """A ready document of one chunk, found by its words; with its file."""
    key = default_storage.save(f"documents/{agent.workspace_id}/{uuid4()}", ContentFile(text.encode()))
    document = Document.objects.create(
        workspace_id=agent.workspace_id, agent=agent, name=name, mime_type="text/plain", size=len(text),
        sha256="0" * 64, storage_key=key, language="en", status=DocumentStatus.READY, chunk_count=1,
        chunks_embedded=1,
    )  # fmt: skip
    with transaction.atomic():
        insert_chunks(document, [ChunkText(content=text, page=None, tokens=len(text.split()))], "en")
    return document


def make_purchase(listing: Listing, user: User, *, messages: int | None = None, **fields: Any) -> Purchase:
    """What a person has paid: until somebody takes it back, or for so many messages."""
    return Purchase.objects.create(
        listing=listing, user=user, kind=listing.price_kind, amount=listing.price, currency=listing.currency,
        status=PurchaseStatus.ACTIVE, grant=create_grant(most_uses=messages), paid_at=timezone.now(), **fields,
    )  # fmt: skip


def make_conversation(
    listing: Listing, user: User | None = None, *, answer: str = "Yes.", at: datetime | None = None, **fields: Any
) -> Conversation:
    """One question and its answer in the store, as a chat leaves them."""
    now = at or timezone.now()
    end_user = f"{VERIFIED}{user.pk}" if user else f"visitor:{uuid4()}"
    conversation = Conversation.objects.create(
        workspace_id=listing.workspace_id, agent_id=listing.agent_id, channel=Channel.STORE, end_user=end_user,
        created_at=now, last_message_at=now, **fields,
    )  # fmt: skip
    if user:
        Use.objects.get_or_create(listing=listing, user=user, defaults={"opened_at": now})
    parts: dict[str, Any] = {"conversation": conversation, "created_at": now}
    Message.objects.create(role=MessageRole.USER, content="Well?", **parts)
    Message.objects.create(role=MessageRole.ASSISTANT, content=answer, **parts)
    return conversation
