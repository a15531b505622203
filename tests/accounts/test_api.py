"""The account API over HTTP: sign up, sign in, rotate, sign out."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from accounts import services
from accounts.models import Membership, Role, User, Workspace
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def post(client, path, body, **headers):
    return client.post(f"/api/auth/{path}", body, "application/json", **headers)


def get_me(access):
    return Client().get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {access}")


def test_register_makes_user_workspace_and_tokens(client):
    response = post(client, "register", {"email": "Grace@Example.com", "password": PASSWORD, "name": "Grace"})
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["user"]["email"] == "grace@example.com"
    user = User.objects.get()
    assert user.password.startswith("argon2$argon2id$")
    membership = Membership.objects.get(user=user)
    assert membership.role == Role.OWNER and membership.workspace.is_personal
    assert get_me(body["access"]).json()["id"] == str(user.pk)
    assert "sessionid" not in response.cookies


def test_register_taken_email_is_refused_and_leaves_no_half_rows(client, user):
    response = post(client, "register", {"email": user.email.upper(), "password": PASSWORD})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "email_taken"
    assert User.objects.count() == Workspace.objects.count() == 1


@pytest.mark.parametrize("password", ["short", "password1234", "ada-lovelace", "", None, [], {}, "x" * 300])
def test_register_weak_password_is_refused(client, password):
    response = post(client, "register", {"email": "ada-lovelace@example.com", "password": password})
    assert response.status_code == 422
    assert not User.objects.exists()


def test_login_answers_user_and_tokens(tokens, user):
    assert set(tokens) == {"user", "access", "refresh", "expires_in"}
    assert get_me(tokens["access"]).json()["email"] == user.email


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
def test_login_wrong_password_and_unknown_user_answer_alike(client, user, email):
    response = post(client, "login", {"email": email, "password": "not-this-one-1"})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "credentials_wrong"


def test_refresh_rotates(client, tokens):
    pair = post(client, "refresh", {"refresh": tokens["refresh"]}).json()
    assert pair["refresh"] != tokens["refresh"]
    assert get_me(pair["access"]).status_code == 200
    assert post(client, "refresh", {"refresh": pair["refresh"]}).status_code == 200


def test_refresh_used_twice_revokes_whole_family(client, tokens):
    pair = post(client, "refresh", {"refresh": tokens["refresh"]}).json()
    assert post(client, "refresh", {"refresh": tokens["refresh"]}).status_code == 401
    assert post(client, "refresh", {"refresh": pair["refresh"]}).status_code == 401
    assert get_me(pair["access"]).status_code == 401
    assert get_me(tokens["access"]).status_code == 401


def test_logout_ends_access_and_refresh(client, tokens, bearer):
    assert post(client, "logout", {}, **bearer).status_code == 204
    assert get_me(tokens["access"]).status_code == 401
    assert post(client, "refresh", {"refresh": tokens["refresh"]}).status_code == 401


def test_pages_login_signup_logout(client):
    assert client.get("/login").status_code == 200
    assert client.get("/signup").status_code == 200
    form = {"name": "Lin", "email": "lin@example.com", "password1": PASSWORD}
    response = client.post("/signup", form)
    assert response.status_code == 302 and response["Location"] == "/dashboard", response.content
    assert User.objects.get().name == "Lin"
    assert client.get("/logout").status_code == 200
    assert client.post("/logout").status_code == 302
    assert client.post("/login", {"login": "lin@example.com", "password": PASSWORD}).status_code == 302


def last_key():
    return re.search(r"/(?:confirm-email|password/reset/key)/(\S+)", mail.outbox[-1].body)[1]


@pytest.fixture
def totp(user):
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return lambda: format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def test_login_with_totp_needs_code(client, user, totp):
    body = {"email": user.email, "password": PASSWORD}
    response = post(client, "login", body)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "mfa_required"
    assert not Session.objects.exists()
    assert post(client, "login", {**body, "code": "000000"}).json()["error"]["code"] == "mfa_wrong"
    code = totp()
    assert post(client, "login", {**body, "code": code}).status_code == 200
    assert post(client, "login", {**body, "code": code}).json()["error"]["code"] == "mfa_wrong"  # each code once


def test_login_totp_guesses_are_limited(client, user, totp):
    body = {"email": user.email, "password": PASSWORD}
    answers = [post(client, "login", {**body, "code": f"{number:06}"}) for number in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert answers[-1]["Retry-After"]
    assert post(client, "login", {**body, "code": totp()}).status_code == 429


def test_login_wrong_password_says_nothing_of_totp(client, user, totp):
    response = post(client, "login", {"email": user.email, "password": "not-this-one-1", "code": totp()})
    assert response.json()["error"]["code"] == "credentials_wrong"


@pytest.mark.parametrize("code", [None, [], {}, 5.5, "x" * 40, "1\n2"])
def test_login_worthless_code_is_refused(client, user, totp, code):
    assert post(client, "login", {"email": user.email, "password": PASSWORD, "code": code}).status_code in {401, 422}


def test_login_suspended_user_is_refused(client, user, tokens):
    User.objects.update(is_active=False)
    response = post(client, "login", {"email": user.email, "password": PASSWORD})
    assert response.status_code == 403 and response.json()["error"]["code"] == "account_suspended"
    assert get_me(tokens["access"]).status_code == 401
    assert post(client, "refresh", {"refresh": tokens["refresh"]}).status_code == 401


def test_forgot_answers_alike_for_known_and_unknown(client, user):
    known = post(client, "forgot", {"email": user.email})
    unknown = post(client, "forgot", {"email": "nobody@example.com"})
    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content
    assert [message.to for message in mail.outbox] == [[user.email], ["nobody@example.com"]]
    assert "/password/reset/key/" not in mail.outbox[1].body


def test_reset_sets_password_once_and_ends_every_session(client, user, tokens):
    post(client, "forgot", {"email": user.email})
    key = last_key()
    weak = post(client, "reset", {"key": key, "password": "password123"})
    assert weak.status_code == 422 and weak.json()["error"]["param"] == "password"
    assert post(client, "reset", {"token": key, "password": "another-lantern-9"}).status_code == 200
    assert post(client, "reset", {"key": key, "password": "third-lantern-99"}).status_code == 400
    assert get_me(tokens["access"]).status_code == 401
    assert post(client, "refresh", {"refresh": tokens["refresh"]}).status_code == 401
    assert post(client, "login", {"email": user.email, "password": "another-lantern-9"}).status_code == 200


def test_reset_key_of_one_user_does_not_open_another(client, user):
    other = services.register_user(email="eve@example.com", password=PASSWORD)
    post(client, "forgot", {"email": user.email})
    forged = f"{other.pk.hex}-{last_key().partition('-')[2]}"
    assert post(client, "reset", {"key": forged, "password": "another-lantern-9"}).status_code == 400


def test_forgot_limits_mails_to_one_address(client, user):
    answers = [post(client, "forgot", {"email": user.email}).status_code for _ in range(7)]
    assert answers == [202] * 5 + [429] * 2
    assert len(mail.outbox) == 5


def test_mail_server_down_is_no_error_for_the_caller(client, user, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert post(client, "forgot", {"email": user.email}).status_code == 202
    assert post(client, "register", {"email": "eve@example.com", "password": PASSWORD}).status_code == 201


def test_verify_email_confirms_once(client):
    access = post(client, "register", {"email": "eve@example.com", "password": PASSWORD}).json()["access"]
    assert get_me(access).json()["email_verified"] is False
    key = last_key()
    assert post(client, "verify-email", {"key": key}).json() == {"verified": True}
    assert get_me(access).json()["email_verified"] is True
    assert post(client, "verify-email", {"key": key}).status_code == 400
    assert post(client, "verify-email", {"key": key[:-2] + "xx"}).status_code == 400


def test_resend_verification_for_signed_in_user_is_limited(client):
    access = post(client, "register", {"email": "eve@example.com", "password": PASSWORD}).json()["access"]
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {access}"}
    assert post(client, "verify-email/resend", {}).status_code == 401
    assert post(client, "verify-email/resend", {}, **bearer).status_code == 202
    assert len(mail.outbox) == 1  # three minutes have not passed
    cache.clear()
    post(client, "verify-email/resend", {}, **bearer)
    assert len(mail.outbox) == 2


def test_mandatory_verification_gives_no_tokens_and_hides_known_addresses(client, user, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    new = post(client, "register", {"email": "eve@example.com", "password": PASSWORD})
    known = post(client, "register", {"email": user.email, "password": PASSWORD})
    assert new.status_code == known.status_code == 202 and new.content == known.content
    refused = post(client, "login", {"email": "eve@example.com", "password": PASSWORD})
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "email_not_verified"
    key = re.search(r"/confirm-email/(\S+)", mail.outbox[0].body)[1]
    assert post(client, "verify-email", {"key": key}).status_code == 200
    assert post(client, "login", {"email": "eve@example.com", "password": PASSWORD}).status_code == 200


def test_mail_speaks_the_users_language(client, user):
    User.objects.update(language="fr")
    post(client, "forgot", {"email": user.email})
    assert mail.outbox[0].subject == "Réinitialisez votre mot de passe"
    assert "Bonjour," in mail.outbox[0].body


def test_logout_with_expired_access_and_refresh_in_body(client, tokens):
    expired = {"HTTP_AUTHORIZATION": "Bearer expired.or.broken"}
    assert post(client, "logout", {"refresh": tokens["refresh"]}, **expired).status_code == 204
    assert get_me(tokens["access"]).status_code == 401
    assert post(client, "logout", {"refresh": "nonsense"}).status_code == 204


def test_api_sign_in_leaves_browser_session_alone(client, user):
    client.force_login(user)
    before = client.cookies["sessionid"].value
    response = post(client, "register", {"email": "eve@example.com", "password": PASSWORD})
    assert not response.cookies
    assert client.get("/api/auth/me").json()["id"] == str(user.pk)
    assert client.cookies["sessionid"].value == before


def test_providers_lists_what_is_configured(client, settings):
    settings.SOCIALACCOUNT_PROVIDERS = {"github": {}}
    rows = client.get("/api/auth/providers").json()["data"]
    assert [(row["id"], row["enabled"]) for row in rows] == [("github", True), ("google", False)]


def test_me_costs_few_queries(client, user, bearer, django_assert_num_queries):
    for number in range(3):
        team = Workspace.objects.create(name=f"Team {number}")
        Membership.objects.create(workspace=team, user=user, role=Role.EDITOR)
        with django_assert_num_queries(5):  # session, user, principal; memberships, address
            assert len(client.get("/api/auth/me", **bearer).json()["workspaces"]) == number + 2


def test_workspace_header_of_others_is_404(client, bearer):
    foreign = Workspace.objects.create(name="Foreign")
    bodies = set()
    for value in (foreign.pk, "00000000-0000-0000-0000-000000000000", "nonsense"):
        response = client.get("/api/auth/me", HTTP_X_WORKSPACE_ID=str(value), HTTP_X_REQUEST_ID="fixed-id-1", **bearer)
        assert response.status_code == 404
        bodies.add(response.content)
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "claims", [{"token_use": "refresh"}, {"exp": 1}, {"sid": "AAAA"}, {"sub": "x"}, {"alg": "none"}]
)
def test_forged_or_stale_access_token_is_401(tokens, claims):
    payload = jwt.decode(tokens["access"], options={"verify_signature": False})
    algorithm = claims.pop("alg", "HS256")
    key = "" if algorithm == "none" else settings.HEADLESS_JWT_PRIVATE_KEY
    forged = jwt.encode({**payload, **claims}, key, algorithm=algorithm)
    assert get_me(forged).status_code == 401


def test_token_signed_with_another_key_is_401(tokens):
    payload = jwt.decode(tokens["access"], options={"verify_signature": False})
    assert get_me(jwt.encode(payload, "k" * 64, algorithm="HS256")).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_refresh_twice_at_once_gives_one_pair_and_ends_the_family(client, user):
    tokens = post(client, "login", {"email": user.email, "password": PASSWORD}).json()

    def refresh(_):
        try:
            return post(Client(), "refresh", {"refresh": tokens["refresh"]})
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(refresh, range(4)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    assert get_me(good[0].json()["access"]).status_code == 401
