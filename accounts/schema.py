"""What the account API answers, for the OpenAPI schema, and how it names the two ways in."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import serializers


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "accounts.authentication.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.SessionAuthentication"
    name = "sessionCookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


class MemberOfOutput(serializers.Serializer[Any]):
    """A workspace of the user's, and the user's role in it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    role = serializers.CharField(help_text="owner, editor or viewer")
    personal = serializers.BooleanField()


class UserOutput(serializers.Serializer[Any]):
    """The signed-in user."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    language = serializers.CharField(allow_blank=True)
    email_verified = serializers.BooleanField()
    workspaces = MemberOfOutput(many=True)
    created_at = serializers.DateTimeField()


class PairOutput(serializers.Serializer[Any]):
    """A pair of tokens; `expires_in` is the access token's life in seconds."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()


class SignedInOutput(PairOutput):
    """The user with the first pair of tokens."""

    user = UserOutput()


class VerificationRequiredOutput(serializers.Serializer[Any]):
    """Signed up; the address has to be confirmed before the first sign-in."""

    verification_required = serializers.BooleanField()


class SentOutput(serializers.Serializer[Any]):
    """A mail is on its way, if there is an account with this address."""

    sent = serializers.BooleanField()


class ResetOutput(serializers.Serializer[Any]):
    """The new password is set."""

    reset = serializers.BooleanField()


class VerifiedOutput(serializers.Serializer[Any]):
    """The address is confirmed."""

    verified = serializers.BooleanField()


class ProviderOutput(serializers.Serializer[Any]):
    """A way to sign in through another service."""

    id = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    enabled = serializers.BooleanField()


class ProvidersOutput(serializers.Serializer[Any]):
    """All of them, also those that this installation does not offer."""

    data = ProviderOutput(many=True)  # type: ignore[assignment]  # the serializer's own `data` is for reading
    next = serializers.CharField(allow_null=True)
