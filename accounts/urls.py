"""Routes of this app: pages (allauth's views at our paths, under the names that allauth looks up) and API."""

from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as socialaccount
from django.urls import URLPattern, URLResolver, path, re_path

from accounts import api, social, views
from core.policy import PUBLIC, SIGNED_IN, with_policy


def _open(route: str, view: Any, name: str) -> Any:
    return path(route, with_policy(PUBLIC)(view), name=name)


def _own(route: str, view: Any, name: str) -> Any:
    return path(route, with_policy(SIGNED_IN)(view), name=name)


urlpatterns: list[URLPattern | URLResolver] = [
    _open("login", account.login, "account_login"),
    _open("login/code", mfa.authenticate, "mfa_authenticate"),
    _open("login/cancelled", socialaccount.login_cancelled, "socialaccount_login_cancelled"),
    _open("login/error", socialaccount.login_error, "socialaccount_login_error"),
    _open("login/suspended", account.account_inactive, "account_inactive"),
    _open("logout", account.logout, "account_logout"),
    _open("signup", account.signup, "account_signup"),
    _open("signup/social", socialaccount.signup, "socialaccount_signup"),
    _open("confirm-email", account.email_verification_sent, "account_email_verification_sent"),
    re_path(
        r"^confirm-email/(?P<key>[-:\w]+)$", with_policy(PUBLIC)(account.confirm_email), name="account_confirm_email"
    ),
    _open("password/reset", account.password_reset, "account_reset_password"),
    _open("password/reset/sent", account.password_reset_done, "account_reset_password_done"),
    _open("password/reset/done", account.password_reset_from_key_done, "account_reset_password_from_key_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)$",
        with_policy(PUBLIC)(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path("settings", views.settings_profile, name="settings_profile"),
    path("settings/security", views.settings_security, name="settings_security"),
    path("settings/security", views.settings_security, name="mfa_index"),
    _own("settings/security/password", account.password_change, "account_change_password"),
    _own("settings/security/password/set", account.password_set, "account_set_password"),
    _own("settings/security/emails", account.email, "account_email"),
    _own("settings/security/confirm", account.reauthenticate, "account_reauthenticate"),
    _own("settings/security/confirm/code", mfa.reauthenticate, "mfa_reauthenticate"),
    _own("settings/security/totp", totp.activate_totp, "mfa_activate_totp"),
    _own("settings/security/totp/off", totp.deactivate_totp, "mfa_deactivate_totp"),
    _own("settings/security/recovery-codes", recovery_codes.view_recovery_codes, "mfa_view_recovery_codes"),
    _own("settings/security/recovery-codes/new", recovery_codes.generate_recovery_codes, "mfa_generate_recovery_codes"),
    _own(
        "settings/security/recovery-codes/download",
        recovery_codes.download_recovery_codes,
        "mfa_download_recovery_codes",
    ),
    _own("settings/security/connections", socialaccount.connections, "socialaccount_connections"),
    path("language", views.set_language, name="set_language"),
]

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/register", api.RegisterView.as_view(), name="api_register"),
    path("auth/login", api.LoginView.as_view(), name="api_login"),
    path("auth/refresh", api.RefreshView.as_view(), name="api_refresh"),
    path("auth/logout", api.LogoutView.as_view(), name="api_logout"),
    path("auth/me", api.MeView.as_view(), name="api_auth_me"),
    path("auth/forgot", api.ForgotView.as_view(), name="api_forgot"),
    path("auth/reset", api.ResetView.as_view(), name="api_reset"),
    path("auth/verify-email", api.VerifyEmailView.as_view(), name="api_verify_email"),
    path("auth/verify-email/resend", api.ResendVerificationView.as_view(), name="api_verify_email_resend"),
    path("auth/providers", api.ProvidersView.as_view(), name="api_providers"),
    path("auth/github", social.github_login, name="github_login"),
    path("auth/github/callback", social.github_callback, name="github_callback"),
    path("auth/google", social.google_login, name="google_login"),
    path("auth/google/callback", social.google_callback, name="google_callback"),
    path("users/me", api.ProfileView.as_view(), name="api_me"),
]
