"""What can go wrong in the store.

core.NotAuthenticated
└── SignInRequired         401 sign_in_required        the creator does not pay for visitors without an account
core.GiloError
└── PurchaseRequired       402 purchase_required       the agent is paid for, and this person has not
core.PermissionDenied
├── AccessTokenRequired    403 access_token_required   a private agent, and no token was shown
├── AccessTokenInvalid     403 access_token_invalid    the token is unknown, revoked or over
├── NotAUser               403 review_needs_use        only who has used the agent may review it
├── OwnListing             403 own_listing             members do not review their own workspace's agent
└── RemixNotAllowed        403 remix_not_allowed       the creator does not allow copies
core.Conflict
├── AlreadyListed          409 already_listed          the agent has a listing
├── ListingTakenDown       409 listing_taken_down      the operator took it down: its creator cannot publish it
├── NotPublished           409 not_published           there is nothing to unpublish, open or copy
├── PayoutsNotReady        409 payouts_not_ready       a price needs a Stripe account that can take payments
├── HandleTaken            409 handle_taken            another creator has this name
├── AlreadyReported        409 already_reported        this person's report of it is still open
├── AlreadyDecided         409 already_decided         the report was decided before
├── NotForSale             409 not_for_sale            it costs nothing, or opens by access token
├── AlreadyBought          409 already_bought          this person has it, or has just paid
├── NothingToRefund        409 nothing_to_refund       nothing was paid, or it was given back
├── InDispute              409 in_dispute              the buyer's bank has taken it back, or is deciding
└── HasPurchases           409 has_purchases           people who paid still use it
core.ValidationFailed
├── IconInvalid            422 icon_invalid            no picture that can be read, or one that is too large
└── TooManyTokens          422 too_many_tokens         the listing has as many tokens as it may have
core.UnsupportedType
└── IconTypeRefused        415 type_mismatch           not PNG, JPEG or WebP

Messages that are used up, and access that has ended, are billing's errors (`billing.grants`).
"""

from http import HTTPStatus

from core.errors import (
    Conflict,
    GiloError,
    NotAuthenticated,
    PermissionDenied,
    UnsupportedType,
    ValidationFailed,
)


class SignInRequired(NotAuthenticated):
    code = "sign_in_required"
    message = "Sign in to use this agent. An account is free."


class PurchaseRequired(GiloError):
    status = HTTPStatus.PAYMENT_REQUIRED
    code = "purchase_required"
    message = "This agent is paid for. Buy it to use it."


class AccessTokenRequired(PermissionDenied):
    code = "access_token_required"
    message = "This agent is private. Enter the access token that its creator gave you."


class AccessTokenInvalid(PermissionDenied):
    code = "access_token_invalid"
    message = "This access token does not open this agent, or not any more. Ask its creator for a new one."


class NotAUser(PermissionDenied):
    code = "review_needs_use"
    message = "Use this agent first: a review needs one answer at least."


class OwnListing(PermissionDenied):
    code = "own_listing"
    message = "Members of the workspace that made this agent cannot review it."


class RemixNotAllowed(PermissionDenied):
    code = "remix_not_allowed"
    message = "Its creator does not allow remixes of this agent."


class AlreadyListed(Conflict):
    code = "already_listed"
    message = "This agent is in the store already. Change its listing."


class ListingTakenDown(Conflict):
    code = "listing_taken_down"
    message = "This listing was taken down by the operator. Contact them to have it restored."


class NotPublished(Conflict):
    code = "not_published"
    message = "This agent is not published."


class PayoutsNotReady(Conflict):
    code = "payouts_not_ready"
    message = "Connect a Stripe account that can take payments before you publish an agent with a price."


class HandleTaken(Conflict):
    code = "handle_taken"
    message = "Another creator has this name. Choose another one."


class AlreadyReported(Conflict):
    code = "already_reported"
    message = "You have reported this already. The operator will look at it."


class AlreadyDecided(Conflict):
    code = "already_decided"
    message = "This report was decided already."


class NotForSale(Conflict):
    code = "not_for_sale"
    message = "This cannot be bought: the agent is free, or opens with an access token."


class AlreadyBought(Conflict):
    code = "already_bought"
    message = "You have this agent already. If you have just paid, it opens within seconds."


class NothingToRefund(Conflict):
    code = "nothing_to_refund"
    message = "There is nothing to give back: it was not paid, or was refunded before."


class InDispute(Conflict):
    code = "in_dispute"
    message = "The buyer's bank has taken this payment back already, or is deciding about it."


class HasPurchases(Conflict):
    code = "has_purchases"
    message = "People have paid for this agent and still use it. Unpublish it, then refund or wait until they end."


class IconInvalid(ValidationFailed):
    code = "icon_invalid"
    message = "This picture cannot be read, or it is too large. Use up to 2 MB and 4096 pixels a side."


class TooManyTokens(ValidationFailed):
    code = "too_many_tokens"
    message = "A listing can have at most 100 access tokens. Revoke one first."


class IconTypeRefused(UnsupportedType):
    message = "An icon is a PNG, a JPEG or a WebP picture."
