"""The key of an agent's listing in the store: pinned to what was published, and never in anybody's hands."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from agents.keys import KEY_PREFIX, forget_keys
from agents.models import Agent, AgentVersion, ApiKey, KeyKind
from core.crypto import make_token, token_digest


@transaction.atomic
def pin_listing_key(*, agent: Agent, version: AgentVersion, documents: Sequence[UUID], actor: User | None) -> ApiKey:
    """Let the listing answer with this version and these documents; the caller has locked the listing.

    A key that is there moves on with its visitors. A new one follows the one before, so that visitors who come back
    after a pause find their conversations.
    """
    keys = agent.api_keys.filter(kind=KeyKind.STORE).order_by("-created_at")
    key = keys.filter(revoked_at=None).first()
    if key is None:
        key = ApiKey(
            agent=agent,
            name=gettext("Store"),
            kind=KeyKind.STORE,
            digest=token_digest(make_token(KEY_PREFIX)),
            replaces=keys.first(),
            created_by=actor,
        )
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
