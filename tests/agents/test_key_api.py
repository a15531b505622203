"""Keys as their builders handle them: make, change, rotate, revoke."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import Role
from agents import keys
from agents.models import ApiKey, KeyKind
from agents.services import create_api_key
from core.crypto import decrypt, token_digest
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def builder(builder, agent):
    builder.path = f"/api/agents/{agent.pk}/api-keys"
    return builder


def send(client, method, path, body=None):
    return getattr(client, method)(path, body or {}, content_type="application/json")


def make(builder, **fields):
    response = send(builder, "post", builder.path, {"name": "Site", **fields})
    assert response.status_code == 201, response.content
    return response.json()


def test_plain_key_opens_all_and_never_ends(builder):
    made = make(builder)
    assert made["key"].startswith(made["prefix"])
    assert (made["kind"], made["scopes"], made["allowed_origins"]) == ("secret", [], [])
    assert (made["expires_at"], made["requires_identity"], made["has_identity_secret"]) == (None, False, False)
    assert ApiKey.objects.get().digest == token_digest(made["key"])


def test_key_keeps_what_was_asked_for(builder):
    end = (timezone.now() + timedelta(days=30)).isoformat()
    origins = ["https://Example.com/", "https://*.example.com", "https://example.com"]
    made = make(builder, scopes=["knowledge", "chat", "chat"], allowed_origins=origins, expires_at=end)
    assert made["scopes"] == ["chat", "knowledge"]
    assert made["allowed_origins"] == ["https://example.com", "https://*.example.com"]
    assert parse_datetime(made["expires_at"]) == parse_datetime(end)
    listed = builder.get(builder.path).json()["data"]
    made.pop("key")
    assert listed == [made]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"kind": "hosted"}, "kind"),
        ({"kind": "root"}, "kind"),
        ({"scopes": ["admin"]}, "scopes.0"),
        ({"scopes": "chat"}, "scopes"),
        ({"kind": "widget", "scopes": ["chat"]}, "scopes"),
        ({"requires_identity": True}, "requires_identity"),
        ({"allowed_origins": ["https://a.example", "https://a.example/path"]}, "allowed_origins.1"),
        ({"allowed_origins": ["*"]}, "allowed_origins.0"),
        ({"allowed_origins": [None]}, "allowed_origins.0"),
        ({"allowed_origins": [f"https://s{number}.example" for number in range(51)]}, "allowed_origins"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"digest": "x"}, "digest"),
        ({"identity_secret": "x"}, "identity_secret"),
        ({"replaces": None}, "replaces"),
        ({"name": ""}, "name"),
    ],
)
def test_key_that_makes_no_sense_is_refused(builder, fields, param):
    response = send(builder, "post", builder.path, {"name": "Site", **fields})
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)
    assert not ApiKey.objects.exists()


def test_change_sets_only_what_is_named(builder):
    made = make(builder, scopes=["chat"], allowed_origins=["https://a.example"])
    path = f"{builder.path}/{made['id']}"
    changed = send(builder, "patch", path, {"name": "Shop", "allowed_origins": []}).json()
    assert (changed["name"], changed["scopes"], changed["allowed_origins"]) == ("Shop", ["chat"], [])
    assert "key" not in changed
    for fields in ({"kind": "widget"}, {"requires_identity": True}, {"expires_at": "2020-01-01T00:00:00Z"}):
        assert send(builder, "patch", path, fields).status_code == 422
    assert ApiKey.objects.get().kind == "secret"


def test_change_of_an_expired_key_may_repeat_its_end(builder):
    made = make(builder)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    listed = builder.get(builder.path).json()["data"][0]
    path = f"{builder.path}/{made['id']}"
    body = {"name": "Old", "expires_at": listed["expires_at"]}
    assert send(builder, "patch", path, body).json()["name"] == "Old"
    assert send(builder, "patch", path, {"expires_at": None}).json()["expires_at"] is None


def test_rotated_key_goes_on_for_the_overlap_and_the_new_one_is_alike(builder):
    made = make(builder, kind="widget", allowed_origins=["https://a.example"], requires_identity=True)
    secret = send(builder, "post", f"{builder.path}/{made['id']}/identity-secret").json()["identity_secret"]
    response = send(builder, "post", f"{builder.path}/{made['id']}/rotate", {"overlap_hours": 2})
    new = response.json()
    assert response.status_code == 201
    assert new["key"] != made["key"]
    same = ("name", "kind", "allowed_origins", "requires_identity", "scopes")
    assert [new[name] for name in same] == [made[name] for name in same]
    assert (new["replaces"], new["expires_at"], new["has_identity_secret"]) == (made["id"], None, True)
    old = ApiKey.objects.get(pk=made["id"])
    assert timedelta(minutes=119) < old.expires_at - timezone.now() <= timedelta(hours=2)
    assert decrypt(ApiKey.objects.get(pk=new["id"]).identity_secret) == secret


def test_rotation_moves_an_expiry_and_never_makes_the_old_key_live_longer(builder):
    end = timezone.now() + timedelta(hours=1)
    made = make(builder, expires_at=end.isoformat())
    new = send(builder, "post", f"{builder.path}/{made['id']}/rotate", {}).json()
    assert ApiKey.objects.get(pk=made["id"]).expires_at == end
    moved = parse_datetime(new["expires_at"]) - timezone.now()
    assert timedelta(minutes=59) < moved <= timedelta(hours=1)


@pytest.mark.parametrize("hours", [-1, 169, "x", None, 1.5, True])
def test_rotation_refuses_an_overlap_out_of_range(builder, hours):
    made = make(builder)
    response = send(builder, "post", f"{builder.path}/{made['id']}/rotate", {"overlap_hours": hours})
    assert response.status_code == 422
    assert ApiKey.objects.count() == 1


def test_identity_secret_is_shown_once_and_stored_encrypted(builder):
    made = make(builder, kind="widget")
    path = f"{builder.path}/{made['id']}/identity-secret"
    first, second = (send(builder, "post", path).json()["identity_secret"] for _ in range(2))
    stored = ApiKey.objects.get().identity_secret
    assert len(first) >= 32
    assert first != second
    assert second not in stored
    assert decrypt(stored) == second
    assert builder.get(builder.path).json()["data"][0]["has_identity_secret"] is True
    assert second not in builder.get(builder.path).content.decode()


def test_secret_key_has_no_identity_secret(builder):
    made = make(builder)
    assert send(builder, "post", f"{builder.path}/{made['id']}/identity-secret").status_code == 422


def test_hosted_pages_key_is_not_for_hands(builder, agent):
    key, _ = create_api_key(agent=agent, actor=None, name="Hosted page", kind=KeyKind.HOSTED)
    assert builder.get(builder.path).json()["data"] == []
    for method, path in (("patch", ""), ("delete", ""), ("post", "/rotate"), ("post", "/identity-secret")):
        assert send(builder, method, f"{builder.path}/{key.pk}{path}").status_code == 404


@pytest.mark.parametrize("path", ["", "/rotate", "/identity-secret"])
def test_revoked_key_is_gone(builder, path):
    made = make(builder)
    assert builder.delete(f"{builder.path}/{made['id']}").status_code == 204
    method = "post" if path else "patch"
    assert send(builder, method, f"{builder.path}/{made['id']}{path}").status_code == 404


def test_changes_count_at_once_in_this_process(builder, monkeypatch, django_capture_on_commit_callbacks):
    made = make(builder)
    for method, path, body in (
        ("patch", "", {"name": "New"}),
        ("post", "/rotate", {}),
        ("delete", "", {}),
    ):
        keys._cache["digest"] = (0.0, None)
        with django_capture_on_commit_callbacks(execute=True):
            send(builder, method, f"{builder.path}/{made['id']}{path}", body)
        assert keys._cache == {}, path


@pytest.mark.parametrize("rows", [1, 3])
def test_list_costs_the_same_queries_for_any_number(builder, rows, django_assert_num_queries):
    for _ in range(rows):
        make(builder)
    with django_assert_num_queries(5):  # session, user, membership, agent, keys
        assert len(builder.get(builder.path).json()["data"]) == rows


@pytest.mark.parametrize(("role", "expected"), [(Role.OWNER, True), (Role.EDITOR, True), (Role.VIEWER, False)])
def test_roles_decide_who_handles_keys(client, role, expected):
    workspace, user = make_workspace(role=role)
    agent = make_agent(workspace)
    key, _ = create_api_key(agent=agent, actor=None, name="Site", kind=KeyKind.WIDGET)
    client.force_login(user)
    path = f"/api/agents/{agent.pk}/api-keys"
    for method, tail, body, code in (
        ("get", "", None, 200),
        ("post", "", {"name": "New"}, 201),
        ("patch", f"/{key.pk}", {"name": "New"}, 200),
        ("post", f"/{key.pk}/identity-secret", None, 201),
        ("post", f"/{key.pk}/rotate", {}, 201),
        ("delete", f"/{key.pk}", None, 204),
    ):
        answer = client.get(path) if method == "get" else send(client, method, f"{path}{tail}", body)
        assert answer.status_code == (code if expected else 403), (method, tail)
