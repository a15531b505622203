"""GitHub and Google sign-in against a strict fake provider over HTTP (row 44)."""

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from django.test import Client

from accounts.models import Membership, User
from tests.accounts.conftest import PASSWORD
from tests.accounts.fake_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings, monkeypatch):
    app = {"client_id": CLIENT_ID, "secret": CLIENT_SECRET}
    settings.SOCIALACCOUNT_PROVIDERS = {
        name: {"APPS": [app], "OAUTH_PKCE_ENABLED": True} for name in ("github", "google")
    }
    with FakeProvider() as fake:
        for adapter in (GitHubOAuth2Adapter, GoogleOAuth2Adapter):
            monkeypatch.setattr(adapter, "authorize_url", f"{fake.url}/authorize")
            monkeypatch.setattr(adapter, "access_token_url", f"{fake.url}/token")
        monkeypatch.setattr(GitHubOAuth2Adapter, "profile_url", f"{fake.url}/user")
        monkeypatch.setattr(GitHubOAuth2Adapter, "emails_url", f"{fake.url}/user/emails")
        monkeypatch.setattr(GoogleOAuth2Adapter, "identity_url", f"{fake.url}/userinfo")
        yield fake


def be_person(fake, email="lin@example.com", verified=True, uid=7):
    fake.profile = {"id": uid, "sub": str(uid), "login": "lin", "name": "Lin Wu", "email": email}
    fake.profile |= {"email_verified": verified, "given_name": "Lin", "family_name": "Wu"}
    fake.emails = [{"email": email, "primary": True, "verified": verified}]


def sign_in(client, fake, name="github", start=None):
    begin = client.get(start or f"/api/auth/{name}")
    assert begin.status_code == 302 and begin["Location"].startswith(f"{fake.url}/authorize?")
    return client.get(f"/api/auth/{name}/callback", fake.grant(begin["Location"]))


@pytest.mark.parametrize("name", ["github", "google"])
def test_new_person_gets_account_workspace_and_session(client, provider, name):
    be_person(provider)
    response = sign_in(client, provider, name)
    assert response.status_code == 302 and response["Location"] == "/dashboard", response.content
    user = User.objects.get()
    assert (user.email, user.name, user.has_usable_password()) == ("lin@example.com", "Lin Wu", False)
    assert Membership.objects.filter(user=user, workspace__is_personal=True).exists()
    assert EmailAddress.objects.get().verified
    assert client.get("/settings").status_code == 200
    assert not provider.problems

    again = Client()
    assert sign_in(again, provider, name).status_code == 302
    assert User.objects.count() == 1 and again.get("/settings").status_code == 200


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("name", ["github", "google"])
def test_matching_address_is_never_linked(client, provider, user, name, verified):
    be_person(provider, email=user.email.upper(), verified=verified)
    response = sign_in(client, provider, name)
    assert response.status_code == 409
    assert not SocialAccount.objects.exists() and User.objects.count() == 1
    assert client.get("/settings").status_code == 302


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("state", [None, "", "invented", "\x00"])
def test_callback_without_our_state_is_refused(client, provider, user, state, signed_in):
    if signed_in:
        client.force_login(user)
    be_person(provider)
    grant = provider.grant(client.get("/api/auth/github")["Location"])
    query = {"code": grant["code"]} | ({} if state is None else {"state": state})
    assert client.get("/api/auth/github/callback", query).status_code == 400
    stolen = Client().get("/api/auth/github/callback", grant)  # another browser brings our state
    assert stolen.status_code == 400
    assert not SocialAccount.objects.exists()


def test_state_is_good_for_one_callback_and_one_provider(client, provider):
    be_person(provider)
    grant = provider.grant(client.get("/api/auth/github")["Location"])
    assert client.get("/api/auth/google/callback", grant).status_code == 400
    assert client.get("/api/auth/github/callback", grant).status_code == 302
    assert client.get("/api/auth/github/callback", grant).status_code == 400


@pytest.mark.parametrize(("query", "status"), [({"error": "access_denied"}, 302), ({"error": "x"}, 400), ({}, 400)])
def test_callback_refused_by_provider(client, provider, query, status):
    grant = provider.grant(client.get("/api/auth/github")["Location"])
    response = client.get("/api/auth/github/callback", {"state": grant["state"], **query})
    assert response.status_code == status


def test_wrong_code_and_dead_provider_are_errors_for_people(client, provider, monkeypatch):
    begin = client.get("/api/auth/github")
    grant = provider.grant(begin["Location"])
    assert client.get("/api/auth/github/callback", {**grant, "code": "invented"}).status_code == 400
    monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", "http://127.0.0.1:9/token")
    grant = provider.grant(client.get("/api/auth/github")["Location"])
    assert client.get("/api/auth/github/callback", grant).status_code == 400
    assert not User.objects.exists()


def test_person_without_address_is_asked_for_one(client, provider, user):
    be_person(provider, email="")
    provider.emails = []
    response = sign_in(client, provider)
    assert response["Location"] == "/signup/social"
    assert client.get("/signup/social").status_code == 200
    taken = client.post("/signup/social", {"email": user.email})
    assert taken.status_code == 200 and not SocialAccount.objects.exists()
    assert client.post("/signup/social", {"email": "lin@example.com", "name": "Lin"}).status_code == 302
    assert not EmailAddress.objects.get(email="lin@example.com").verified


def test_connect_and_disconnect_from_settings(client, provider, user):
    client.post("/login", {"login": user.email, "password": PASSWORD})
    client.post("/settings/security/confirm", {"password": PASSWORD, "next": "/settings/security/connections"})
    be_person(provider, email=user.email)
    page = client.get("/settings/security/connections")
    assert b"/api/auth/github?process=connect" in page.content
    response = sign_in(client, provider, start="/api/auth/github?process=connect")
    assert response["Location"] == "/settings/security/connections", response.content
    account = SocialAccount.objects.get(user=user)
    assert b"GitHub" in client.get("/settings/security").content
    again = Client()
    assert sign_in(again, provider)["Location"] == "/dashboard"
    assert client.post("/settings/security/connections", {"account": account.pk}).status_code == 302
    assert not SocialAccount.objects.exists()


def test_suspended_person_stays_out(client, provider):
    be_person(provider)
    sign_in(client, provider)
    User.objects.update(is_active=False)
    again = Client()
    assert sign_in(again, provider)["Location"] == "/login/suspended"
    assert again.get("/settings").status_code == 302


@pytest.mark.parametrize("name", ["github", "google"])
def test_provider_that_is_not_configured_is_404(client, settings, name):
    settings.SOCIALACCOUNT_PROVIDERS = {}
    for path in (f"/api/auth/{name}", f"/api/auth/{name}/callback?state=x&code=y"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "provider_not_configured"
        assert client.get(path, HTTP_ACCEPT="text/html").status_code == 404
        assert client.post(path).status_code == 405


def test_sign_in_pages_offer_configured_providers(client, provider):
    for page in ("/login", "/signup"):
        content = client.get(page).content
        assert b'href="/api/auth/github?process=login"' in content and b"Google" in content
