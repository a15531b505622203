"""`/api/store`: the storefront, an agent's page, sessions with it, reviews, reports, remixes, the own library."""

from collections.abc import Collection
from typing import Any

from allauth.account.adapter import get_adapter
from asgiref.sync import async_to_sync
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.origin import require_own_page
from accounts.permissions import session_of
from accounts.workspace_api import WorkspaceView
from agents.visitors import admit_address
from core.api import ErrorSerializer, StrictSerializer
from core.errors import BadRequest
from core.fields import PlainCharField
from core.paging import read_limit
from core.policy import PUBLIC, SIGNED_IN
from core.text import is_storable
from store import schemas, selectors
from store.cards import describe_card, describe_page, describe_review
from store.categories import CATEGORIES
from store.moderation import REASONS, report_listing
from store.paging import USUAL_LIMIT, cut_page
from store.remixing import remix_listing
from store.reviews import delete_review, get_review, save_review
from store.sessions import StoreSession, open_session

MAX_QUERY = 100
_PRICES = ("free", "paid")
_LIST_PARAMETERS = [
    OpenApiParameter("q", str, description="Words; accents, case and one wrong letter in each do not matter."),
    OpenApiParameter("category", str, enum=list(CATEGORIES)),
    OpenApiParameter("sort", str, enum=list(selectors.SORTS), description="Without `q`; with it the best match leads."),
    OpenApiParameter("price", str, enum=_PRICES),
    OpenApiParameter("cursor", str, description="The `next` of the page before."),
    OpenApiParameter("limit", int),
]
# Sign in, buy, a token, nothing here, not published, used up.
_REFUSALS = dict.fromkeys((401, 402, 403, 404, 409, 429), ErrorSerializer)


class ReportInput(StrictSerializer):
    """What is wrong, with the listing or with one of its reviews."""

    reason = serializers.ChoiceField(choices=list(REASONS))
    text = PlainCharField(max_length=1000, allow_blank=True, required=False, default="")
    review_id = serializers.UUIDField(required=False)


class ReportOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()


class StoreView(WorkspaceView):
    """Common ground: who reads, and the published listing of the path."""

    @property
    def reader(self) -> User | None:
        user = self.request.user
        return user if isinstance(user, User) else None

    @property
    def actor(self) -> User:
        return self.request.user  # type: ignore[return-value]

    def get_listing(self) -> Any:
        return selectors.find_listing(self.kwargs["slug"])


class ListingList(StoreView):
    policy = PUBLIC

    @extend_schema(
        parameters=_LIST_PARAMETERS,
        responses={200: schemas.CardListSerializer, 400: ErrorSerializer},
        operation_id="store_browse",
        tags=["store"],
        summary="Browse or search the store",
    )
    def get(self, request: Request) -> Response:
        """Public listings: those that trend, are rated best or are new, or that match the words of `q`."""
        given = {name: request.query_params.get(name, "") for name in ("q", "category", "sort", "price", "cursor")}
        query, category, sort, price = _read_filters(given)
        rows = selectors.list_published(sort=sort, category=category, price=price, query=query)
        limit = read_limit(request.query_params.get("limit", ""), USUAL_LIMIT)
        order = selectors.order_of(sort, query)
        shown, following = cut_page(rows, order, cursor=given["cursor"], limit=limit)
        return Response({"data": [describe_card(listing) for listing in shown], "next": following})


class ListingDetail(StoreView):
    policy = PUBLIC

    @extend_schema(
        responses={200: schemas.PageSerializer, 404: ErrorSerializer}, tags=["store"], summary="An agent's page"
    )
    def get(self, request: Request, slug: str) -> Response:
        """Everything about a published listing; of a private one, too, for who knows its address."""
        return Response(describe_page(self.get_listing(), self.reader))


class ListingReviews(StoreView):
    policy = PUBLIC

    @extend_schema(responses={200: schemas.ReviewListSerializer, 404: ErrorSerializer}, tags=["store"])
    def get(self, request: Request, slug: str) -> Response:
        """What people say of it, the latest first."""
        page = self.paginate_queryset(selectors.list_reviews(self.get_listing()))
        return self.get_paginated_response([describe_review(review) for review in page or ()])


