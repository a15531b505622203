"""Language, policy and errors for every page."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from redis.exceptions import RedisError

from accounts.permissions import authorize_user
from accounts.selectors import principal_of
from core.api import error_response, to_gilo_error
from core.errors import GiloError, NotAuthenticated
from core.policy import policy_for

_FORESEEN = (GiloError, OperationalError, InterfaceError, RedisError)
_RETRY_SECONDS = "60"


def activate_language(user: Any) -> None:
    """The user's saved language goes before the cookie and the browser's choice."""
    language = getattr(user, "language", "")
    if language and language in dict(settings.LANGUAGES):
        translation.activate(language)


class WorkspaceMiddleware:
    """Enforce each page's declared policy, name the acting principal (`request.principal`), shape errors."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS and "Retry-After" not in response:
            response["Retry-After"] = _RETRY_SECONDS
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        declared = getattr(view, "policy", None)
        if declared is None or hasattr(view, "cls"):
            return None  # DRF views check in PolicyPermission
        activate_language(request.user)
        try:
            policy = policy_for(declared, request.method or "GET")
            request.principal = principal_of(request.user, request)  # type: ignore[attr-defined]
            authorize_user(request.user, request.principal, policy)  # type: ignore[attr-defined]
        except NotAuthenticated as error:
            return _ask_to_sign_in(request, error)
        except GiloError as error:
            return respond_with(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Errors that we foresee become a page (or JSON under /api/); all others go on to Django's 500."""
        if not isinstance(error, _FORESEEN):
            return None
        return respond_with(request, error)


def _ask_to_sign_in(request: HttpRequest, error: GiloError) -> HttpResponse:
    if _wants_json(request):
        return error_response(request, error)
    target = request.get_full_path() if request.method == "GET" else request.path
    return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': target})}")


def respond_with(request: HttpRequest, error: Exception) -> HttpResponse:
    """The error as a page for people, or in the API's shape for programs."""
    shaped = to_gilo_error(error)
    if _wants_json(request):
        return error_response(request, shaped)
    response = render(request, "accounts/error.html", {"error": shaped}, status=int(shaped.status))
    for name, value in shaped.headers.items():
        response[name] = value
    return response


def _wants_json(request: HttpRequest) -> bool:
    accept = request.headers.get("Accept", "")
    return "text/html" not in accept and (request.path.startswith("/api/") or "application/json" in accept)
