"""Where allauth asks us: addresses, lockout, mails, new users, secrets at rest."""

import logging
import math
import time
from smtplib import SMTPException
from typing import Any, Never

import qrcode  # type: ignore[import-untyped]
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import filter_users_by_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.core.internal.httpkit import clean_client_ip
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language, gettext_noop
from qrcode.image.svg import SvgPathFillImage  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from accounts.errors import SocialEmailTaken
from accounts.fields import MAX_NAME_LENGTH, is_one_line
from core import crypto
from core.errors import TooManyRequests, Unavailable

logger = logging.getLogger(__name__)
UNKNOWN_ADDRESS = "unknown"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """E-mail and password accounts."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """The peer's address; the forwarded one only as far as the operator's own proxies vouch for it."""
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        trusted = settings.TRUSTED_PROXY_COUNT
        claimed = hops[-trusted] if 0 < trusted <= len(hops) else request.META.get("REMOTE_ADDR", "")
        return clean_client_ip(claimed) or UNKNOWN_ADDRESS

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt before the password is hashed. Raises TooManyRequests, or Unavailable without a counter."""
        key = self._get_login_attempts_cache_key(request, **credentials)
        self._login_failed_rl_usage = count_attempt(request, key)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # One count per account, not per address: an account may have several e-mail addresses.
        email = str(credentials.get("email", "")).strip().lower()
        users = filter_users_by_email(email) if email else []
        return f"user:{users[0].pk}" if users else f"email:{email}"

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        user.name = form.cleaned_data.get("name", "")
        user.language = user.language or get_language() or ""
        return super().save_user(request, user, form, commit)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send in the reader's language. A mail server that is down is logged: the request itself has succeeded."""
        language = getattr(context.get("user"), "language", "") or self._language_of(email)
        try:
            with translation.override(language or get_language()):
                super().send_mail(template_prefix, email, {"site_url": settings.SITE_URL, **context})
        except (SMTPException, OSError):
            logger.exception("mail %s was not sent", template_prefix)

    def _language_of(self, email: str) -> str:
        users = filter_users_by_email(email)
        return str(users[0].language) if users else ""

    def add_message(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        """Messages are for pages: an API call must not leave one for the next page."""
        if not request.path.startswith("/api/") or request.path.endswith("/callback"):
            super().add_message(request, *args, **options)

    # Links in mails start with the configured address, never with the request's Host header.
    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return settings.SITE_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_reset_password_from_key_url(self, key: str) -> str:
        uid, _, token = key.partition("-")
        return settings.SITE_URL + reverse("account_reset_password_from_key", args=[uid, token])

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("settings_security")


def count_attempt(request: HttpRequest, key: str, action: str = "login_failed") -> Any:
    """Count one attempt under `key`. Raises TooManyRequests with the seconds to wait; Unavailable without a counter."""
    try:
        usage = ratelimit.consume(request, app="allauth.account", action=action, key=key)
    except (RedisError, OSError) as error:
        logger.warning("the attempt counter is down: signing in is refused")
        raise Unavailable() from error
    if not usage:
        raise TooManyRequests(
            gettext_noop("Too many attempts. Wait a few minutes, or reset the password."),
            retry_after=seconds_to_wait(request, key, action),
        )
    return usage


def seconds_to_wait(request: HttpRequest, key: str, action: str = "login_failed") -> int:
    """Seconds until the next attempt under this key may count."""
    waits = [0.0]
    for rate in ratelimit.get_rates(app="allauth.account", action=action):
        cache_key = ratelimit.get_cache_key(request, app="allauth.account", action=action, rate=rate, key=key)
        history = ratelimit.cache.get(cache_key, [])
        if len(history) >= rate.amount:
            waits.append(history[rate.amount - 1] + rate.duration - time.time())
    return max(1, math.ceil(max(waits)))


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """GitHub and Google."""

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> Any:
        user = super().populate_user(request, sociallogin, data)
        parts = [data.get("name") or "", f"{data.get('first_name') or ''} {data.get('last_name') or ''}"]
        name = next((part.strip() for part in parts if part.strip()), "")
        user.name = name[:MAX_NAME_LENGTH] if is_one_line(name) else ""
        user.language = get_language() or ""
        return user

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Any:
        return super().save_user(request, sociallogin, form)

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """An address that belongs to an account never opens that account: its owner signs in, then connects."""
        if sociallogin.is_existing or sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        if any(filter_users_by_email(address.email) for address in sociallogin.email_addresses):
            self._refuse(request)

    def _refuse(self, request: HttpRequest) -> Never:
        error = SocialEmailTaken()
        context = {"error": error}
        raise ImmediateHttpResponse(render(request, "accounts/error.html", context, status=int(error.status)))


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """TOTP secrets and recovery code seeds are encrypted at rest."""

    def build_totp_svg(self, url: str) -> str:
        """The QR code on white ground, so that a camera reads it on a dark page too."""
        svg: bytes = qrcode.make(url, image_factory=SvgPathFillImage, border=2).to_string()
        return svg.decode()

    def encrypt(self, text: str) -> str:
        return crypto.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return crypto.decrypt(encrypted_text)


def must_verify_email() -> bool:
    """Whether people must confirm their address before they may sign in."""
    return str(settings.ACCOUNT_EMAIL_VERIFICATION) == "mandatory"
