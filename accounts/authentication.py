"""DRF's two ways in: a bearer access token, or the browser's session with its CSRF token."""

from typing import Any

from allauth.core.internal.httpkit import get_authorization_credential
from django.contrib.sessions.backends.base import SessionBase
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as DRFSessionAuthentication
from rest_framework.request import Request

from accounts import tokens
from accounts.errors import CrossSiteRefused
from accounts.models import User


class SessionAuthentication(DRFSessionAuthentication):
    """The session cookie; unsafe methods need the CSRF token and our own Origin."""

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise CrossSiteRefused() from None


class AccessTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access JWT>`. A token that is sent but not valid answers 401, never another identity."""

    def authenticate(self, request: Request) -> tuple[User, SessionBase] | None:
        if not request.headers.get("Authorization"):
            return None
        token = get_authorization_credential(request._request, "Bearer")
        found = tokens.authenticate(token) if token else None
        if found is None:
            raise exceptions.AuthenticationFailed(
                "The access token is not valid any more. Refresh it or sign in again."
            )
        return found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
