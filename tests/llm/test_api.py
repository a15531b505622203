"""Model endpoints through the API: keys stay secret, addresses are checked, tests say what is wrong."""

import time
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import Role
from core.crypto import decrypt
from llm.models import ModelEndpoint
from llm.outgoing import LISTINGS_PER_WORKSPACE, PROBES_PER_WORKSPACE, listings, probing
from tests.dripping import dripping
from tests.factories import make_workspace
from tests.fake_model import FakeModel

pytestmark = pytest.mark.django_db

KEY = "sk-a-very-secret-key-1234"
VALUES = {"name": "Ours", "base_url": "https://models.example.com/v1", "api_key": KEY, "default_model": "big-1"}


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


def sign_in(role: Role = Role.OWNER) -> Any:
    workspace, user = make_workspace(role=role)
    client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
    client.force_login(user)
    client.workspace = workspace  # type: ignore[attr-defined]
    return client


@pytest.fixture
def owner() -> Any:
    return sign_in()


@pytest.fixture
def allow_loopback(settings: Any) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = ["127.0.0.1/32"]


def post(client: Any, path: str, body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def create(client: Any, **changes: Any) -> dict[str, Any]:
    response = post(client, "/api/model-endpoints", {**VALUES, **changes})
    assert response.status_code == 201, response.content
    return response.json()


def change(client: Any, endpoint: dict[str, Any], **changes: Any) -> Any:
    return client.patch(f"/api/model-endpoints/{endpoint['id']}", changes, content_type="application/json")


def test_create_endpoint_keeps_the_key_secret(owner: Any) -> None:
    endpoint = create(owner)
    assert (endpoint["has_key"], endpoint["key_hint"]) == (True, "1234")
    assert KEY not in str(endpoint)
    assert KEY not in owner.get("/api/model-endpoints").content.decode()
    stored = ModelEndpoint.objects.get(pk=endpoint["id"])
    assert KEY not in stored.encrypted_key
    assert decrypt(stored.encrypted_key) == KEY


def test_create_endpoint_of_a_short_key_shows_none_of_it(owner: Any) -> None:
    endpoint = create(owner, api_key="short")
    assert (endpoint["has_key"], endpoint["key_hint"]) == (True, "")


@pytest.mark.parametrize("key", ["sk-one\r\nX-Evil: 1", "sk one", "clé"])
def test_key_that_no_header_can_carry_is_refused(owner: Any, key: str) -> None:
    response = post(owner, "/api/model-endpoints", {**VALUES, "api_key": key})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "api_key")
    assert not ModelEndpoint.objects.exists()
    assert change(owner, create(owner), api_key=key).status_code == 422
    assert post(owner, "/api/model-endpoints/test", {**VALUES, "api_key": key}).status_code == 422


def test_create_endpoint_makes_the_first_one_the_default(owner: Any) -> None:
    assert create(owner)["is_default"] is True
    assert create(owner, name="Second")["is_default"] is False
    third = create(owner, name="Third", is_default=True)
    listed = owner.get("/api/model-endpoints").json()["data"]
    assert [one["id"] for one in listed if one["is_default"]] == [third["id"]]


def test_create_endpoint_tidies_the_address(owner: Any) -> None:
    assert create(owner, base_url="https://models.example.com/v1/chat/completions/")["base_url"] == VALUES["base_url"]


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000/v1", "http://169.254.169.254/", "http://localhost:11434/v1", "http://db:5432/", "x"],
)
def test_create_endpoint_refuses_private_addresses(owner: Any, address: str) -> None:
    response = post(owner, "/api/model-endpoints", {**VALUES, "base_url": address})
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("url_not_allowed", "base_url")
    assert not ModelEndpoint.objects.exists()


def test_create_endpoint_lets_the_operators_ollama_pass(owner: Any, settings: Any) -> None:
    settings.OLLAMA_URL = "http://127.0.0.1:11434"
    assert create(owner, base_url="http://127.0.0.1:11434/v1")["base_url"] == "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize("field", ["id", "workspace", "encrypted_key", "key_hint", "has_key", "created_at"])
def test_create_endpoint_refuses_fields_it_does_not_own(owner: Any, field: str) -> None:
    response = post(owner, "/api/model-endpoints", {**VALUES, field: "x"})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == field


