"""Bad input at the account doors (rows 24, 26, 27), lockout (row 45, F5), foreign origins (row 46)."""

import contextlib
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import caches
from django.db import connection
from django.test import Client

from accounts.models import Membership, Role, User, Workspace
from tests.accounts.conftest import PASSWORD
from tests.processes import free_port, wait_until

pytestmark = pytest.mark.django_db
NOTHINGS = [None, "", [], {}, 0, False, [""], {"a": 1}, "x", "a-b-c", "\x00", "k\r\nX: y", "x" * 5000]


def post(client, path, body, **headers):
    return client.post(f"/api/auth/{path}", body, "application/json", **headers)


def snapshot():
    rows = (User, Workspace, Membership, EmailAddress)
    return [list(model.objects.order_by("pk").values()) for model in rows]


@pytest.mark.parametrize("nothing", NOTHINGS)
@pytest.mark.parametrize("field", ["key", "token"])
def test_reset_with_worthless_key_changes_nothing(client, user, field, nothing):
    before = snapshot()
    response = post(client, "reset", {field: nothing, "password": "another-lantern-9"})
    if nothing == "\x00":  # no text of ours, wherever it stands (row 20)
        assert response.status_code == 422
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (400, "token_invalid")
    assert snapshot() == before


@pytest.mark.parametrize("nothing", NOTHINGS)
@pytest.mark.parametrize(("path", "field"), [("verify-email", "key"), ("refresh", "refresh"), ("forgot", "email")])
def test_worthless_token_changes_nothing(client, user, path, field, nothing):
    before = snapshot()
    response = post(client, path, {field: nothing})
    assert response.status_code in ({400, 401, 422} if nothing == "\x00" or path != "verify-email" else {400}), (
        response.content
    )
    assert snapshot() == before and not mail.outbox


@pytest.mark.parametrize("body", ["", "null", "[]", "1", '"text"', "{", '{"email": 1}', '{"email":"a@b.example"}'])
@pytest.mark.parametrize("path", ["register", "login", "refresh", "forgot", "reset", "verify-email"])
def test_wrong_bodies_are_refused(client, user, path, body):
    before = snapshot()
    response = client.post(f"/api/auth/{path}", body, "application/json")
    accepted = path == "forgot" and "@" in body
    assert response.status_code == 202 if accepted else 400 <= response.status_code < 500
    assert snapshot() == before
    if not accepted:
        assert response.json()["error"]["code"]


@pytest.mark.parametrize("field", ["id", "is_staff", "is_superuser", "is_active", "workspace", "owner", "plan", "role"])
def test_protected_fields_are_refused_on_every_write(client, user, bearer, field):
    before = snapshot()
    bodies = {
        "register": {"email": "eve@example.com", "password": PASSWORD},
        "login": {"email": user.email, "password": PASSWORD},
        "forgot": {"email": user.email},
        "logout": {},
    }
    for path, body in bodies.items():
        assert post(client, path, {**body, field: True}).status_code == 422
    response = client.patch("/api/users/me", {"name": "Eve", field: True}, "application/json", **bearer)
    assert response.status_code == 422
    assert snapshot() == before


@pytest.mark.parametrize("text", ["a\r\nBcc: x@example.com", "a\n", "a\rb", "a\x00b", "a\u2028b", "a\x85b", "\x1b[31m"])
def test_line_breaks_in_mail_fields_are_refused(client, user, bearer, text):
    before = snapshot()
    body = {"email": "eve@example.com", "password": PASSWORD, "name": text}
    assert post(client, "register", body).status_code == 422
    assert post(client, "register", {**body, "name": "Eve", "email": f"eve@example.com{text}"}).status_code == 422
    assert post(client, "forgot", {"email": f"{text}@example.com"}).status_code == 422
    assert client.patch("/api/users/me", {"name": text}, "application/json", **bearer).status_code == 422
    assert snapshot() == before and not mail.outbox


