"""GitHub and Google: allauth's OAuth views behind checks of our own."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from allauth.socialaccount.internal import statekit
from allauth.socialaccount.providers.github import views as github
from allauth.socialaccount.providers.google import views as google
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.errors import ProviderNotConfigured, SocialStateMissing
from core.policy import PUBLIC, with_policy

View = Callable[..., HttpResponse]


def _login_view(provider: str, start: Any) -> View:
    @with_policy(PUBLIC)
    @require_GET
    def begin(request: HttpRequest) -> HttpResponse:
        """Redirect to the provider, with a state that only this browser session knows."""
        _require_configured(provider)
        response: HttpResponse = start(request)
        return response

    return begin


def _callback_view(provider: str, finish: Any) -> View:
    @with_policy(PUBLIC)
    @require_GET
    def complete(request: HttpRequest) -> HttpResponse:
        """Where the provider sends the browser back to."""
        _require_configured(provider)
        if request.GET.get("state", "") not in statekit.get_states(request):
            raise SocialStateMissing()
        response: HttpResponse = finish(request)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.status_code = HTTPStatus.BAD_REQUEST  # the provider's refusal is no challenge of ours
        return response

    return complete


def _require_configured(provider: str) -> None:
    if provider not in settings.SOCIALACCOUNT_PROVIDERS:
        raise ProviderNotConfigured()


github_login = _login_view("github", github.oauth2_login)
github_callback = _callback_view("github", github.oauth2_callback)
google_login = _login_view("google", google.oauth2_login)
google_callback = _callback_view("google", google.oauth2_callback)
