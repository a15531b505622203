"""`/api/store/moderation`: the operator's queue of reports, and what the operator does without one."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api import ErrorSerializer, StrictSerializer
from core.errors import BadRequest
from core.fields import PlainCharField
from core.policy import OPERATOR
from store import moderation
from store.api import StoreView
from store.models import ListingStatus, ReportStatus
from store.schemas import CreatorCardSerializer


class ReportedListingSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=ListingStatus.choices)
    creator_id = serializers.UUIDField()
    creator = CreatorCardSerializer()


class ReportedReviewSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    author = serializers.CharField(source="user.display_name")
    rating = serializers.IntegerField()
    text = serializers.CharField()
    status = serializers.CharField()


class ReportSerializer(serializers.Serializer[Any]):
    """A report, about the listing or, where `review` is there, about that review."""

    id = serializers.UUIDField()
    listing = ReportedListingSerializer()
    review = ReportedReviewSerializer(allow_null=True)
    reporter = serializers.CharField(source="reporter.email", default="", allow_null=True)
    reason = serializers.ChoiceField(choices=list(moderation.REASONS))
    text = serializers.CharField()
    status = serializers.ChoiceField(choices=ReportStatus.choices)
    decision = serializers.CharField()
    decided_by = serializers.CharField(source="decided_by.email", default="", allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class DecisionInput(StrictSerializer):
    """`take_down` needs a reason: the creator reads it."""

    action = serializers.ChoiceField(choices=moderation.DECISIONS)
    reason = PlainCharField(max_length=500, allow_blank=True, required=False, default="")


class MeasureInput(StrictSerializer):
    action = serializers.ChoiceField(choices=moderation.MEASURES)
    reason = PlainCharField(max_length=500, allow_blank=True, required=False, default="")


class BadgeInput(StrictSerializer):
    is_verified = serializers.BooleanField()


class ReportList(StoreView):
    policy = OPERATOR

    @extend_schema(
        parameters=[OpenApiParameter("status", enum=ReportStatus.values)],
        responses={200: ReportSerializer(many=True), 400: ErrorSerializer},
        tags=["store: moderation"],
    )
    def get(self, request: Request) -> Response:
        """Reports that wait for a decision, or those that were decided; the latest first."""
        wanted = request.query_params.get("status", ReportStatus.OPEN)
        if wanted not in ReportStatus.values:
            raise BadRequest(f"status must be one of {', '.join(ReportStatus.values)}.", param="status")
        return self.answer_page(moderation.list_reports(wanted), ReportSerializer)


class ReportDecision(StoreView):
    policy = {"POST": OPERATOR}

    @extend_schema(
        request=DecisionInput,
        responses={200: ReportSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: moderation"],
    )
    def post(self, request: Request, report_id: UUID) -> Response:
        """Dismiss a report, hide the review or take the listing down; decides all open reports of the same thing."""
        decision = moderation.Decision(operator=self.actor, **self.read(DecisionInput))
        return Response(ReportSerializer(moderation.decide_report(report_id=report_id, decision=decision)).data)


class ListingMeasure(StoreView):
    policy = {"POST": OPERATOR}

    @extend_schema(
        request=MeasureInput,
        responses={200: ReportedListingSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: moderation"],
    )
    def post(self, request: Request, listing_id: UUID) -> Response:
        """Take a listing down with a reason that its creator gets by mail, or restore it."""
        listing = moderation.moderate_listing(listing_id=listing_id, **self.read(MeasureInput))
        return Response(ReportedListingSerializer(listing).data)


class CreatorBadge(StoreView):
    policy = {"POST": OPERATOR}

    @extend_schema(
        request=BadgeInput,
        responses={200: CreatorCardSerializer, 404: ErrorSerializer},
        tags=["store: moderation"],
    )
    def post(self, request: Request, creator_id: UUID) -> Response:
        """Give a creator the verified badge, or take it back."""
        creator = moderation.set_verified(creator_id=creator_id, **self.read(BadgeInput))
        return Response(CreatorCardSerializer(creator).data)