def test_profile_patch_changes_only_what_is_sent(client, user, bearer):
    response = client.patch("/api/users/me", {"language": "fr"}, "application/json", **bearer)
    assert response.json()["language"] == "fr" and response.json()["name"] == "Ada"
    assert client.patch("/api/users/me", {"language": "xx"}, "application/json", **bearer).status_code == 422
    assert client.patch("/api/users/me", {}, "application/json", **bearer).status_code == 200
    assert client.get("/api/users/me", **bearer).json()["language"] == "fr"


@pytest.fixture
def hashed(monkeypatch):
    """Counts the passwords that argon2 really works on."""
    count = []
    verify = Argon2PasswordHasher.verify
    encode = Argon2PasswordHasher.encode
    monkeypatch.setattr(Argon2PasswordHasher, "verify", lambda *args: count.append(1) or verify(*args))
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda *args, **rest: count.append(1) or encode(*args, **rest))
    return count


@pytest.mark.parametrize(("known", "total"), [(True, 1000), (False, 100)])
def test_login_guesses_with_rotating_addresses_are_hashed_five_times(client, user, settings, hashed, known, total):
    settings.TRUSTED_PROXY_COUNT = 0
    EmailAddress.objects.create(user=user, email="ada.second@example.com", verified=True)
    emails = [user.email, user.email.upper(), f" {user.email} ", "ada.second@example.com"]
    if not known:
        emails = ["nobody@example.com"]
    statuses = []
    for number in range(total):
        forwarded = f"10.{number % 200}.{number // 200}.7"
        email = emails[number % len(emails)]
        if number % 2:
            body = {"login": email, "password": f"guess-{number}-x"}
            response = client.post(
                "/login", body, HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR=f"192.0.2.{number % 250}"
            )
        else:
            body = {"email": email, "password": f"guess-{number}-x"}
            response = post(
                client, "login", body, HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR=f"192.0.2.{number % 250}"
            )
        statuses.append(response.status_code)
    assert len(hashed) <= 5
    assert statuses[-1] == 429 and statuses.count(429) >= total - 5
    assert 1 <= int(response["Retry-After"]) <= 300
    if known:  # the right password waits as well: an answer would tell a guesser
        assert post(client, "login", {"email": user.email, "password": PASSWORD}).status_code == 429


def test_lockout_outlasts_attempts_at_many_other_addresses(client, user, hashed):
    def guess():
        return post(client, "login", {"email": user.email, "password": "guess-of-many-x"}).status_code

    assert [guess() for _ in range(6)] == [401] * 5 + [429]
    for number in range(500):
        forgotten = {"email": f"nobody-{number}@example.com"}
        assert post(client, "forgot", forgotten, REMOTE_ADDR=f"192.0.2.{number % 250}").status_code == 202
    assert (guess(), len(hashed)) == (429, 5)


def test_login_success_is_not_counted(client, user):
    for _ in range(12):
        assert post(client, "login", {"email": user.email, "password": PASSWORD}).status_code == 200


def test_client_address_comes_from_trusted_proxies_only(rf, settings):
    from accounts.adapters import AccountAdapter

    def address(forwarded, trusted, peer="192.0.2.1"):
        settings.TRUSTED_PROXY_COUNT = trusted
        return AccountAdapter().get_client_ip(rf.get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR=peer))

    assert address("198.51.100.9, 203.0.113.5", 0) == "192.0.2.1"
    assert address("198.51.100.9, 203.0.113.5", 1) == "203.0.113.5"
    assert address("198.51.100.9, 203.0.113.5", 2) == "198.51.100.9"
    assert address("198.51.100.9", 2) == "192.0.2.1"
    assert address("nonsense", 1) == "unknown"
    assert address("", 0, peer="") == "unknown"


