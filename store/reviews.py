"""Reviews: by people who have used the agent, one each; the listing's sums are exact whoever writes at that moment."""

from uuid import UUID

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from accounts.models import Membership, User
from agents.visitor_tokens import VERIFIED
from chat.models import Channel, Message, MessageRole, MessageStatus
from core.tenancy import ScopedQuerySet
from store.errors import NotAUser, OwnListing
from store.models import Listing, Review, ReviewStatus, Use
from store.ranking import score_ratings
from store.services import lock_listing

_ANSWERED = (MessageStatus.COMPLETE, MessageStatus.PARTIAL)


@transaction.atomic
def save_review(*, listing: Listing, user: User, rating: int, text: str) -> Review:
    """Write or change one's review. One that the operator has hidden stays hidden. Raises OwnListing, NotAUser."""
    if _is_member(listing, user):
        raise OwnListing()
    locked = lock_listing(listing)
    review = Review.objects.filter(listing=locked, user=user).first()
    if review is None:
        if not has_used(listing, user):
            raise NotAUser()
        review = Review(listing=locked, user=user)
    review.rating, review.text = rating, text
    review.save()
    count_ratings(locked)
    return review


@transaction.atomic
def delete_review(*, listing: Listing, user: User) -> None:
    """Take one's review back. Raises NotFound without one."""
    locked = lock_listing(listing)
    reviews: ScopedQuerySet[Review] = locked.reviews.all()
    reviews.get_or_404(user=user).delete()  # `store.receivers` counts anew


def reply_to_review(*, review: Review, text: str) -> Review:
    """The creator's answer, seen by everybody; an empty one takes it back."""
    review.reply, review.replied_at = text, timezone.now() if text else None
    review.save(update_fields=["reply", "replied_at"])
    return review


def can_review(listing: Listing, user: User) -> bool:
    """Whether `save_review` would take this person's review."""
    return not _is_member(listing, user) and has_used(listing, user)


def has_used(listing: Listing, user: User) -> bool:
    """Whether this person has had an answer from the listing."""
    if not Use.objects.filter(listing=listing, user=user).exists():
        return False
    answers = Message.objects.filter(
        conversation__agent=listing.agent_id,
        conversation__channel=Channel.STORE,
        conversation__end_user=f"{VERIFIED}{user.pk}",
        role=MessageRole.ASSISTANT,
        status__in=_ANSWERED,
    )
    return answers.exclude(content="").exists()


def count_ratings(locked: Listing) -> None:
    """Bring the listing's sums up to its visible reviews. Within the transaction that has locked the listing."""
    visible = Review.objects.filter(listing=locked, status=ReviewStatus.VISIBLE).order_by()
    found = visible.aggregate(count=Count("pk"), sum=Sum("rating"))
    locked.rating_count, locked.rating_sum = found["count"], found["sum"] or 0
    locked.save(update_fields=["rating_count", "rating_sum"])
    score_ratings(locked.pk)


def get_review(listing: Listing, review_id: UUID) -> Review:
    """One visible review of this listing, or NotFound."""
    reviews: ScopedQuerySet[Review] = listing.reviews.filter(status=ReviewStatus.VISIBLE).select_related("user")
    return reviews.get_or_404(pk=review_id)


def _is_member(listing: Listing, user: User) -> bool:
    return Membership.objects.filter(workspace=listing.workspace_id, user=user).exists()
