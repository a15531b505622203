"""Who may chat with a listing, and in whose name: every visit opens a session here, or is told what it takes.

Members of the creator's workspace always may. Then counts, in this order: what the person bought, a token that was
shown, whether the agent costs nothing; and who has no account uses the day's allowance that the creator chose.

An allowance is a chain of grants: address → listing (→ platform). Their ids follow from what they are for, so that
they are made when somebody comes; the address itself is stored nowhere.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from accounts.models import Membership, User
from accounts.permissions import Login
from agents.keys import KeyIdentity, look_up_key_id, require_serving
from agents.visitors import VisitorSession, open_visitor_session
from billing.errors import AllowanceUsedUp, GrantUsedUp
from billing.grants import ensure_allowance
from billing.models import Grant
from store.access import find_grant
from store.errors import AccessTokenRequired, NotPublished, PurchaseRequired, SignInRequired
from store.models import AccessToken, Listing, Payer, PriceKind, Purchase, Use, Visibility

_IPV6_HOME = 64  # bits: what one subscriber of a network is given
_KEPT = timedelta(days=7)  # an allowance after its day
_DELETED_AT_ONCE = 5_000


class Access(StrEnum):
    """Why somebody may chat."""

    OWNER = "owner"
    FREE = "free"
    PURCHASE = "purchase"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    ALLOWANCE = "allowance"


@dataclass(frozen=True, slots=True)
class Right:
    """What somebody may use: without a grant, as much as the creator's plan allows. `ends_at` bounds an allowance."""

    access: Access
    grant_id: UUID | None = None
    remaining: int | None = None
    ends_at: datetime | None = None
    is_platform_paid: bool = False


@dataclass(frozen=True, slots=True)
class StoreSession:
    """A visitor's session with a listing; the token goes with each request to `/api/v1/agents/{agent_id}/...`."""

    session: VisitorSession
    identity: KeyIdentity
    right: Right

    @property
    def expires_at(self) -> datetime:
        return min(filter(None, (self.session.expires_at, self.right.ends_at)))


def open_session(
    *,
    listing: Listing,
    user: User | None,
    session_key: str | None,
    address: str,
    visitor: str | None = None,
    access_token: str | None = None,
) -> StoreSession:
    """Open or renew a session with a published listing.

    It lasts no longer than the user's login with this `session_key`; what members may do ends with their membership.
    `visitor` is the last session's token of somebody without an account, who stays the same person by it. Raises
    SignInRequired, PurchaseRequired, AccessTokenRequired, AccessTokenInvalid, AllowanceUsedUp, GrantUsedUp, AgentOff.
    """
    right = find_right(listing, user, access_token) or _take_allowance(listing, address)
    identity = async_to_sync(look_up_key_id)(listing.key_id) if listing.key_id else None
    if identity is None:
        raise NotPublished()
    require_serving(identity)
    login = None
    if user is not None:
        _remember_use(listing, user)
        login = Login(user.pk, session_key, listing.workspace_id if right.access == Access.OWNER else None)
    session = open_visitor_session(
        identity,
        visitor=visitor,
        login=login,
        grant_id=right.grant_id,
        is_platform_paid=right.is_platform_paid,
    )
    return StoreSession(session, identity, right)


def find_right(listing: Listing, user: User | None, access_token: str | None) -> Right | None:
    """What this person may use, None for somebody who has to use the allowance. Raises as `open_session` does."""
    known = find_access(listing, user)
    if known and known.access != Access.FREE:
        return known
    if access_token:
        return _right_of(Access.TOKEN, find_grant(listing, access_token))
    if listing.visibility == Visibility.PRIVATE:
        raise AccessTokenRequired()
    if listing.price_kind != PriceKind.FREE:
        raise PurchaseRequired()
    return known


