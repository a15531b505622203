"""`/api/store/mine` and `/api/store/creator`: a workspace's own listings, their releases, tokens and figures."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from agents.selectors import get_agent
from core.api import ErrorSerializer
from core.errors import BadRequest, ValidationFailed
from store import access, icons, schemas, selectors, services
from store.api import StoreView
from store.cards import describe_mine, describe_release, describe_review
from store.days import MOST_DAYS, describe_days
from store.models import Creator, Listing
from store.reviews import get_review, reply_to_review

_USUAL_DAYS = 30


class MineView(StoreView):
    """Common ground: the workspace's own listing of the path."""

    def get_listing(self) -> Listing:
        return selectors.get_mine(self.workspace_id, self.kwargs["listing_id"])

    def answer_listing(self, listing: Listing, code: int = status.HTTP_200_OK) -> Response:
        return Response(describe_mine(selectors.get_mine(self.workspace_id, listing.pk)), status=code)


class MineList(MineView):
    policy = {"GET": "listing.view", "POST": "listing.edit"}

    @extend_schema(responses=schemas.MineSerializer(many=True), tags=["store: creators"])
    def get(self, request: Request) -> Response:
        """The workspace's listings in whatever state, newest first."""
        page = self.paginate_queryset(selectors.list_mine(self.workspace_id))
        return self.get_paginated_response([describe_mine(listing) for listing in page or ()])

    @extend_schema(
        request=schemas.ListingInput,
        responses={201: schemas.MineSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: creators"],
    )
    def post(self, request: Request) -> Response:
        """Prepare a listing of an agent. Nobody else sees it before it is published."""
        given = self.read(schemas.ListingInput)
        agent = get_agent(self.workspace_id, given.pop("agent_id"))
        return self.answer_listing(services.create_listing(agent=agent, **given), status.HTTP_201_CREATED)


class MineDetail(MineView):
    policy = {"GET": "listing.view", "PATCH": "listing.edit", "DELETE": "listing.edit"}

    @extend_schema(responses={200: schemas.MineSerializer, 404: ErrorSerializer}, tags=["store: creators"])
    def get(self, request: Request, listing_id: UUID) -> Response:
        """One listing, and why it was taken down if it was."""
        return self.answer_listing(self.get_listing())

    @extend_schema(
        request=schemas.ListingChange,
        responses={200: schemas.MineSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: creators"],
    )
    def patch(self, request: Request, listing_id: UUID) -> Response:
        """Change what the listing says, its price, or who may use it; at once. What it runs changes by publishing."""
        changes = self.read(schemas.ListingChange)
        return self.answer_listing(services.update_listing(listing=self.get_listing(), changes=changes))

    @extend_schema(responses={204: None, 404: ErrorSerializer, 409: ErrorSerializer}, tags=["store: creators"])
    def delete(self, request: Request, listing_id: UUID) -> Response:
        """Delete the listing with its reviews; the agent stays."""
        services.delete_listing(listing=self.get_listing())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MinePublish(MineView):
    policy = {"POST": "listing.edit"}

    @extend_schema(
        request=schemas.PublishInput,
        responses={201: schemas.ReleaseSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
        tags=["store: creators"],
    )
    def post(self, request: Request, listing_id: UUID) -> Response:
        """Publish the agent as it is now: its live version (the draft before any deploy) and its ready documents."""
        given = self.read(schemas.PublishInput)
        release = services.publish_listing(listing=self.get_listing(), actor=self.actor, **given)
        return Response(describe_release(release), status=status.HTTP_201_CREATED)


class MineUnpublish(MineView):
    policy = {"POST": "listing.edit"}

    @extend_schema(
        request=None, responses={200: schemas.MineSerializer, 409: ErrorSerializer}, tags=["store: creators"]
    )
    def post(self, request: Request, listing_id: UUID) -> Response:
        """Take the listing out of the store. Its reviews and its address stay for when it comes back."""
        return self.answer_listing(services.unpublish_listing(listing=self.get_listing()))


class MineReleases(MineView):
    policy = {"GET": "listing.view"}

    @extend_schema(responses=schemas.ReleaseSerializer(many=True), tags=["store: creators"])
    def get(self, request: Request, listing_id: UUID) -> Response:
        """What was published, the latest first."""
        page = self.paginate_queryset(selectors.list_releases(self.get_listing()))
        return self.get_paginated_response([describe_release(release) for release in page or ()])


class MineIcon(MineView):
    policy = {"POST": "listing.edit", "DELETE": "listing.edit"}
    parser_classes = (MultiPartParser,)

    @extend_schema(
        request={"multipart/form-data": schemas.IconInput},
        responses={200: schemas.MineSerializer, 415: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: creators"],
    )
    def post(self, request: Request, listing_id: UUID) -> Response:
        """Upload an icon: PNG, JPEG or WebP, up to 2 MB and 4096 pixels a side. It is cut to a square."""
        listing, file = self.get_listing(), request.FILES.get("file")
        if file is None:
            raise ValidationFailed("Send the picture as the form field `file`.", param="file")
        return self.answer_listing(icons.set_icon(listing=listing, file=file))

    @extend_schema(responses={200: schemas.MineSerializer, 404: ErrorSerializer}, tags=["store: creators"])
    def delete(self, request: Request, listing_id: UUID) -> Response:
        """Back to the generated icon."""
        return self.answer_listing(icons.delete_icon(listing=self.get_listing()))


class TokenList(MineView):
    policy = {"GET": "listing.edit", "POST": "listing.edit"}

    @extend_schema(responses=schemas.TokenSerializer(many=True), tags=["store: creators"])
    def get(self, request: Request, listing_id: UUID) -> Response:
        """The listing's access tokens that were not revoked, newest first."""
        return self.answer_page(access.list_tokens(self.get_listing()), schemas.TokenSerializer)

    @extend_schema(
        request=schemas.TokenInput,
        responses={201: schemas.NewTokenSerializer, 404: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: creators"],
    )
    def post(self, request: Request, listing_id: UUID) -> Response:
        """Make an access token. The answer holds it, and a link that carries it, this once."""
        listing = self.get_listing()
        given = self.read(schemas.TokenInput)
        token, plain = access.create_token(listing=listing, actor=self.actor, **given)
        shown = schemas.TokenSerializer(token).data
        link = access.make_link(listing, plain)
        return Response({**shown, "token": plain, "link": link}, status=status.HTTP_201_CREATED)


class TokenDetail(MineView):
    policy = {"DELETE": "listing.edit"}

    @extend_schema(responses={204: None, 404: ErrorSerializer}, tags=["store: creators"])
    def delete(self, request: Request, listing_id: UUID, token_id: UUID) -> Response:
        """Revoke a token; whoever chats with it is cut off."""
        access.revoke_token(token=access.list_tokens(self.get_listing()).get_or_404(pk=token_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReviewReply(MineView):
    policy = {"POST": "listing.edit"}

    @extend_schema(
        request=schemas.ReplyInput,
        responses={200: schemas.ReviewSerializer, 404: ErrorSerializer},
        tags=["store: creators"],
    )
    def post(self, request: Request, listing_id: UUID, review_id: UUID) -> Response:
        """Answer a review, for all to read; an empty text takes the answer back."""
        review = get_review(self.get_listing(), review_id)
        return Response(describe_review(reply_to_review(review=review, **self.read(schemas.ReplyInput))))


class MineStats(MineView):
    policy = {"GET": "listing.view"}

    @extend_schema(
        parameters=[OpenApiParameter("days", int, description=f"From 1 to {MOST_DAYS}; {_USUAL_DAYS} without it.")],
        responses={200: schemas.StatsSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
        tags=["store: creators"],
    )
    def get(self, request: Request, listing_id: UUID) -> Response:
        """Views, uses, messages, remixes, sales and revenue of each day (UTC), today last."""
        asked = request.query_params.get("days", str(_USUAL_DAYS))
        if not (asked.isascii() and asked.isdigit() and len(asked) < 5 and 1 <= int(asked) <= MOST_DAYS):
            raise BadRequest(f"days must be a number from 1 to {MOST_DAYS}.", param="days")
        return Response(describe_days(self.get_listing(), int(asked)))


class CreatorDetail(StoreView):
    policy = {"GET": "listing.view", "PUT": "creator.edit"}

    @extend_schema(responses={200: schemas.CreatorSerializer}, tags=["store: creators"])
    def get(self, request: Request) -> Response:
        """The workspace as the store shows it; empty before its first listing."""
        creator = selectors.find_creator(self.workspace_id) or Creator()
        return Response(schemas.CreatorSerializer(creator).data)

    @extend_schema(
        request=schemas.CreatorInput,
        responses={200: schemas.CreatorSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
        tags=["store: creators"],
    )
    def put(self, request: Request) -> Response:
        """Change the workspace's handle, name and words in the store."""
        changes: dict[str, Any] = self.read(schemas.CreatorInput)
        creator = services.update_creator(workspace_id=self.workspace_id, **changes)
        return Response(schemas.CreatorSerializer(creator).data)
