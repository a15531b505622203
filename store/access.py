"""Access tokens: what opens a private listing to whoever holds one. Uses and expiry are those of its grant."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.models import User
from billing.grants import create_grant, revoke_grant
from billing.models import Grant
from core.crypto import is_well_formed_token, make_token, token_digest
from core.errors import ValidationFailed
from core.tenancy import ScopedQuerySet
from store.errors import AccessTokenInvalid, TooManyTokens
from store.models import AccessToken, Listing
from store.services import lock_listing

ACCESS_PREFIX = "gilo_s_"
MOST_TOKENS = 100
_PREFIX_LENGTH = len(ACCESS_PREFIX) + 6


@transaction.atomic
def create_token(
    *,
    listing: Listing,
    actor: User | None,
    label: str,
    expires_at: datetime | None = None,
    most_uses: int | None = None,
) -> tuple[AccessToken, str]:
    """A new token and its plain text, which is nowhere stored: show it once. A use is one message.

    Raises TooManyTokens, and ValidationFailed for an expiry that is over.
    """
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationFailed(gettext_noop("This moment is over. Choose a later one."), param="expires_at")
    locked = lock_listing(listing)
    if list_tokens(locked).count() >= MOST_TOKENS:
        raise TooManyTokens()
    plain = make_token(ACCESS_PREFIX)
    token = AccessToken.objects.create(
        listing=locked,
        label=label,
        prefix=plain[:_PREFIX_LENGTH],
        digest=token_digest(plain),
        grant=create_grant(most_uses=most_uses, expires_at=expires_at),
        created_by=actor,
    )
    return token, plain


def list_tokens(listing: Listing) -> ScopedQuerySet[AccessToken]:
    """The listing's tokens that were not revoked, newest first, each with its grant."""
    return listing.access_tokens.filter(grant__revoked_at=None).select_related("grant")


def revoke_token(*, token: AccessToken) -> None:
    """End a token: its next message is refused, a stream under way ends within seconds."""
    revoke_grant(grant_id=token.grant_id)


def find_grant(listing: Listing, text: str) -> Grant:
    """What a token gives. Raises AccessTokenInvalid, whatever is wrong with it."""
    if not is_well_formed_token(text, ACCESS_PREFIX):
        raise AccessTokenInvalid()
    token = list_tokens(listing).filter(digest=token_digest(text)).first()
    if token is None or (token.grant.expires_at is not None and token.grant.expires_at <= timezone.now()):
        raise AccessTokenInvalid()
    return token.grant


def make_link(listing: Listing, plain: str) -> str:
    """The listing's address with the token in its fragment, which browsers send to no server."""
    return f"{listing.address}#token={plain}"