class ListingSession(StoreView):
    policy = PUBLIC

    @extend_schema(
        request=schemas.StoreSessionInput,
        responses={201: schemas.StoreSessionOutput, **_REFUSALS},
        tags=["store"],
        summary="Open a session with an agent of the store",
    )
    def post(self, request: Request, slug: str) -> Response:
        """Open or renew a session. Only our own pages may.

        `401 sign_in_required`, `402 purchase_required`, `403 access_token_required` and `429 allowance_used_up` say
        what it takes.
        """
        require_own_page(request)
        given = self.read(schemas.StoreSessionInput)
        address = get_adapter().get_client_ip(request)
        async_to_sync(admit_address)("store-sessions", address)
        listing, key = self.get_listing(), session_of(request).session_key
        session = open_session(listing=listing, user=self.reader, session_key=key, address=address, **given)
        response = Response(_describe_session(session), status=status.HTTP_201_CREATED)
        response["Cache-Control"] = "no-store"
        return response


class ListingReview(StoreView):
    policy = SIGNED_IN

    @extend_schema(
        request=schemas.ReviewInput,
        responses={200: schemas.MyReviewSerializer, 403: ErrorSerializer, 404: ErrorSerializer},
        tags=["store"],
    )
    def put(self, request: Request, slug: str) -> Response:
        """Write or change one's own review: for people who have had an answer from the agent."""
        given = self.read(schemas.ReviewInput)
        review = save_review(listing=self.get_listing(), user=self.actor, **given)
        return Response(describe_review(review) | {"status": review.status})

    @extend_schema(responses={204: None, 404: ErrorSerializer}, tags=["store"])
    def delete(self, request: Request, slug: str) -> Response:
        """Take one's own review back."""
        delete_review(listing=self.get_listing(), user=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ListingReport(StoreView):
    policy = SIGNED_IN

    @extend_schema(
        request=ReportInput,
        responses={201: ReportOutput, 404: ErrorSerializer, 409: ErrorSerializer},
        tags=["store"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Report the listing, or one of its reviews, to the operator."""
        given, listing = self.read(ReportInput), self.get_listing()
        review_id = given.pop("review_id", None)
        review = get_review(listing, review_id) if review_id else None
        report = report_listing(listing=listing, reporter=self.actor, review=review, **given)
        return Response({"id": str(report.pk)}, status=status.HTTP_201_CREATED)


class ListingRemix(StoreView):
    policy = {"POST": "agent.create"}

    @extend_schema(
        request=schemas.RemixInput,
        responses={201: schemas.RemixOutput, 402: ErrorSerializer, 403: ErrorSerializer, 404: ErrorSerializer},
        tags=["store"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Copy what the listing runs into the current workspace, with its documents where the creator allows it."""
        given = self.read(schemas.RemixInput)
        remix = remix_listing(listing=self.get_listing(), actor=self.actor, workspace_id=self.workspace_id, **given)
        return Response({"agent_id": str(remix.agent_id)}, status=status.HTTP_201_CREATED)


class Library(StoreView):
    policy = SIGNED_IN

    @extend_schema(responses={200: schemas.LibrarySerializer}, tags=["store"])
    def get(self, request: Request) -> Response:
        """What I use, bought and reviewed."""
        library = selectors.read_library(self.actor)
        return Response({name: [describe_card(row) for row in rows] for name, rows in library.items()})


def _read_filters(given: dict[str, str]) -> tuple[str, str, str, str]:
    """(words, category, sort, price). Raises BadRequest for a choice that there is not."""
    choices: dict[str, Collection[str]] = {"category": CATEGORIES, "sort": selectors.SORTS, "price": _PRICES}
    for name, known in choices.items():
        if given[name] and given[name] not in known:
            raise BadRequest(f"{name} must be one of {', '.join(known)}.", param=name)
    query = given["q"][:MAX_QUERY] if is_storable(given["q"]) else ""
    return query, given["category"], given["sort"] or "trending", given["price"]


def _describe_session(opened: StoreSession) -> dict[str, Any]:
    return {
        "token": opened.session.token,
        "key_id": str(opened.identity.key_id),
        "agent_id": str(opened.identity.agent.agent_id),
        "is_verified": opened.session.is_verified,
        "expires_at": opened.expires_at,
        "access": opened.right.access,
        "remaining": opened.right.remaining,
    }