@pytest.mark.parametrize("value", ["", None, "a\u0000b", "a\nb", "x" * 600, [], {}])
@pytest.mark.parametrize("field", ["name", "base_url", "default_model"])
def test_create_endpoint_refuses_bad_text(owner: Any, field: str, value: Any) -> None:
    response = post(owner, "/api/model-endpoints", {**VALUES, field: value})
    assert response.status_code in {400, 422}
    assert not ModelEndpoint.objects.exists()


def test_prices_are_entered_changed_and_removed(owner: Any) -> None:
    endpoint = create(owner)
    assert (endpoint["input_price"], endpoint["output_price"], endpoint["has_price"]) == (None, None, False)
    endpoint = create(owner, name="Second", input_price=0.1, output_price="2.5")
    assert (endpoint["input_price"], endpoint["output_price"], endpoint["has_price"]) == (0.1, 2.5, True)
    changed = change(owner, endpoint, input_price=0).json()
    assert (changed["input_price"], changed["output_price"], changed["has_price"]) == (0, 2.5, True)
    assert change(owner, endpoint, name="Renamed").json()["output_price"] == 2.5
    changed = change(owner, endpoint, input_price=None, output_price=None).json()
    assert (changed["input_price"], changed["output_price"], changed["has_price"]) == (None, None, False)
    assert create(owner, name="Third", default_model="gpt-4.1-mini")["has_price"] is True


@pytest.mark.parametrize(
    ("prices", "param"),
    [
        ({"input_price": 1}, "output_price"),
        ({"output_price": 1}, "input_price"),
        ({"input_price": None, "output_price": 0}, "input_price"),
        ({"input_price": -0.1, "output_price": 1}, "input_price"),
        ({"input_price": 1, "output_price": 10_000.1}, "output_price"),
        ({"input_price": 0.00001, "output_price": 1}, "input_price"),
        ({"input_price": "NaN", "output_price": 1}, "input_price"),
        ({"input_price": "Infinity", "output_price": 1}, "input_price"),
        ({"input_price": 1, "output_price": "dear"}, "output_price"),
        ({"input_price": 1, "output_price": []}, "output_price"),
        ({"input_price": "", "output_price": 1}, "input_price"),
    ],
)
def test_prices_that_make_no_sense_are_422(owner: Any, prices: dict[str, Any], param: str) -> None:
    stored = create(owner)
    for refused in (
        post(owner, "/api/model-endpoints", {**VALUES, "name": "B", **prices}),
        change(owner, stored, **prices),
    ):
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert ModelEndpoint.objects.get().prices is None


def test_one_price_alone_is_refused_when_an_endpoint_changes(owner: Any) -> None:
    refused = change(owner, create(owner, input_price=1, output_price=10_000), output_price=None)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "output_price")
    assert ModelEndpoint.objects.get().prices == (1, 10_000)


