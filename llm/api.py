"""`/api/model-endpoints` and `/api/models`: the models that a workspace brings, and what can be chosen."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.workspace_api import WorkspaceView
from core.api import ErrorSerializer, StrictSerializer
from core.fields import PlainCharField
from llm import selectors, services
from llm.catalog import prices_of
from llm.models import MOST_PRICE, ModelEndpoint
from llm.outgoing import probing
from llm.routing import is_operator_address
from llm.types import ProbeResult, Target

_NAME_LENGTH, _URL_LENGTH, _KEY_LENGTH, _MODEL_LENGTH = 80, 500, 500, 200


class KeyField(PlainCharField):
    """An API key, which is sent in a header: visible ASCII characters only, without spaces or line breaks."""

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not all("!" <= character <= "~" for character in value):
            self.fail("control")
        return value


class PriceField(serializers.DecimalField):
    """US dollars for a million tokens; null: none is entered."""

    def __init__(self) -> None:
        super().__init__(
            max_digits=9, decimal_places=4, min_value=0, max_value=MOST_PRICE, allow_null=True, required=False
        )


class ModelEndpointSerializer(serializers.ModelSerializer[ModelEndpoint]):
    """An endpoint. Its key is never returned: `has_key`, and its last characters as `key_hint`.

    Prices are US dollars for a million tokens, of all its models; null: list prices count, where GiLo knows them.
    `has_price`: what the default model costs is known, from these or by itself.
    """

    has_key = serializers.SerializerMethodField()
    has_price = serializers.SerializerMethodField()
    input_price = serializers.FloatField(allow_null=True)
    output_price = serializers.FloatField(allow_null=True)

    class Meta:
        model = ModelEndpoint
        fields = (
            "id", "name", "base_url", "default_model", "is_default", "has_key", "key_hint", "input_price",
            "output_price", "has_price", "created_at", "updated_at",
        )  # fmt: skip

    def get_has_key(self, endpoint: ModelEndpoint) -> bool:
        return bool(endpoint.encrypted_key)

    def get_has_price(self, endpoint: ModelEndpoint) -> bool:
        return prices_of(endpoint.default_model, endpoint.prices) is not None


class ModelEndpointInputSerializer(StrictSerializer):
    name = PlainCharField(max_length=_NAME_LENGTH)
    base_url = PlainCharField(max_length=_URL_LENGTH)
    api_key = KeyField(max_length=_KEY_LENGTH, allow_blank=True, required=False)
    default_model = PlainCharField(max_length=_MODEL_LENGTH)
    is_default = serializers.BooleanField(required=False)
    input_price = PriceField()
    output_price = PriceField()


class ModelEndpointChangeSerializer(StrictSerializer):
    """Any of the fields; an absent `api_key` keeps the stored one, an empty one removes it."""

    name = PlainCharField(max_length=_NAME_LENGTH, required=False)
    base_url = PlainCharField(max_length=_URL_LENGTH, required=False)
    api_key = KeyField(max_length=_KEY_LENGTH, allow_blank=True, required=False)
    default_model = PlainCharField(max_length=_MODEL_LENGTH, required=False)
    is_default = serializers.BooleanField(required=False)
    input_price = PriceField()
    output_price = PriceField()


class ProbeInputSerializer(StrictSerializer):
    """Values to try without saving them."""

    base_url = PlainCharField(max_length=_URL_LENGTH)
    api_key = KeyField(max_length=_KEY_LENGTH, allow_blank=True, required=False)
    default_model = PlainCharField(max_length=_MODEL_LENGTH, allow_blank=True, required=False)


class StoredProbeInputSerializer(StrictSerializer):
    """Values to try instead of the stored ones; the stored key goes only to the stored server."""

    base_url = PlainCharField(max_length=_URL_LENGTH, required=False)
    api_key = KeyField(max_length=_KEY_LENGTH, allow_blank=True, required=False)
    default_model = PlainCharField(max_length=_MODEL_LENGTH, allow_blank=True, required=False)


class ProbeStepSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=["address", "models", "chat"])
    ok = serializers.BooleanField()
    message = serializers.CharField()
    ms = serializers.IntegerField()


class ProbeResultSerializer(serializers.Serializer[Any]):
    """What was tried. `base_url` is a better address when the given one lacks /v1, else empty."""

    ok = serializers.BooleanField()
    steps = ProbeStepSerializer(many=True)
    models = serializers.ListField(child=serializers.CharField())
    base_url = serializers.CharField()


class ChoiceSerializer(serializers.Serializer[Any]):
    """A model that an agent can choose, by `endpoint_id` and `model`; prices in USD per million tokens."""

    kind = serializers.ChoiceField(choices=["endpoint", "platform", "offline"])
    endpoint_id = serializers.UUIDField(allow_null=True)
    endpoint_name = serializers.CharField()
    model = serializers.CharField()
    is_default = serializers.BooleanField()
    context = serializers.IntegerField(allow_null=True)  # type: ignore[assignment]
    input_price = serializers.FloatField(allow_null=True)
    output_price = serializers.FloatField(allow_null=True)
    has_price = serializers.SerializerMethodField()

    def get_has_price(self, choice: dict[str, Any]) -> bool:
        return choice["input_price"] is not None


class OllamaOfferSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    base_url = serializers.CharField()
    default_model = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())


class ChoicesSerializer(serializers.Serializer[Any]):
    data = ChoiceSerializer(many=True)  # type: ignore[assignment]
    ollama = serializers.SerializerMethodField()

    @extend_schema_field(OllamaOfferSerializer(allow_null=True))
    def get_ollama(self, found: dict[str, Any]) -> Any:
        return found["ollama"]


class ModelEndpointView(WorkspaceView):
    """Common ground: the endpoint of the path."""

    serializer_class: Any = ModelEndpointSerializer

    def get_endpoint(self) -> ModelEndpoint:
        return selectors.get_endpoint(self.workspace_id, self.kwargs["endpoint_id"])


class ModelEndpointList(ModelEndpointView):
    policy = {"GET": "model_endpoint.view", "POST": "model_endpoint.edit"}

    @extend_schema(responses=ModelEndpointSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The workspace's model endpoints."""
        return self.answer_page(selectors.list_endpoints(self.workspace_id), ModelEndpointSerializer)

    @extend_schema(request=ModelEndpointInputSerializer, responses={201: ModelEndpointSerializer, 422: ErrorSerializer})
    def post(self, request: Request) -> Response:
        """Add an OpenAI-compatible endpoint. The workspace's first one becomes its default."""
        given = self.read(ModelEndpointInputSerializer)
        endpoint = services.create_endpoint(workspace_id=self.workspace_id, **given)
        return Response(ModelEndpointSerializer(endpoint).data, status=status.HTTP_201_CREATED)


