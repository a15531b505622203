"""The account pages as a browser uses them."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.db import connection
from django.test import Client

from accounts.models import Membership, Role, User
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db
OPEN_PAGES = ["/login", "/signup", "/password/reset", "/password/reset/sent", "/password/reset/done", "/confirm-email"]
OPEN_PAGES += [
    "/login/cancelled",
    "/login/error",
    "/login/suspended",
    "/confirm-email/unknown",
    "/password/reset/key/1-x",
]
OWN_PAGES = ["/settings", "/settings/security", "/settings/security/password", "/settings/security/emails"]
OWN_PAGES += ["/settings/security/connections", "/settings/security/confirm", "/logout"]


def totp_code(secret):
    return format_hotp_value(hotp_value(secret, list(yield_hotp_counters_from_time())[1]))


@pytest.fixture
def browser(client, user):
    assert client.post("/login", {"login": user.email, "password": PASSWORD}).status_code == 302
    return client


def reauthenticate(browser, next_page):
    response = browser.post("/settings/security/confirm", {"password": PASSWORD, "next": next_page})
    assert response.status_code == 302, response.content


def link_in(message):
    return urlsplit(re.search(r"https?://\S+/(?:confirm-email|password)/\S+", message.body)[0]).path


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("page", OPEN_PAGES)
def test_open_page_renders(client, page, language):
    response = client.get(page, HTTP_ACCEPT_LANGUAGE=language)
    assert response.status_code in {200, 401}
    assert b"<h1" in response.content
    assert f'lang="{language}"'.encode() in response.content


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("page", OWN_PAGES)
def test_own_page_renders_for_its_user_and_asks_others_to_sign_in(browser, page, language):
    browser.post("/language", {"language": language})
    response = browser.get(page)
    assert response.status_code == 200
    assert b"<h1" in response.content
    assert b"<script>" not in response.content and b"style=" not in response.content
    if page != "/logout":
        signed_out = Client().get(page)
        assert signed_out.status_code == 302 and signed_out["Location"].startswith("/login?next=%2Fsettings")


def test_login_keeps_next_and_refuses_foreign_next(client, user):
    assert b'value="/agents/x?tab=knowledge"' in client.get("/login?next=/agents/x%3Ftab%3Dknowledge").content
    form = {"login": user.email, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/login", form)["Location"] == "/dashboard"


def test_login_wrong_password_shows_error_and_keeps_address(client, user):
    response = client.post("/login", {"login": user.email, "password": "wrong-one-123"})
    assert response.status_code == 200
    assert b'role="alert"' in response.content and user.email.encode() in response.content


def test_signup_sends_confirmation_in_the_visitors_language(client):
    form = {"name": "Zoé", "email": "zoe@example.com", "password1": PASSWORD}
    assert client.post("/signup", form, HTTP_ACCEPT_LANGUAGE="fr").status_code == 302
    user = User.objects.get()
    assert (user.name, user.language) == ("Zoé", "fr")
    assert "Confirmez" in mail.outbox[0].subject and "Bonjour" in mail.outbox[0].body
    path = link_in(mail.outbox[0])
    assert client.get(path).status_code == 200
    assert not EmailAddress.objects.get().verified  # a mail scanner that follows the link confirms nothing
    assert client.post(path).status_code == 302
    assert EmailAddress.objects.get().verified


def test_signup_taken_address_makes_nothing(client, user):
    response = client.post("/signup", {"email": user.email, "password1": PASSWORD})
    assert response.status_code == 200
    assert User.objects.count() == 1


@pytest.mark.parametrize("field", ["name", "email"])
def test_signup_line_breaks_are_refused(client, field):
    form = {"name": "Eve", "email": "eve@example.com", "password1": PASSWORD}
    form[field] += "\r\nBcc: victim@example.com"
    assert client.post("/signup", form).status_code == 200
    assert not User.objects.exists() and not mail.outbox


def test_password_reset_by_mail_ends_all_sessions(browser, user, settings):
    settings.SITE_URL = "https://gilo.example"
    other = Client()
    other.post("/password/reset", {"email": user.email}, HTTP_HOST="localhost")
    assert "https://gilo.example/password/reset/key/" in mail.outbox[0].body
    new = {"password1": "another-lantern-9", "password2": "another-lantern-9"}
    page = other.get(link_in(mail.outbox[0]))
    assert page.status_code == 302
    assert other.get(page["Location"]).status_code == 200
    assert other.post(page["Location"], new).status_code == 302
    assert browser.get("/settings").status_code == 302
    assert other.get(link_in(mail.outbox[0])).status_code == 200  # used up: the page says so
    assert Client().post("/login", {"login": user.email, "password": "another-lantern-9"}).status_code == 302


def test_password_change_keeps_this_session_and_ends_others(browser, user):
    second = Client()
    second.post("/login", {"login": user.email, "password": PASSWORD})
    form = {"oldpassword": PASSWORD, "password1": "another-lantern-9", "password2": "another-lantern-9"}
    response = browser.post("/settings/security/password", form)
    assert response.status_code == 302 and response["Location"] == "/settings/security"
    assert browser.get("/settings").status_code == 200
    assert second.get("/settings").status_code == 302


def test_totp_turn_on_sign_in_with_code_and_turn_off(browser, user):
    assert browser.get("/settings/security/totp")["Location"].startswith("/settings/security/confirm")
    reauthenticate(browser, "/settings/security/totp")
    page = browser.get("/settings/security/totp")
    secret = page.context["form"].secret
    assert b"data:image/svg+xml" in page.content
    done = browser.post("/settings/security/totp", {"code": totp_code(secret)})
    assert done["Location"] == "/settings/security/recovery-codes"
    codes = browser.get("/settings/security/recovery-codes").context["unused_codes"]
    stored = Authenticator.objects.get(user=user, type="totp").data["secret"]
    assert secret not in stored

    other = Client()
    assert other.post("/login", {"login": user.email, "password": PASSWORD})["Location"] == "/login/code"
    assert other.get("/settings").status_code == 302
    assert other.get("/login/code").status_code == 200
    assert other.post("/login/code", {"code": "000000"}).status_code == 200
    assert other.post("/login/code", {"code": codes[0]})["Location"] == "/dashboard"

    assert browser.get("/settings/security/recovery-codes/download").status_code == 200
    assert browser.get("/settings/security/recovery-codes/new").status_code == 200
    assert browser.get("/settings/security/confirm/code").status_code == 200
    assert browser.get("/settings/security/totp/off").status_code == 200
    assert browser.post("/settings/security/totp/off").status_code == 302
    assert not Authenticator.objects.exists()


def test_profile_saves_name_and_language(browser, user):
    response = browser.post("/settings", {"name": "Ada L.", "language": "fr"})
    assert response.status_code == 302
    user.refresh_from_db()
    assert (user.name, user.language) == ("Ada L.", "fr")
    assert b'lang="fr"' in browser.get("/settings", HTTP_ACCEPT_LANGUAGE="en").content


@pytest.mark.parametrize("form", [{"name": "a\r\nb"}, {"name": "x" * 121}, {"name": "A", "language": "xx"}])
def test_profile_invalid_is_refused(browser, user, form):
    assert browser.post("/settings", form).status_code == 422
    user.refresh_from_db()
    assert user.name == "Ada"


def test_language_cookie_and_safe_next(client):
    response = client.post("/language", {"language": "fr", "next": "/login"})
    assert response["Location"] == "/login"
    assert b'lang="fr"' in client.get("/login", HTTP_ACCEPT_LANGUAGE="en").content
    assert client.post("/language", {"language": "en", "next": "//evil.example"})["Location"] == "/"
    assert client.post("/language", {"language": "xx", "next": "/"}).cookies.get("django_language") is None
    assert client.get("/language").status_code == 405


def test_emails_add_confirm_and_remove(browser, user):
    reauthenticate(browser, "/settings/security/emails")
    assert (
        browser.post("/settings/security/emails", {"action_add": "1", "email": "ada2@example.com"}).status_code == 302
    )
    assert EmailAddress.objects.filter(user=user, email="ada2@example.com", verified=False).exists()
    assert mail.outbox[-1].to == ["ada2@example.com"]
    browser.post("/settings/security/emails", {"action_remove": "1", "email": "ada2@example.com"})
    assert EmailAddress.objects.filter(user=user).count() == 1


def test_post_without_csrf_token_or_from_foreign_origin_is_refused(user):
    strict = Client(enforce_csrf_checks=True)
    form = {"login": user.email, "password": PASSWORD}
    refused = strict.post("/login", form)
    assert refused.status_code == 403 and b"<h1" in refused.content
    strict.get("/login")
    form["csrfmiddlewaretoken"] = strict.cookies["csrftoken"].value
    assert strict.post("/login", form, HTTP_ORIGIN="https://evil.example").status_code == 403
    assert strict.post("/login", form, HTTP_ORIGIN="http://testserver").status_code == 302


def test_suspended_user_is_refused_everywhere(browser, user):
    User.objects.update(is_active=False)
    assert browser.get("/settings").status_code == 302
    assert browser.get("/api/auth/me").status_code == 401
    response = Client().post("/login", {"login": user.email, "password": PASSWORD})
    assert response["Location"] == "/login/suspended"


def test_session_of_logout_is_dead(browser):
    stolen = Client()
    stolen.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert stolen.get("/settings").status_code == 200
    browser.post("/logout")
    assert stolen.get("/settings").status_code == 302


def test_user_without_workspace_can_still_leave(browser, user):
    Membership.objects.all().delete()
    assert browser.get("/settings/security").status_code == 200
    assert browser.post("/logout").status_code == 302


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("page", ["/settings", "/settings/security"])
def test_own_settings_are_open_to_every_role(browser, role, page):
    Membership.objects.update(role=role)
    assert browser.get(page).status_code == 200
    assert browser.delete(page).status_code == 405


def test_too_many_posts_from_one_address_are_429_with_page(client, user, settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login": "3/m/ip"}
    for _ in range(3):
        client.post("/login", {"login": "", "password": ""})
    response = client.post("/login", {"login": user.email, "password": PASSWORD})
    assert response.status_code == 429 and response["Retry-After"] == "60" and b"<h1" in response.content


def test_signup_with_address_of_user_without_confirmed_row_is_refused(client):
    User.objects.create_user("root@example.com", PASSWORD)  # as createsuperuser does
    assert client.post("/signup", {"email": "Root@example.com", "password1": PASSWORD}).status_code == 200
    assert User.objects.count() == 1
    assert client.post("/login", {"login": "root@example.com", "password": PASSWORD})["Location"] == "/dashboard"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/signup", "/api/auth/register"])
def test_signup_twice_at_once_makes_one_account(path):
    def sign_up(_):
        form = {"email": "twin@example.com", "password1": PASSWORD}
        body = {"email": "twin@example.com", "password": PASSWORD}
        try:
            client = Client()
            return client.post(path, form) if path == "/signup" else client.post(path, body, "application/json")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(sign_up, range(4)))
    assert statuses.count(302) + statuses.count(201) == 1
    assert set(statuses) <= {200, 201, 302, 409}
    assert User.objects.count() == EmailAddress.objects.count() == 1