@pytest.fixture
def counter_down(settings):
    """A Redis that nobody answers for."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}
    }


def test_signing_in_fails_closed_without_a_counter(client, user, counter_down, hashed):
    response = post(client, "login", {"email": user.email, "password": PASSWORD})
    assert response.status_code == 503 and response["Retry-After"]
    response = client.post("/login", {"login": user.email, "password": PASSWORD})
    assert response.status_code == 503 and response["Retry-After"]
    for path in ("register", "forgot"):
        assert post(client, path, {"email": "eve@example.com", "password": PASSWORD}).status_code in {422, 503}
    assert not hashed and not Session.objects.exists()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://["])
@pytest.mark.parametrize("path", ["register", "login", "refresh", "forgot", "reset", "verify-email"])
def test_open_api_from_foreign_origin_is_refused(client, user, path, origin):
    response = post(client, path, {"email": user.email, "password": PASSWORD}, HTTP_ORIGIN=origin)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "cross_site_refused"


def test_session_api_needs_csrf_token_and_own_origin(user):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.get("/api/users/me").status_code == 200
    assert strict.patch("/api/users/me", {"name": "X"}, "application/json").status_code == 403
    strict.get("/login")
    strict.get("/settings")
    token = strict.cookies["csrftoken"].value
    body, kind = {"name": "Y"}, "application/json"
    foreign = strict.patch("/api/users/me", body, kind, HTTP_X_CSRFTOKEN=token, HTTP_ORIGIN="https://evil.example")
    assert foreign.status_code == 403 and foreign.json()["error"]["code"] == "cross_site_refused"
    assert strict.patch("/api/users/me", body, kind, HTTP_X_CSRFTOKEN=token).status_code == 200
    assert strict.post("/api/auth/logout", {}, kind).status_code == 403
    assert strict.post("/api/auth/logout", {}, kind, HTTP_X_CSRFTOKEN=token).status_code == 204
    assert strict.get("/api/users/me").status_code == 401


@pytest.mark.parametrize("role", list(Role))
def test_own_account_is_open_to_every_role_and_to_nobody_else(client, bearer, role):
    Membership.objects.update(role=role)
    assert client.get("/api/auth/me", **bearer).status_code == 200
    assert client.get("/api/users/me", **bearer).status_code == 200
    assert client.patch("/api/users/me", {"name": "Ada"}, "application/json", **bearer).status_code == 200
    for method in ("put", "delete", "post"):
        assert getattr(client, method)("/api/users/me", {}, "application/json", **bearer).status_code == 405
    for path in ("/api/auth/me", "/api/users/me"):
        response = Client().get(path)
        assert response.status_code == 401 and response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer a b", "Bearer \xff"])
def test_broken_authorization_is_401_even_with_a_session(client, user, value):
    client.force_login(user)
    response = client.get("/api/auth/me", HTTP_AUTHORIZATION=value)
    assert response.status_code == 401 and response["WWW-Authenticate"] == "Bearer"


NO_KEY_OF_OURS = [r'"\000aaaaaaaaaaaaaaa"', "\xff\xfeaaaaaaaaaa", "a", "a" * 5000, "../../aaaaaaaa"]


@pytest.mark.parametrize("value", NO_KEY_OF_OURS)
@pytest.mark.parametrize(("path", "status"), [("/login", 200), ("/dashboard", 302), ("/api/agents", 401)])
def test_cookie_that_holds_no_session_key_is_no_session(client, value, path, status):
    assert client.get(path, HTTP_COOKIE=f"sessionid={value}").status_code == status


@pytest.fixture
def redis_server(tmp_path, settings):
    """A real Redis of this test's own, as the cache."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)

    def is_up():
        with contextlib.suppress(redis.ConnectionError):
            return client.ping()

    wait_until(is_up, 10, "redis-server")
    location = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    yield server
    client.close()
    server.terminate()
    server.wait()
    caches.close_all()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
@pytest.mark.django_db(transaction=True)
def test_lockout_holds_for_parallel_guesses_through_redis_and_fails_closed_without(user, redis_server, hashed):
    def guess(number):
        try:
            body = {"email": user.email, "password": f"guess-{number}-x"}
            return post(Client(), "login", body, REMOTE_ADDR=f"192.0.2.{number}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(guess, range(80)))
    assert len(hashed) == 5 and statuses.count(401) == 5 and set(statuses) == {401, 429}
    redis_server.terminate()
    redis_server.wait()
    assert guess(99) == 503
    assert len(hashed) == 5
