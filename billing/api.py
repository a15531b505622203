"""`/api/billing`: the workspace's plan, subscription and invoices; the ways to Stripe's pages; Stripe's webhooks."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.selectors import workspace_of
from accounts.workspace_api import WorkspaceView
from billing import checkout, events, selectors
from billing.models import Invoice, Subscription
from billing.plans import plan_of
from billing.prices import SOLD_PLANS
from billing.stripe import is_configured
from core.api import ErrorSerializer, StrictSerializer
from core.errors import TooLarge
from core.policy import PUBLIC


class PlanSerializer(serializers.Serializer[Any]):
    """A plan; its price is a month's."""

    id = serializers.CharField()
    name = serializers.CharField()
    price_usd = serializers.IntegerField()


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """The subscription as Stripe tells it. `grace_ends_at`: a payment failed, and until then the plan stays."""

    class Meta:
        model = Subscription
        fields = (
            "plan", "status", "trial_ends_at", "current_period_end", "cancel_at_period_end", "grace_ends_at",
            "ended_at",
        )  # fmt: skip


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    """An invoice; amounts in minor units of its currency."""

    class Meta:
        model = Invoice
        fields = ("id", "number", "status", "total", "amount_paid", "currency", "hosted_url", "pdf_url", "issued_at")


class BillingSerializer(serializers.Serializer[Any]):
    """What the workspace has and pays. `payments`: whether this server sells; `billing`: whether it has limits."""

    billing = serializers.BooleanField()
    payments = serializers.BooleanField()
    plan = PlanSerializer()
    subscription = SubscriptionSerializer(allow_null=True)
    invoices = InvoiceSerializer(many=True)


class BillingView(WorkspaceView):
    policy = {"GET": "billing.view"}
    serializer_class = BillingSerializer
    pagination_class = None

    @extend_schema(responses=BillingSerializer)
    def get(self, request: Request) -> Response:
        """The workspace's plan, its subscription, and its latest 24 invoices."""
        workspace = workspace_of(self.principal)
        answer = {
            "billing": settings.BILLING,
            "payments": is_configured(),
            "plan": plan_of(workspace.plan),
            "subscription": selectors.find_subscription(workspace.pk),
            "invoices": selectors.list_latest_invoices(workspace.pk),
        }
        return Response(BillingSerializer(answer).data)


class CheckoutSerializer(StrictSerializer):
    plan = serializers.ChoiceField(choices=SOLD_PLANS)


class UrlSerializer(serializers.Serializer[Any]):
    """Where the browser goes next."""

    url = serializers.URLField()


class Checkout(WorkspaceView):
    policy = {"POST": "billing.edit"}

    @extend_schema(request=CheckoutSerializer, responses={200: UrlSerializer, 409: ErrorSerializer})
    def post(self, request: Request) -> Response:
        """The address of Stripe's page where the workspace buys a plan, or changes to it when it has another."""
        plan_id = self.read(CheckoutSerializer)["plan"]
        workspace = workspace_of(self.principal)
        return Response({"url": checkout.start_checkout(workspace=workspace, plan_id=plan_id, email=_email(request))})


class Portal(WorkspaceView):
    policy = {"POST": "billing.edit"}

    @extend_schema(request=None, responses={200: UrlSerializer, 409: ErrorSerializer})
    def post(self, request: Request) -> Response:
        """The address of Stripe's page for payment methods, invoices and cancellation."""
        return Response({"url": checkout.open_portal(workspace=workspace_of(self.principal))})


def _email(request: Request) -> str:
    return str(getattr(request.user, "email", ""))


class ReceivedSerializer(serializers.Serializer[Any]):
    received = serializers.BooleanField()


class StripeWebhook(APIView):
    """Where Stripe tells what happened. The signature is over the bytes as they came: nothing reads them before."""

    policy = PUBLIC
    authentication_classes: Any = []

    @extend_schema(
        request={"application/json": {"type": "object"}},
        responses={200: ReceivedSerializer, 400: ErrorSerializer, 409: ErrorSerializer, 413: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """One event, signed by Stripe (`Stripe-Signature`). Answered as soon as it is stored."""
        body = request._request.body
        if len(body) > events.MAX_BYTES:
            raise TooLarge()
        events.receive_event(body=body, signature=request.headers.get("Stripe-Signature", ""))
        return Response({"received": True})
