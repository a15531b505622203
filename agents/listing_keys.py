"""The key of an agent's listing in the store: pinned to what was published, and never in anybody's hands."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from agents.keys import forget_keys
from agents.models import Agent, AgentVersion, ApiKey, KeyKind
from agents.services import prepare_unheld_key


@transaction.atomic
def pin_listing_key(*, agent: Agent, version: AgentVersion, documents: Sequence[UUID], actor: User | None) -> ApiKey:
    """Let the listing answer with this version and these documents; the caller has locked the listing.

    A key that is there moves on, and its visitors with it.
    """
    key = agent.api_keys.filter(kind=KeyKind.STORE, revoked_at=None).order_by("-created_at").first()
    if key is None:
        key = prepare_unheld_key(agent=agent, actor=actor, name=gettext("Store"), kind=KeyKind.STORE)
    key.pinned_version, key.pinned_documents = version, list(documents)
    key.save()
    transaction.on_commit(forget_keys)
    return key


@transaction.atomic
def revoke_listing_key(*, agent: Agent) -> None:
    """End the listing's sessions at once, here; in other processes within `keys.CACHE_SECONDS`."""
    now = timezone.now()
    agent.api_keys.filter(kind=KeyKind.STORE, revoked_at=None).update(revoked_at=now, updated_at=now)
    transaction.on_commit(forget_keys)
