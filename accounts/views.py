"""Pages of this app that allauth does not bring: profile, security, language, ways in through a provider."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import services
from accounts.errors import CrossSiteRefused
from accounts.forms import ProfileForm
from accounts.middleware import respond_with
from accounts.models import User
from accounts.selectors import describe_security
from core.policy import PUBLIC, SIGNED_IN, with_policy


@with_policy(SIGNED_IN)
@require_http_methods(["GET", "HEAD", "POST"])
def settings_profile(request: HttpRequest) -> HttpResponse:
    """Name and language of the signed-in user."""
    user = _user_of(request)
    form = ProfileForm(request.POST) if request.method == "POST" else ProfileForm.for_user(user)
    if not form.is_bound or not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "accounts/settings_profile.html", {"form": form}, status=status)
    services.update_profile(user=user, **form.cleaned_data)
    response = redirect("settings_profile")
    if user.language:
        translation.activate(user.language)
        remember_language(response, user.language)
    messages.success(request, _("Your profile is saved."))
    return response


@with_policy(SIGNED_IN)
@require_GET
def settings_security(request: HttpRequest) -> HttpResponse:
    """Password, addresses, two-step sign-in, connected providers."""
    return render(request, "accounts/settings_security.html", describe_security(_user_of(request)))


@with_policy(PUBLIC)
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the language in a cookie, and for a signed-in user in the profile; go back to `next` on this site."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    response = HttpResponseRedirect(target if safe else "/")
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        remember_language(response, language)
        if isinstance(request.user, User):
            services.update_profile(user=request.user, language=language)
    return response


def refuse_cross_site(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's hook for a failed CSRF check (`CSRF_FAILURE_VIEW`)."""
    return respond_with(request, CrossSiteRefused())


def remember_language(response: HttpResponseBase, language: str) -> None:
    """Set the language cookie for a year."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=365 * 24 * 3600,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _user_of(request: HttpRequest) -> User:
    user = request.user
    assert isinstance(user, User)  # the policy SIGNED_IN has been checked
    return user