def find_access(listing: Listing, user: User | None) -> Right | None:
    """What this person may use without showing a token: as a member, a buyer, or because it is free to all users."""
    if user is None:
        return None
    if Membership.objects.filter(workspace=listing.workspace_id, user=user).exists():
        return Right(Access.OWNER)
    purchase = _find_purchase(listing, user)
    if purchase is not None and purchase.grant is not None:
        return _right_of(Access.PURCHASE, purchase.grant)
    is_open = listing.visibility == Visibility.PUBLIC and listing.price_kind == PriceKind.FREE
    return Right(Access.FREE) if is_open else None


def _remember_use(listing: Listing, user: User) -> None:
    use = Use(listing=listing, user=user, opened_at=timezone.now())
    Use.objects.bulk_create(
        [use], update_conflicts=True, unique_fields=["user", "listing"], update_fields=["opened_at"]
    )


def _find_purchase(listing: Listing, user: User) -> Purchase | None:
    """A payment that still opens the agent; of several packs the oldest with messages left."""
    has_time = Q(grant__expires_at=None) | Q(grant__expires_at__gt=timezone.now())
    has_room = Q(grant__most_uses=None) | Q(grant__uses__lt=F("grant__most_uses"))
    bought = Purchase.objects.filter(has_time, has_room, listing=listing, user=user, grant__revoked_at=None)
    return bought.filter(grant__isnull=False).select_related("grant").order_by("created_at").first()


def _right_of(access: Access, grant: Grant) -> Right:
    remaining = None if grant.most_uses is None else grant.most_uses - grant.uses
    if remaining == 0:
        raise GrantUsedUp()
    return Right(access, grant.pk, remaining, grant.expires_at)


def _take_allowance(listing: Listing, address: str) -> Right:
    """The day's allowance of this address with this listing, made when it is missing."""
    payer = listing.visitors_paid_by
    if payer == Payer.NOBODY:
        raise SignInRequired()
    day = timezone.now().astimezone(UTC).date()
    ends_at = datetime.combine(day + timedelta(days=1), time(), UTC)
    chain = [
        (_allowance_id("listing", payer, listing.pk, day), settings.STORE_LISTING_MESSAGES),
        (_allowance_id("address", payer, listing.pk, day, _network_of(address)), settings.STORE_VISITOR_MESSAGES),
    ]
    if payer == Payer.PLATFORM:
        chain.insert(0, (_allowance_id("platform", day), settings.STORE_PLATFORM_MESSAGES))
    above = None
    for grant_id, most_uses in chain:
        ensure_allowance(grant_id=grant_id, most_uses=most_uses, expires_at=ends_at, parent_id=above)
        above = grant_id
    remaining = _count_left([grant_id for grant_id, _ in chain])
    if remaining <= 0:
        raise AllowanceUsedUp(retry_after=int((ends_at - timezone.now()).total_seconds()) + 1)
    return Right(Access.ALLOWANCE, above, remaining, ends_at, payer == Payer.PLATFORM)


def delete_old_allowances() -> bool:
    """Delete some allowances of days that are over; False when none is left. What tokens and purchases give stays."""
    token, purchase = AccessToken.objects.filter(grant=OuterRef("pk")), Purchase.objects.filter(grant=OuterRef("pk"))
    old = Grant.objects.filter(~Exists(token), ~Exists(purchase), expires_at__lt=timezone.now() - _KEPT)
    found = list(old.values_list("pk", flat=True)[:_DELETED_AT_ONCE])
    return bool(Grant.objects.filter(pk__in=found).delete()[0])


def _count_left(grant_ids: list[UUID]) -> int:
    limits = Grant.objects.filter(pk__in=grant_ids).values_list("most_uses", "uses")
    return min((most - uses for most, uses in limits if most is not None), default=0)


def _allowance_id(*parts: object) -> UUID:
    name = ":".join(["gilo.store.allowance", *map(str, parts)])
    return UUID(bytes=hmac.digest(settings.SECRET_KEY.encode(), name.encode(), "sha256")[:16], version=4)


def _network_of(address: str) -> str:
    """The address; of IPv6 the network, in which one visitor has as many addresses as there are."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed if parsed.version == 4 else ip_network((parsed, _IPV6_HOME), strict=False))