@pytest.mark.parametrize("prices", [{"input_price": 1}, {"input_price": 1, "output_price": -1}])
def test_the_database_holds_both_prices_or_none(owner: Any, prices: dict[str, int]) -> None:
    create(owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelEndpoint.objects.update(**prices)


@pytest.mark.parametrize("name", ["Ours", "OURS", " ours ", "\uff2furs"])
def test_create_endpoint_refuses_a_name_in_use(owner: Any, name: str) -> None:
    create(owner)
    response = post(owner, "/api/model-endpoints", {**VALUES, "name": name})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "name"


def test_create_endpoint_refuses_too_many(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm.services.MOST_ENDPOINTS", 1)
    create(owner)
    assert post(owner, "/api/model-endpoints", {**VALUES, "name": "Two"}).status_code == 422


def test_update_endpoint_keeps_the_key_unless_told(owner: Any) -> None:
    endpoint = create(owner)
    assert change(owner, endpoint, name="Renamed").json()["key_hint"] == "1234"
    assert change(owner, endpoint, base_url="https://models.example.com/v2").json()["has_key"] is True
    assert change(owner, endpoint, api_key="sk-another-key-9876").json()["key_hint"] == "9876"
    assert change(owner, endpoint, api_key="").json()["has_key"] is False


def test_update_endpoint_to_another_server_drops_the_key(owner: Any) -> None:
    endpoint = create(owner)
    assert change(owner, endpoint, base_url="https://stranger.example.org/v1").json()["has_key"] is False


def test_update_endpoint_moves_the_default(owner: Any) -> None:
    first, second = create(owner), create(owner, name="Second")
    assert change(owner, second, is_default=True).json()["is_default"] is True
    assert owner.get(f"/api/model-endpoints/{first['id']}").json()["is_default"] is False
    assert change(owner, second, is_default=False).json()["is_default"] is False


def test_delete_endpoint_removes_it(owner: Any) -> None:
    endpoint = create(owner)
    assert owner.delete(f"/api/model-endpoints/{endpoint['id']}").status_code == 204
    assert owner.get(f"/api/model-endpoints/{endpoint['id']}").status_code == 404


@pytest.mark.parametrize(
    ("role", "allowed"), [(Role.OWNER, {"get", "post"}), (Role.EDITOR, {"get"}), (Role.VIEWER, set())]
)
def test_endpoints_are_for_those_whose_role_allows(role: Role, allowed: set[str]) -> None:
    client = sign_in(role)
    assert (client.get("/api/model-endpoints").status_code == 200) is ("get" in allowed)
    assert (post(client, "/api/model-endpoints", VALUES).status_code == 201) is ("post" in allowed)
    assert (post(client, "/api/model-endpoints/test", {"base_url": "http://127.1"}).status_code == 403) is (
        "post" not in allowed
    )


def test_a_foreign_endpoint_is_a_missing_one(owner: Any) -> None:
    foreign = create(sign_in())
    path = f"/api/model-endpoints/{foreign['id']}"
    missing = "/api/model-endpoints/01890a5d-ac96-774b-bcce-b302099a8057"
    for method, suffix in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        for where in (path, missing):
            answer = owner.generic(method, where + suffix, "{}", content_type="application/json")
            assert answer.status_code == 404
    assert ModelEndpoint.objects.count() == 1


@pytest.mark.parametrize("count", [1, 3])
def test_list_endpoints_takes_the_same_queries(owner: Any, count: int, django_assert_num_queries: Any) -> None:
    for number in range(count):
        create(owner, name=f"Endpoint {number}")
    with django_assert_num_queries(4):
        assert len(owner.get("/api/model-endpoints").json()["data"]) == count


# --- the test button -----------------------------------------------------------------------------------------------
def probe(client: Any, **values: Any) -> dict[str, Any]:
    response = post(client, "/api/model-endpoints/test", values)
    assert response.status_code == 200, response.content
    return response.json()


def messages(result: dict[str, Any]) -> str:
    return " ".join(step["message"] for step in result["steps"])


def test_probe_of_a_good_endpoint(owner: Any, fake_model: FakeModel, allow_loopback: None) -> None:
    fake_model.api_key = KEY
    result = probe(owner, base_url=fake_model.url, api_key=KEY, default_model="fake-model")
    assert result["ok"] is True
    assert [(step["name"], step["ok"]) for step in result["steps"]] == [
        ("address", True), ("models", True), ("chat", True),
    ]  # fmt: skip
    assert result["models"] == ["fake-embed", "fake-model"]
    assert fake_model.chats[0]["max_tokens"] == 16


@pytest.mark.parametrize(
    ("values", "setup", "failed", "words"),
    [
        ({"api_key": "sk-wrong"}, {"api_key": KEY}, "models", "API key"),
        ({"default_model": "fake-modle"}, {"fault": "404"}, "chat", "fake-model"),
        ({"default_model": "nothing-like-it"}, {"fault": "404"}, "chat", "not offered here"),
        ({}, {"fault": "500"}, "chat", "status 500"),
        ({}, {"fault": "429"}, "chat", "limits the number of requests"),
        ({}, {"fault": "html"}, "chat", "not an OpenAI-compatible server"),
        ({}, {"fault": "reset"}, "chat", "broke"),
    ],
)
def test_probe_says_what_is_wrong(
    owner: Any,
    fake_model: FakeModel,
    allow_loopback: None,
    values: dict[str, str],
    setup: dict[str, str],
    failed: str,
    words: str,
) -> None:
    for name, value in setup.items():
        setattr(fake_model, name, value)
    result = probe(owner, **{"base_url": fake_model.url, "default_model": "fake-model", **values})
    assert result["ok"] is False
    assert [step["name"] for step in result["steps"] if not step["ok"]] == [failed]
    assert words in messages(result)


def test_probe_speaks_the_readers_language_and_keeps_the_providers_words(
    owner: Any, fake_model: FakeModel, allow_loopback: None
) -> None:
    owner.cookies["django_language"] = "fr"
    fake_model.api_key = KEY
    result = probe(owner, base_url=fake_model.url, api_key="sk-wrong-secret", default_model="fake-model")
    told = result["steps"][-1]["message"]
    assert told.startswith("Le fournisseur du modèle a refusé la clé d\u2019API. ")
    assert told.endswith(" Vérifiez-la dans Réglages → Modèles. (Incorrect API key provided: ….)")


def test_probe_counts_models_in_words(owner: Any, fake_model: FakeModel, allow_loopback: None) -> None:
    fake_model.models = ("fake-model",)
    assert "1 model is offered." in messages(probe(owner, base_url=fake_model.url, default_model="fake-model"))
    owner.cookies["django_language"] = "fr"
    assert "1 modèle est proposé." in messages(probe(owner, base_url=fake_model.url, default_model="fake-model"))


def test_probe_notices_a_forgotten_v1(owner: Any, fake_model: FakeModel, allow_loopback: None) -> None:
    result = probe(owner, base_url=fake_model.url.removesuffix("/v1"), default_model="fake-model")
    assert result["ok"] is False
    assert "Did you forget /v1" in messages(result)
    assert result["base_url"] == fake_model.url


def test_probe_of_a_hanging_server_ends(
    owner: Any, fake_model: FakeModel, allow_loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm.probe.CHAT_TIMEOUT", 0.3)
    fake_model.fault = "hang"
    assert "in time" in messages(probe(owner, base_url=fake_model.url, default_model="fake-model"))


def test_probe_of_a_dripping_server_ends(
    owner: Any, allow_loopback: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr("llm.probe.LIST_TIMEOUT", 0.5)
    with dripping(0.05) as server:
        assert "in time" in messages(probe(owner, base_url=server.url, default_model="m"))
        settings.OPENAI_BASE_URL = server.url  # the operator's own: another client, the same deadline
        assert "in time" in messages(probe(owner, base_url=server.url, default_model="m"))


def test_probes_of_a_workspace_are_few_at_once(owner: Any, fake_model: FakeModel, allow_loopback: None) -> None:
    with ExitStack() as stack:
        for _ in range(PROBES_PER_WORKSPACE):
            stack.enter_context(probing(owner.workspace.pk))
        for path in ("/test", f"/{create(owner)['id']}/test"):
            response = post(owner, f"/api/model-endpoints{path}", {"base_url": fake_model.url})
            assert (response.status_code, response.json()["error"]["code"]) == (429, "too_many_tests")
            assert int(response.headers["Retry-After"]) > 0
        assert fake_model.requests == []
        assert probe(sign_in(), base_url=fake_model.url, default_model="fake-model")["ok"] is True
    assert probe(owner, base_url=fake_model.url, default_model="fake-model")["ok"] is True


def test_probe_of_a_closed_port_says_refused(owner: Any, allow_loopback: None) -> None:
    assert "refuses connections" in messages(probe(owner, base_url="http://127.0.0.1:9999/v1", default_model="m"))


def test_probe_of_an_unknown_name_says_so(owner: Any) -> None:
    result = probe(owner, base_url="https://no-such-host.invalid/v1", default_model="m")
    assert "does not resolve" in messages(result)
    assert len(result["steps"]) == 1


def test_probe_of_a_server_without_tls_says_so(owner: Any, fake_model: FakeModel, allow_loopback: None) -> None:
    address = fake_model.url.replace("http://", "https://")
    assert "TLS" in messages(probe(owner, base_url=address, default_model="m"))


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "http://2130706433/", "ftp://example.com"])
def test_probe_refuses_private_addresses(owner: Any, address: str) -> None:
    response = post(owner, "/api/model-endpoints/test", {"base_url": address})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "url_not_allowed"


def test_probe_of_a_name_with_a_private_address_is_blocked(
    owner: Any, fake_model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket  # only here: what follows replaces one of its functions

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *args, **more: real("127.0.0.1" if "evil" in str(host) else host, *args, **more),
    )
    address = fake_model.url.replace("127.0.0.1", "evil.example.com")
    result = probe(owner, base_url=address, default_model="m")
    assert result["ok"] is False
    assert "not allowed" in messages(result)
    assert fake_model.requests == []


def test_probe_of_a_stored_endpoint_uses_its_key(owner: Any, fake_model: FakeModel, allow_loopback: None) -> None:
    fake_model.api_key = KEY
    endpoint = create(owner, base_url=fake_model.url, default_model="fake-model")
    assert post(owner, f"/api/model-endpoints/{endpoint['id']}/test", {}).json()["ok"] is True


def test_probe_never_sends_the_stored_key_to_another_server(
    owner: Any, fake_model: FakeModel, allow_loopback: None
) -> None:
    endpoint = create(owner)
    post(owner, f"/api/model-endpoints/{endpoint['id']}/test", {"base_url": fake_model.url})
    assert fake_model.requests
    assert all(KEY not in str(request.headers) for request in fake_model.requests)


# --- what can be chosen -----------------------------------------------------------------------------------------------
def choices(client: Any) -> list[dict[str, Any]]:
    return client.get("/api/models").json()["data"]


def test_models_without_any_endpoint_offers_the_demo(owner: Any) -> None:
    (demo,) = choices(owner)
    assert (demo["kind"], demo["model"], demo["is_default"]) == ("offline", "offline", True)
    assert (demo["input_price"], demo["output_price"]) == (0, 0)


def test_models_lists_what_endpoints_offer_and_asks_them_once(
    owner: Any, fake_model: FakeModel, allow_loopback: None
) -> None:
    fake_model.models = ["gpt-4o-mini", "fake-model", "text-embedding-3-small"]
    endpoint = create(owner, base_url=fake_model.url, default_model="fake-model")
    listed = choices(owner)
    assert [(one["endpoint_id"], one["model"], one["is_default"]) for one in listed] == [
        (endpoint["id"], "fake-model", True),
        (endpoint["id"], "gpt-4o-mini", False),
        (None, "offline", False),
    ]
    assert (listed[0]["input_price"], listed[0]["has_price"]) == (None, False)
    assert (listed[1]["input_price"], listed[1]["has_price"], listed[1]["context"]) == (0.15, True, 128_000)
    assert choices(owner) == listed
    assert len(fake_model.requests) == 1


def test_models_have_the_entered_prices_of_their_endpoint(
    owner: Any, fake_model: FakeModel, allow_loopback: None
) -> None:
    fake_model.models = ["fake-model", "gpt-4o-mini"]
    create(owner, base_url=fake_model.url, default_model="fake-model", input_price=3, output_price=4)
    listed = {one["model"]: (one["input_price"], one["output_price"], one["has_price"]) for one in choices(owner)}
    assert listed == {"fake-model": (3, 4, True), "gpt-4o-mini": (3, 4, True), "offline": (0, 0, True)}


def test_models_of_a_broken_endpoint_shows_its_default_alone(owner: Any) -> None:
    create(owner, base_url="https://no-such-host.invalid/v1")
    assert [one["model"] for one in choices(owner)] == ["big-1", "offline"]


def test_models_are_listed_in_time_however_many_endpoints_drip(
    owner: Any, allow_loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm.selectors.LIST_TIMEOUT", 0.5)
    with dripping(0.05) as server:
        for number in range(20):
            create(owner, name=f"Endpoint {number}", base_url=server.url)
        begun = time.monotonic()
        assert [one["model"] for one in choices(owner)] == ["big-1"] * 20 + ["offline"]
        assert time.monotonic() - begun < 4


def test_models_show_defaults_alone_while_others_of_the_workspace_ask(
    owner: Any, fake_model: FakeModel, allow_loopback: None
) -> None:
    create(owner, base_url=fake_model.url)
    with ExitStack() as stack:
        for _ in range(LISTINGS_PER_WORKSPACE):
            assert stack.enter_context(listings.take(owner.workspace.pk))
        assert [one["model"] for one in choices(owner)] == ["big-1", "offline"]
    assert [one["model"] for one in choices(owner)] == ["big-1", "fake-model", "offline"]


def test_models_offers_the_platforms(owner: Any, fake_model: FakeModel, settings: Any) -> None:
    settings.OPENAI_BASE_URL = fake_model.url
    settings.OPENAI_MODEL = "fake-model"
    assert [(one["kind"], one["model"], one["is_default"]) for one in choices(owner)] == [
        ("platform", "fake-model", True),
        ("offline", "offline", False),
    ]


def test_models_offers_an_ollama_until_it_is_connected(owner: Any, fake_model: FakeModel, settings: Any) -> None:
    assert owner.get("/api/models").json()["ollama"] is None
    settings.OLLAMA_URL = fake_model.url.removesuffix("/v1")
    offer = owner.get("/api/models").json()["ollama"]
    assert offer == {"name": "Ollama", "base_url": fake_model.url, "default_model": "fake-model",
                     "models": ["fake-model"]}  # fmt: skip
    create(owner, name="Ollama", base_url=offer["base_url"], default_model="fake-model")
    assert owner.get("/api/models").json()["ollama"] is None
