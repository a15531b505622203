"""`/api/agents/{id}/api-keys`: the keys of an agent, made, changed, rotated and revoked by its builders."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import SCOPES
from agents import selectors, services
from agents.api import AgentView
from agents.models import ApiKey, KeyKind
from agents.origins import MAX_ORIGIN_CHARACTERS, MAX_ORIGINS, normalise_origin
from core.api import ErrorSerializer, StrictSerializer
from core.fields import PlainCharField

MAX_OVERLAP_HOURS = 168
KINDS = (KeyKind.SECRET, KeyKind.WIDGET)  # a hosted page's key comes and goes with the page


class OriginField(PlainCharField):
    """A web page's origin, normalised."""

    default_error_messages = {
        "origin": _("Write an origin as https://example.com or https://*.example.com, without a path."),
    }

    def to_internal_value(self, data: Any) -> str:
        try:
            return normalise_origin(super().to_internal_value(data))
        except ValueError:
            self.fail("origin")


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key, without itself. No scopes: all. No origins: any. `replaces` is the key that it was rotated from."""

    kind = serializers.ChoiceField(choices=KINDS)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))
    allowed_origins = serializers.ListField(child=serializers.CharField())
    has_identity_secret = serializers.SerializerMethodField()
    replaces = serializers.UUIDField(source="replaces_id", allow_null=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id", "name", "prefix", "kind", "scopes", "allowed_origins", "expires_at", "requires_identity",
            "has_identity_secret", "replaces", "created_at", "last_used_at",
        )  # fmt: skip

    def get_has_identity_secret(self, key: ApiKey) -> bool:
        return bool(key.identity_secret)


class NewApiKeySerializer(ApiKeySerializer):
    """A key just made: `key` is shown this once."""

    key = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields: tuple[str, ...] = (*ApiKeySerializer.Meta.fields, "key")


class ApiKeyChangeSerializer(StrictSerializer):
    """What can be changed of a key."""

    name = PlainCharField(max_length=80, required=False)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES), max_length=len(SCOPES), required=False,
        help_text="What a secret key opens; none opens all.",
    )  # fmt: skip
    allowed_origins = serializers.ListField(
        child=OriginField(max_length=MAX_ORIGIN_CHARACTERS), max_length=MAX_ORIGINS, required=False,
        help_text="The pages from which browsers may use the key: https://example.com, https://*.example.com.",
    )  # fmt: skip
    expires_at = serializers.DateTimeField(allow_null=True, required=False)
    requires_identity = serializers.BooleanField(
        required=False, help_text="Whether a widget's visitors need an identity that the site has signed."
    )

    def validate_scopes(self, value: list[str]) -> list[str]:
        return sorted(set(value))

    def validate_allowed_origins(self, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))


class ApiKeyInputSerializer(ApiKeyChangeSerializer):
    """A new key. A secret key is for programs; a widget's stands in web pages and opens visitors' chats only."""

    name = PlainCharField(max_length=80)
    kind = serializers.ChoiceField(choices=KINDS, required=False)


class RotationSerializer(StrictSerializer):
    """How long the old key goes on."""

    overlap_hours = serializers.IntegerField(min_value=0, max_value=MAX_OVERLAP_HOURS, default=24)


class IdentitySecretSerializer(serializers.Serializer[Any]):
    """The secret that signs a site's users' identities; shown this once."""

    identity_secret = serializers.CharField()


class KeyView(AgentView):
    """Common ground: the key of the path."""

    serializer_class: Any = ApiKeySerializer

    def get_key(self) -> ApiKey:
        return selectors.list_api_keys(self.get_agent()).get_or_404(pk=self.kwargs["key_id"])

    def answer_new(self, key: ApiKey, token: str) -> Response:
        key.key = token  # type: ignore[attr-defined]
        return Response(NewApiKeySerializer(key).data, status=status.HTTP_201_CREATED)


class ApiKeyList(KeyView):
    policy = {"GET": "api_key.view", "POST": "api_key.edit"}

    @extend_schema(responses=ApiKeySerializer(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's API keys that are not revoked."""
        return self.answer_page(selectors.list_api_keys(self.get_agent()), ApiKeySerializer)

    @extend_schema(request=ApiKeyInputSerializer, responses={201: NewApiKeySerializer})
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Create an API key. The answer holds it in plain text, this once."""
        agent = self.get_agent()
        return self.answer_new(
            *services.create_api_key(agent=agent, actor=self.actor, **self.read(ApiKeyInputSerializer))
        )


class ApiKeyDetail(KeyView):
    policy = {"PATCH": "api_key.edit", "DELETE": "api_key.edit"}

    @extend_schema(request=ApiKeyChangeSerializer, responses={200: ApiKeySerializer, 422: ErrorSerializer})
    def patch(self, request: Request, agent_id: UUID, key_id: UUID) -> Response:
        """Change an API key; it counts within a second."""
        key = self.get_key()
        changed = services.update_api_key(key=key, changes=self.read(ApiKeyChangeSerializer))
        return Response(ApiKeySerializer(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, agent_id: UUID, key_id: UUID) -> Response:
        """Revoke an API key; it stops working within a second, what streams under it within five."""
        services.revoke_api_key(key=self.get_key())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ApiKeyRotation(KeyView):
    policy = {"POST": "api_key.edit"}

    @extend_schema(request=RotationSerializer, responses={201: NewApiKeySerializer, 422: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, key_id: UUID) -> Response:
        """Make a new key in this one's place, which ends after the overlap. Both see the same conversations."""
        key = self.get_key()
        overlap = timedelta(hours=self.read(RotationSerializer)["overlap_hours"])
        return self.answer_new(*services.rotate_api_key(key=key, actor=self.actor, overlap=overlap))


class ApiKeyIdentitySecret(KeyView):
    policy = {"POST": "api_key.edit"}

    @extend_schema(request=None, responses={201: IdentitySecretSerializer, 422: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, key_id: UUID) -> Response:
        """Make the secret with which your site signs its users' identities. It replaces an earlier one at once."""
        secret = services.make_identity_secret(key=self.get_key())
        return Response({"identity_secret": secret}, status=status.HTTP_201_CREATED)
