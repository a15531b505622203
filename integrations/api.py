"""`/api/agents/{id}/webhooks`: endpoints, their secrets, tests, deliveries and replays."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.workspace_api import WorkspaceView
from agents.models import Agent
from agents.selectors import get_agent
from chat.models import EventType
from core.api import ErrorSerializer, Page, StrictSerializer
from core.errors import BadRequest
from core.fields import PlainCharField
from integrations import selectors, services
from integrations.models import Delivery, DeliveryState, WebhookEndpoint

_LONGEST_OVERLAP = 7 * 24  # hours
ERRORS = {
    "timeout": _("The receiver did not answer in time."),
    "egress_blocked": _("This address is not allowed: only public internet addresses can be reached."),
    "certificate_invalid": _("The receiver's certificate is not valid."),
    "name_not_found": _("The host name does not resolve."),
    "connection_failed": _("No connection: nobody listens there, or the port is closed."),
    "connection_broken": _("The connection broke, or what came was not HTTP."),
    "redirect": _("The receiver redirects. Enter the final address: redirects are not followed."),
    "gone": _("The receiver answered 410 Gone; the webhook was switched off."),
    "bad_status": _("The receiver answered with an error. Any status from 200 to 299 counts as received."),
    "secret_unreadable": _("The signing secret cannot be read any more. Make a new one."),
}


class LastDeliverySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    event_type = serializers.CharField()
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    response_status = serializers.IntegerField(allow_null=True)
    created_at = serializers.CharField()


class WebhookSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """A webhook. Its secret is shown when it is made or rotated, and never again.

    Until `resume_at` nothing is sent: the receiver asked for a pause. It is null when it did not, or that has passed.
    """

    resume_at = serializers.DateTimeField(source="pause_end", allow_null=True, read_only=True)
    events = serializers.ListField(child=serializers.ChoiceField(choices=EventType.choices))
    last_delivery = serializers.SerializerMethodField()

    class Meta:
        model = WebhookEndpoint
        fields: tuple[str, ...] = (
            "id", "url", "events", "is_active", "disabled_reason", "failing_since", "resume_at",
            "previous_secret_until", "last_delivery", "created_at", "updated_at",
        )  # fmt: skip

    @extend_schema_field(LastDeliverySerializer(allow_null=True))
    def get_last_delivery(self, endpoint: WebhookEndpoint) -> Any:
        return getattr(endpoint, "last_delivery", None)


class NewWebhookSerializer(WebhookSerializer):
    """A webhook just made: `secret` is shown this once."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields: tuple[str, ...] = (*WebhookSerializer.Meta.fields, "secret")


class EventsField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=EventType.choices), min_length=1, **options)


class WebhookInputSerializer(StrictSerializer):
    url = PlainCharField(max_length=500)
    events = EventsField(max_length=20)


class WebhookChangeSerializer(StrictSerializer):
    url = PlainCharField(max_length=500, required=False)
    events = EventsField(max_length=20, required=False)
    is_active = serializers.BooleanField(required=False)


class WebhookRotationSerializer(StrictSerializer):
    """For `overlap_hours` the previous secret signs as well; 0 ends it at once."""

    overlap_hours = serializers.IntegerField(
        min_value=0, max_value=_LONGEST_OVERLAP, default=services.OVERLAP_HOURS, required=False
    )


class SecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField()
    previous_secret_until = serializers.DateTimeField(allow_null=True)


class WebhookReplaySerializer(StrictSerializer):
    """What happened since then and was not delivered; with `include_delivered` everything."""

    since = serializers.DateTimeField()
    include_delivered = serializers.BooleanField(default=False, required=False)


class ReplayResultSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One event on its way. `attempts` counts from the last replay; `latency_ms` is the last attempt's.

    `next_attempt_at` takes the webhook's pause into account.
    """

    next_attempt_at = serializers.DateTimeField(source="due_at", allow_null=True, read_only=True)
    error_message = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            "id", "event_id", "event_type", "state", "attempts", "response_status", "latency_ms", "error",
            "error_message", "created_at", "next_attempt_at", "finished_at",
        )  # fmt: skip

    def get_error_message(self, delivery: Delivery) -> str:
        return str(ERRORS.get(delivery.error, ""))


class AttemptSerializer(serializers.Serializer[Any]):
    at = serializers.CharField()
    ms = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()


class DeliveryDetailSerializer(DeliverySerializer):
    """With the last request and its answer (the first 4,096 characters), and the latest 30 attempts."""

    url = serializers.CharField(source="endpoint.url")
    request_body = serializers.CharField(source="body")
    request_headers = serializers.DictField(child=serializers.CharField())
    response_headers = serializers.DictField(child=serializers.CharField())
    attempt_log = AttemptSerializer(many=True)

    class Meta(DeliverySerializer.Meta):
        fields: tuple[str, ...] = (
            *DeliverySerializer.Meta.fields, "url", "request_headers", "request_body", "response_headers",
            "response_body", "attempt_log",
        )  # fmt: skip


class DeliveryPage(Page):
    ordering = "-id"


class WebhookView(WorkspaceView):
    """Common ground: the agent, the webhook and the delivery of the path."""

    serializer_class: Any = WebhookSerializer

    def get_agent(self) -> Agent:
        return get_agent(self.workspace_id, self.kwargs["agent_id"])

    def get_webhook(self) -> WebhookEndpoint:
        return selectors.get_webhook(self.get_agent(), self.kwargs["webhook_id"])

    def get_delivery(self) -> Delivery:
        return selectors.get_delivery(self.get_webhook(), self.kwargs["delivery_id"])

    def answer_webhook(self) -> Response:
        return Response(WebhookSerializer(self.get_webhook()).data)


class WebhookList(WebhookView):
    policy = {"GET": "webhook.view", "POST": "webhook.edit"}

    @extend_schema(responses=WebhookSerializer(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's webhooks, newest first."""
        return self.answer_page(selectors.list_webhooks(self.get_agent()), WebhookSerializer)

    @extend_schema(request=WebhookInputSerializer, responses={201: NewWebhookSerializer, 422: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Add a webhook. The answer holds its signing secret, this once."""
        agent = self.get_agent()
        endpoint, secret = services.create_webhook(agent=agent, **self.read(WebhookInputSerializer))
        endpoint.secret = secret
        return Response(NewWebhookSerializer(endpoint).data, status=status.HTTP_201_CREATED)


class WebhookDetail(WebhookView):
    policy = {"GET": "webhook.view", "PATCH": "webhook.edit", "DELETE": "webhook.edit"}

    @extend_schema(responses={200: WebhookSerializer, 404: ErrorSerializer})
    def get(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """One webhook."""
        return self.answer_webhook()

    @extend_schema(request=WebhookChangeSerializer, responses={200: WebhookSerializer, 422: ErrorSerializer})
    def patch(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """Change the address or the events, switch off or on. Switching off abandons what waits; what waits for another
        address is sent at once."""
        endpoint = self.get_webhook()
        services.update_webhook(endpoint=endpoint, **self.read(WebhookChangeSerializer))
        return self.answer_webhook()

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """Delete a webhook with its deliveries."""
        services.delete_webhook(endpoint=self.get_webhook())
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookTest(WebhookView):
    policy = {"POST": "webhook.edit"}

    @extend_schema(request=None, responses={200: DeliveryDetailSerializer, 404: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """Send a signed `webhook.test` event now and answer with what came back. A success ends a pause."""
        return Response(DeliveryDetailSerializer(services.send_test(endpoint=self.get_webhook())).data)


class WebhookSecret(WebhookView):
    policy = {"POST": "webhook.edit"}

    @extend_schema(request=WebhookRotationSerializer, responses={200: SecretSerializer, 422: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """Make a new signing secret. The answer holds it, this once; the previous one overlaps."""
        endpoint = self.get_webhook()
        secret = services.rotate_secret(endpoint=endpoint, **self.read(WebhookRotationSerializer))
        endpoint.refresh_from_db()
        shown = {"secret": secret, "previous_secret_until": endpoint.previous_secret_until}
        return Response(SecretSerializer(shown).data)


class WebhookReplay(WebhookView):
    policy = {"POST": "webhook.edit"}

    @extend_schema(request=WebhookReplaySerializer, responses={200: ReplayResultSerializer, 409: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """Send again what happened since a moment. This ends a pause."""
        endpoint = self.get_webhook()
        count = services.replay_since(endpoint=endpoint, **self.read(WebhookReplaySerializer))
        return Response(ReplayResultSerializer({"count": count}).data)


class DeliveryList(WebhookView):
    policy = {"GET": "webhook.view"}
    pagination_class = DeliveryPage

    @extend_schema(
        parameters=[OpenApiParameter("state", enum=DeliveryState.values)],
        responses={200: DeliverySerializer(many=True), 400: ErrorSerializer},
    )
    def get(self, request: Request, agent_id: UUID, webhook_id: UUID) -> Response:
        """The webhook's deliveries of the last 30 days, newest first."""
        endpoint, state = self.get_webhook(), request.query_params.get("state", "")
        if state and state not in DeliveryState.values:
            raise BadRequest(f"state must be one of {', '.join(DeliveryState.values)}.", param="state")
        return self.answer_page(selectors.list_deliveries(endpoint, state), DeliverySerializer)


class DeliveryDetail(WebhookView):
    policy = {"GET": "webhook.view"}

    @extend_schema(responses={200: DeliveryDetailSerializer, 404: ErrorSerializer})
    def get(self, request: Request, agent_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Response:
        """One delivery with request, answer and attempts."""
        return Response(DeliveryDetailSerializer(self.get_delivery()).data)


class DeliveryReplay(WebhookView):
    policy = {"POST": "webhook.edit"}

    @extend_schema(request=None, responses={200: DeliverySerializer, 409: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Response:
        """Send one delivery again, with the same id and body. This ends a pause."""
        return Response(DeliverySerializer(services.replay_delivery(delivery=self.get_delivery())).data)