class ModelEndpointDetail(ModelEndpointView):
    policy = {"GET": "model_endpoint.view", "PATCH": "model_endpoint.edit", "DELETE": "model_endpoint.edit"}

    @extend_schema(responses={200: ModelEndpointSerializer, 404: ErrorSerializer})
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """One model endpoint."""
        return Response(ModelEndpointSerializer(self.get_endpoint()).data)

    @extend_schema(
        request=ModelEndpointChangeSerializer, responses={200: ModelEndpointSerializer, 422: ErrorSerializer}
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change an endpoint. An address on another server without a new key removes the stored key."""
        endpoint = self.get_endpoint()
        changed = services.update_endpoint(endpoint=endpoint, **self.read(ModelEndpointChangeSerializer))
        return Response(ModelEndpointSerializer(changed).data)

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete an endpoint and its key. Agents that use it must choose another model."""
        services.delete_endpoint(endpoint=self.get_endpoint())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelEndpointProbe(ModelEndpointView):
    policy = {"POST": "model_endpoint.edit"}

    @extend_schema(
        request=ProbeInputSerializer,
        responses={200: ProbeResultSerializer, 422: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """Try values out without saving them: address, list of models, one short answer."""
        given = self.read(ProbeInputSerializer)
        address = services.clean_url(given["base_url"])
        target = Target(address, given.get("api_key", ""), given.get("default_model", ""), is_operator_address(address))
        return probe_and_answer(self.workspace_id, target)


class StoredModelEndpointProbe(ModelEndpointView):
    policy = {"POST": "model_endpoint.edit"}

    @extend_schema(
        operation_id="model_endpoints_test_stored",
        request=StoredProbeInputSerializer,
        responses={200: ProbeResultSerializer, 404: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Try a stored endpoint, with any of its values replaced."""
        endpoint = self.get_endpoint()
        given = self.read(StoredProbeInputSerializer)
        return probe_and_answer(self.workspace_id, services.merge_target(endpoint, given))


class ModelList(ModelEndpointView):
    policy = {"GET": "agent.view"}
    pagination_class = None

    @extend_schema(responses=ChoicesSerializer)
    def get(self, request: Request) -> Response:
        """What an agent can choose: the endpoints' models, the platform's, the demo model; an Ollama found nearby."""
        choices = [asdict(choice) for choice in selectors.list_choices(self.workspace_id)]
        found = {"data": choices, "ollama": selectors.ollama_offer(self.workspace_id)}
        return Response(ChoicesSerializer(found).data)


def probe_and_answer(workspace_id: UUID, target: Target) -> Response:
    from llm.probe import probe_endpoint  # the SDK is slow to import: only where somebody asks

    with probing(workspace_id):
        result: ProbeResult = probe_endpoint(target)
    return Response(ProbeResultSerializer(asdict(result)).data)
