"""Visitors' sessions, opened by the widget's frame and by the hosted page."""

from typing import Any

from allauth.account.adapter import get_adapter
from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.origin import require_own_page
from agents.keys import KeyIdentity
from agents.visitors import admit_address, open_visitor_session
from core.api import ErrorSerializer, StrictSerializer, check_fields
from core.policy import PUBLIC
from integrations.widget import find_page_key

_MAX_KEY = 64
_MAX_TOKEN = 8192


class SessionInput(StrictSerializer):
    """Which key opens the session, and who the visitor is: their last token, or what the site signed."""

    key = serializers.CharField(max_length=_MAX_KEY, help_text="The widget's key, or its id.")
    visitor = serializers.CharField(
        max_length=_MAX_TOKEN, required=False, help_text="The token of the visitor's last session."
    )
    identity = serializers.CharField(
        max_length=_MAX_TOKEN, required=False, help_text="A JWT signed with the key's identity secret (HS256)."
    )


class SessionOutput(serializers.Serializer[Any]):
    """The visitor's token, and until when it opens the chat."""

    token = serializers.CharField()
    is_verified = serializers.BooleanField()
    expires_at = serializers.DateTimeField()


class VisitorSessionList(APIView):
    """POST /api/v1/visitor-sessions"""

    policy = PUBLIC
    authentication_classes = ()

    @extend_schema(
        request=SessionInput,
        responses={201: SessionOutput, 403: ErrorSerializer, 404: ErrorSerializer, 429: ErrorSerializer},
        tags=["visitors"],
        summary="Open a visitor's session",
    )
    def post(self, request: Request) -> Response:
        """Open or renew the session of a visitor. Only our own pages may: the widget's frame and the hosted page."""
        require_own_page(request)
        asked = check_fields(SessionInput, request.data)
        identity = async_to_sync(_admit)(get_adapter().get_client_ip(request), asked["key"])
        session = open_visitor_session(identity, visitor=asked.get("visitor"), identity_token=asked.get("identity"))
        answer = {"token": session.token, "is_verified": session.is_verified, "expires_at": session.expires_at}
        response = Response(SessionOutput(answer).data, status=status.HTTP_201_CREATED)
        response["Cache-Control"] = "no-store"
        return response


async def _admit(address: str, key: str) -> KeyIdentity:
    """The key's identity, unless this address opens too many sessions: guessing counts, too."""
    await admit_address("visitor-sessions", address)
    return await find_page_key(key)
