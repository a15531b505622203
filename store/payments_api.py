"""The money's part of `/api/store`: buying, what was bought and sold, refunds, the creator's account."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api import ErrorSerializer
from core.policy import SIGNED_IN
from store import payments, payments_account, selectors
from store.api import StoreView
from store.models import Purchase

_REFUSED = {404: ErrorSerializer, 409: ErrorSerializer}


class PageUrlSerializer(serializers.Serializer[Any]):
    """Where the browser goes next."""

    url = serializers.URLField()


class PurchaseSerializer(serializers.ModelSerializer[Purchase]):
    """What a person bought; amounts in minor units. `remaining`: of a pack's messages; `access_until`: of a month.

    `lost` is what disputes took back.
    """

    kind = serializers.CharField()
    status = serializers.CharField()
    slug = serializers.CharField(source="listing.slug")
    name = serializers.CharField(source="listing.name")
    remaining = serializers.SerializerMethodField()
    access_until = serializers.DateTimeField(source="grant.expires_at", allow_null=True, default=None)
    can_be_managed = serializers.SerializerMethodField()

    class Meta:
        model = Purchase
        fields: tuple[str, ...] = (
            "id", "slug", "name", "kind", "status", "amount", "currency", "paid", "refunded", "lost", "pack_messages",
            "remaining", "access_until", "can_be_managed", "paid_at", "refunded_at",
        )  # fmt: skip

    def get_remaining(self, purchase: Purchase) -> int | None:
        grant = purchase.grant
        return None if grant is None or grant.most_uses is None else grant.most_uses - grant.uses

    def get_can_be_managed(self, purchase: Purchase) -> bool:
        return bool(purchase.subscription_id)


class SaleSerializer(serializers.ModelSerializer[Purchase]):
    """What a creator sold; amounts in minor units. `fee` is what the platform keeps, `lost` what disputes took."""

    kind = serializers.CharField()
    status = serializers.CharField()
    listing_id = serializers.UUIDField()
    listing = serializers.CharField(source="listing.name")
    buyer = serializers.CharField(source="user.display_name")

    class Meta:
        model = Purchase
        fields: tuple[str, ...] = (
            "id", "listing_id", "listing", "buyer", "kind", "status", "amount", "currency", "paid", "fee", "refunded",
            "lost", "paid_at", "refunded_at",
        )  # fmt: skip


class BalanceSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    available = serializers.IntegerField()
    pending = serializers.IntegerField()


class PayoutSerializer(serializers.Serializer[Any]):
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    status = serializers.CharField()
    arrives_at = serializers.DateTimeField(allow_null=True)


class PayoutsSerializer(serializers.Serializer[Any]):
    """The creator's account at Stripe; amounts in minor units."""

    charges_enabled = serializers.BooleanField()
    payouts_enabled = serializers.BooleanField()
    balances = BalanceSerializer(many=True)
    payouts = PayoutSerializer(many=True)


class ListingCheckout(StoreView):
    policy = {"POST": SIGNED_IN}

    @extend_schema(request=None, responses={200: PageUrlSerializer, **_REFUSED}, tags=["store"])
    def post(self, request: Request, slug: str) -> Response:
        """The address of Stripe's page where one buys the agent: a month, or a pack of messages."""
        return Response({"url": payments.start_purchase(listing=self.get_listing(), user=self.actor)})


class PurchaseList(StoreView):
    policy = {"GET": SIGNED_IN}

    @extend_schema(responses=PurchaseSerializer(many=True), tags=["store"])
    def get(self, request: Request) -> Response:
        """What one has bought, newest first."""
        return self.answer_page(payments.list_purchases(self.actor), PurchaseSerializer)


class PurchasePortal(StoreView):
    policy = {"POST": SIGNED_IN}

    @extend_schema(request=None, responses={200: PageUrlSerializer, **_REFUSED}, tags=["store"])
    def post(self, request: Request, purchase_id: UUID) -> Response:
        """The address of Stripe's page where the buyer of a month changes the card, or cancels."""
        purchase = Purchase.objects.filter(user=self.actor).get_or_404(pk=purchase_id)
        return Response({"url": payments.open_purchase_portal(purchase=purchase)})


class SaleList(StoreView):
    policy = {"GET": "creator.edit"}

    @extend_schema(responses=SaleSerializer(many=True), tags=["store: creators"])
    def get(self, request: Request, listing_id: UUID) -> Response:
        """What was sold of one listing, newest first."""
        listing = selectors.get_mine(self.workspace_id, listing_id)
        return self.answer_page(payments.list_sales(self.workspace_id).filter(listing=listing), SaleSerializer)


class SaleRefund(StoreView):
    policy = {"POST": "creator.edit"}

    @extend_schema(request=None, responses={200: SaleSerializer, **_REFUSED}, tags=["store: creators"])
    def post(self, request: Request, listing_id: UUID, purchase_id: UUID) -> Response:
        """Give the last payment back. Access ends at once, and a month's subscription with it."""
        listing = selectors.get_mine(self.workspace_id, listing_id)
        sold = Purchase.objects.for_workspace(self.workspace_id).filter(listing=listing)
        purchase = sold.get_or_404(pk=purchase_id)
        return Response(SaleSerializer(payments.refund_purchase(purchase=purchase)).data)


class CreatorStripe(StoreView):
    policy = {"POST": "creator.edit"}

    @extend_schema(request=None, responses={200: PageUrlSerializer, 409: ErrorSerializer}, tags=["store: creators"])
    def post(self, request: Request) -> Response:
        """The address of Stripe's page where the creator tells who is paid; later, of the account's own pages."""
        return Response({"url": payments_account.start_onboarding(workspace_id=self.workspace_id)})


class CreatorPayouts(StoreView):
    policy = {"GET": "creator.edit"}
    serializer_class = PayoutsSerializer
    pagination_class = None

    @extend_schema(responses={200: PayoutsSerializer, 409: ErrorSerializer}, tags=["store: creators"])
    def get(self, request: Request) -> Response:
        """The account's balances, and the latest payouts to the creator's bank."""
        creator = selectors.find_creator(self.workspace_id)
        return Response(PayoutsSerializer(payments_account.describe_payouts(creator)).data)
