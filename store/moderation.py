"""What people report, and what the operator decides: dismiss, hide a review, take a listing down, or restore it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.mails import mail_next_debt
from accounts.models import User
from core.errors import Conflict, NotFound, ValidationFailed
from store.errors import AlreadyDecided, AlreadyReported, ListingTakenDown
from store.models import Creator, Listing, ListingStatus, Report, ReportStatus, Review, ReviewStatus
from store.reviews import count_ratings
from store.services import close_listing, lock_listing, open_listing

REASONS: dict[str, Promise] = {
    "spam": _("Spam or advertising"),
    "misleading": _("It is not what it says it is"),
    "harmful": _("Dangerous or hateful"),
    "sexual": _("Sexual content"),
    "copyright": _("It uses somebody's work without permission"),
    "privacy": _("It shows private information"),
    "other": _("Something else"),
}
DISMISS, HIDE_REVIEW, TAKE_DOWN, RESTORE = "dismiss", "hide_review", "take_down", "restore"
DECISIONS = (DISMISS, HIDE_REVIEW, TAKE_DOWN)
MEASURES = (TAKE_DOWN, RESTORE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the operator does about a report, why, and who it is."""

    action: str  # of DECISIONS
    reason: str
    operator: User


@transaction.atomic
def report_listing(
    *, listing: Listing, reporter: User, reason: str, text: str = "", review: Review | None = None
) -> Report:
    """Report a listing, or one of its reviews. Raises AlreadyReported while the person's last report of it is open."""
    lock_listing(listing)  # of two at the same moment, one comes first
    mine = Report.objects.filter(listing=listing, review=review, reporter=reporter, status=ReportStatus.OPEN)
    if mine.exists():
        raise AlreadyReported()
    return Report.objects.create(listing=listing, review=review, reporter=reporter, reason=reason, text=text)


def list_reports(status: str) -> QuerySet[Report]:
    """Reports in this state, the latest first, with all that the queue shows of them."""
    return Report.objects.filter(status=status).select_related(
        "listing__creator", "review__user", "reporter", "decided_by"
    )


@transaction.atomic
def decide_report(*, report_id: UUID, decision: Decision) -> Report:
    """Decide a report, and with it all open ones of the same thing. Raises NotFound, AlreadyDecided."""
    report = Report.objects.select_related("listing", "review").filter(pk=report_id).first()
    if report is None:
        raise NotFound()
    listing = lock_listing(report.listing)
    report.refresh_from_db(fields=["status"])
    if report.status != ReportStatus.OPEN:
        raise AlreadyDecided()
    same = Q(pk=report.pk)
    if decision.action == HIDE_REVIEW:
        same |= Q(review=_hide_review(report, listing))
    elif decision.action == TAKE_DOWN:
        _take_down(listing, decision.reason)
        same |= Q(listing=listing, review=None)
    status = ReportStatus.DISMISSED if decision.action == DISMISS else ReportStatus.UPHELD
    now = timezone.now()
    Report.objects.filter(same, status=ReportStatus.OPEN).update(
        status=status, decision=decision.reason, decided_by=decision.operator, decided_at=now, updated_at=now
    )
    return list_reports(status).get(pk=report.pk)


@transaction.atomic
def moderate_listing(*, listing_id: UUID, action: str, reason: str) -> Listing:
    """Take a listing down, or restore one that was. Raises NotFound, ListingTakenDown, Conflict."""
    listing = lock_listing(Listing(pk=listing_id))
    if action == TAKE_DOWN:
        return _take_down(listing, reason)
    return _restore(listing)


def set_verified(*, creator_id: UUID, is_verified: bool) -> Creator:
    """Give the creator the badge, or take it back. Raises NotFound."""
    creator = Creator.objects.get_or_404(pk=creator_id)
    creator.is_verified = is_verified
    creator.save(update_fields=["is_verified", "updated_at"])
    return creator


def send_next_notice() -> bool:
    """Tell the owners of one listing that it was taken down; False when none is owed, or no mail server answers."""
    return mail_next_debt(Listing.objects.all(), "store/email/taken_down", _describe_taken_down)


def _describe_taken_down(listing: Listing) -> tuple[UUID, dict[str, Any]]:
    return listing.workspace_id, {"listing": listing, "link": f"{settings.SITE_URL}/agents/{listing.agent_id}"}


def _hide_review(report: Report, listing: Listing) -> Review:
    if report.review is None:
        raise ValidationFailed(gettext_noop("This report is about the listing, not about a review."), param="action")
    report.review.status = ReviewStatus.HIDDEN
    report.review.save(update_fields=["status"])
    count_ratings(listing)
    return report.review


def _take_down(listing: Listing, reason: str) -> Listing:
    if listing.status == ListingStatus.TAKEN_DOWN:
        raise ListingTakenDown(gettext_noop("This listing is taken down already."))
    if not reason:
        raise ValidationFailed(gettext_noop("Say why: the creator reads it."), param="reason")
    closed = close_listing(listing, ListingStatus.TAKEN_DOWN, reason)
    Listing.objects.filter(pk=closed.pk).update(owes_notice=True)
    return closed


def _restore(listing: Listing) -> Listing:
    """As it was before: in the store with its last release if it was there, else out of it."""
    if listing.status != ListingStatus.TAKEN_DOWN:
        raise Conflict(gettext_noop("This listing is not taken down."), code="not_taken_down")
    if listing.key_id is not None:
        open_listing(listing)
    listing.status = ListingStatus.PUBLISHED if listing.key_id else ListingStatus.UNPUBLISHED
    listing.taken_down_reason, listing.owes_notice = "", False
    listing.save(update_fields=["key", "status", "taken_down_reason", "owes_notice", "updated_at"])
    return listing
