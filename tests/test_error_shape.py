"""No input gives a 5xx, and every refusal has the one shape: tried on every API route there is."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.core.management import call_command

from tests.live import PROGRAM, LiveServer
from tests.routes import Route, all_routes
from tests.test_tenancy import SHARED_PARAMETERS, UPLOADS, World, without_request_id
from tests.world import make_place

API = [route for route in all_routes() if route.kind in {"api", "asgi"}]
WRITES = [(route, method) for route in API for method in route.methods if method in {"POST", "PUT", "PATCH"}]
JSON_WRITES = [(route, method) for route, method in WRITES if route.template not in UPLOADS]
LISTS = [route for route in API if "GET" in route.methods]
# These take no body: what is sent is never read, so the answer is that of a request without one.
BODILESS = {
    "/api/agents/{agent_id}/deploy",
    "/api/agents/{agent_id}/api-keys/{key_id}/identity-secret",
    "/api/agents/{agent_id}/versions/{number}/rollback",
    "/api/agents/{agent_id}/knowledge/{document_id}/retry",
    "/api/agents/{agent_id}/webhooks/{webhook_id}/test",
    "/api/agents/{agent_id}/webhooks/{webhook_id}/rotate-secret",  # the overlap has a default
    "/api/agents/{agent_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    "/api/agents/from-template/{template_id}",
    "/api/auth/logout",
    "/api/auth/verify-email/resend",
    "/api/model-endpoints/{endpoint_id}/test",
    "/api/runs/{run_id}/cancel",
    "/api/v1/runs/{run_id}/cancel",
    "/api/v1/responses/{response_id}/cancel",
    "/api/store/mine/{listing_id}/unpublish",
}
OPTIONAL_BODY = {"/api/agents/{agent_id}/api-keys/{key_id}/rotate", "/api/store/mine/{listing_id}/publish"}
# (name, bytes on the wire): SAFETY rows 20, 23, 24
BROKEN_BODIES = {
    "no body": b"",
    "half an object": b'{"a": ',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "100k deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "a key twice": b'{"name": "a", "name": "b"}',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "a million digits": b'{"name": ' + b"9" * 1_000_000 + b"}",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "a string": b'"x"',
    "NUL": b'{"name": "a\\u0000b", "message": "a\\u0000b", "email": "a\\u0000b"}',
    "lone surrogate": b'{"name": "\\ud800", "message": "\\ud800", "email": "\\ud800"}',
    "unknown field": b'{"no_such_field": 1}',
    "protected fields": b'{"id": "x", "workspace": "x", "owner": "x", "is_staff": true, "plan": "team"}',
    "dunder field": b'{"__class__": "x", "workspace__name": "x"}',
}
WRONG_TYPES = [None, "", 0, -1, 1e308, True, [], {}, [None], {"a": []}, "x" * 100_000]
FIELDS = ("name", "message", "email", "password", "query", "value", "config", "refresh", "key", "model", "messages")
HOSTILE_QUERIES = {
    "limit=1000000000": {"limit": "1000000000"},
    "limit=-1": {"limit": "-1"},
    "limit=x": {"limit": "x"},
    "limit NUL": {"limit": "\x00"},
    "forged cursor": {"cursor": "bm90IGEgY3Vyc29y"},
    "cursor garbage": {"cursor": "\x00\xff%%%"},
    "cursor p=": {"cursor": "cD0nIE9SIDE9MQ=="},
    "ordering": {"ordering": "created_by__password", "order_by": "password"},
    "dunder lookup": {"workspace__name__startswith": "a", "agent__workspace": "x", "id__in": "1"},
    "after": {"after": "-1"},
}


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock():
        with LiveServer() as server:
            yield World(server.url, make_place(), make_place())
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def credentials(world: World) -> dict[bool, dict[str, Any]]:
    """For programs (True) and for members (False); made once, since sign-in costs more than the requests."""
    return {route.opens_with_key: world.as_me(route) for route in API}


def send(world: World, route: Route, method: str, credentials: dict[bool, Any], **extra: Any) -> requests.Response:
    path = route.template.format(**{**SHARED_PARAMETERS, **world.mine.ids})
    known = credentials[route.opens_with_key]
    headers = {**known["headers"], **extra.pop("headers", {})}
    extra |= {"cookies": known.get("cookies"), "headers": headers, "allow_redirects": False, "timeout": 30}
    return PROGRAM.request(method, world.url + path, **extra)


def assert_refused(response: requests.Response, what: str) -> None:
    assert 400 <= response.status_code < 500, f"{what}: {response.status_code} {response.text[:300]}"
    assert_shape(response, what)


def assert_shape(response: requests.Response, what: str = "") -> None:
    assert response.headers["Content-Type"].startswith("application/json"), f"{what}: {response.text[:300]}"
    body = response.json()
    error = read_rpc_error(body, what) if "jsonrpc" in body else body["error"]
    assert "jsonrpc" in body or set(body) == {"error"}, what
    assert set(error) - {"errors"} == {"type", "code", "message", "param", "request_id"}, what
    assert all(isinstance(error[name], str) and error[name] for name in ("type", "code", "message", "request_id")), what
    assert error["request_id"] == response.headers["X-Request-Id"], what
    for field in error.get("errors", []):
        assert set(field) == {"param", "message"}, what


def read_rpc_error(body: dict[str, Any], what: str) -> dict[str, Any]:
    """JSON-RPC (MCP, A2A) has a shape of its own for errors, which carries ours."""
    assert set(body) == {"jsonrpc", "id", "error"}, what
    assert set(body["error"]) == {"code", "message", "data"}, what
    assert isinstance(body["error"]["code"], int), what
    assert body["error"]["message"] == body["error"]["data"]["message"], what
    return body["error"]["data"]


def named(pairs: list[tuple[Route, str]]) -> Any:
    return pytest.mark.parametrize(("route", "method"), pairs, ids=[f"{method} {route}" for route, method in pairs])


@named([(route, method) for route, method in JSON_WRITES if route.template not in BODILESS])
def test_broken_json_is_refused(route, method, world, credentials):
    for name, body in BROKEN_BODIES.items():
        headers = {"Content-Type": "application/json"}
        response = send(world, route, method, credentials, data=body, headers=headers)
        if name == "no body" and (method == "PATCH" or route.template in OPTIONAL_BODY) and response.ok:
            continue  # nothing to change, or all as usual
        assert_refused(response, name)
        assert response.elapsed.total_seconds() < 5, name


@named(JSON_WRITES)
def test_wrong_types_never_give_a_5xx(route, method, world, credentials):
    for value in WRONG_TYPES:
        response = send(world, route, method, credentials, json=dict.fromkeys(FIELDS, value))
        assert response.status_code < 500, f"{value!r}: {response.text[:300]}"
        if response.status_code >= 400:
            assert_shape(response, repr(value)[:50])


@named(WRITES)
def test_other_content_types_are_refused_or_ignored(route, method, world, credentials):
    for content_type in (
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "x",
    ):
        response = send(world, route, method, credentials, data=b"<a/>", headers={"Content-Type": content_type})
        assert response.status_code < 500, f"{content_type}: {response.text[:300]}"
        if response.status_code >= 400:
            assert_shape(response, content_type)


@pytest.mark.parametrize("route", API, ids=str)
def test_wrong_method_is_405_in_the_shape_and_says_which_are_right(route, world, credentials):
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - set(route.methods):
        response = send(world, route, method, credentials)
        assert response.status_code == 405, f"{method}: {response.text[:300]}"
        assert_shape(response, method)
        assert set(route.methods) <= {name.strip() for name in response.headers["Allow"].split(",")}


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_hostile_queries_are_refused_or_clamped(route, world, credentials):
    for name, query in HOSTILE_QUERIES.items():
        response = send(world, route, "GET", credentials, params=query)
        assert response.status_code < 500, f"{name}: {response.text[:300]}"
        if response.status_code >= 400:
            assert_shape(response, name)
        elif response.headers["Content-Type"] == "application/json" and "data" in response.json():
            assert len(response.json()["data"]) <= 100, name


@pytest.mark.parametrize("route", [route for route in API if route.parameters], ids=str)
def test_malformed_ids_answer_like_missing_ones(route, world, credentials):
    for bad in ("x", "1", "%00", "..%2f..", "%F0%9F%98%80", "'", "0" * 5000):
        names = [name for name in route.parameters if name not in SHARED_PARAMETERS]
        if not names:
            return
        path = route.template.format(**{**SHARED_PARAMETERS, **world.mine.ids, names[-1]: bad})
        known = credentials[route.opens_with_key]
        if names[-1] == "number" and bad == "1":
            continue  # the first version's number
        method = route.methods[0]
        body = {"json": {}} if method in {"POST", "PATCH"} else {}
        response = PROGRAM.request(
            method, world.url + path, cookies=known.get("cookies"), headers=known["headers"], timeout=30, **body
        )
        assert response.status_code in {400, 404, 414}, f"{bad}: {response.status_code} {response.text[:300]}"
        if response.status_code == 404:
            assert_shape(response, bad)


@pytest.mark.django_db  # needs no rows, but pytest-django makes the database only when a test says so
@pytest.mark.parametrize("path", ["/api/no-such-thing", "/api/agents/", "/api/v1/nothing", "/api/../api/x"])
def test_unknown_api_paths_answer_404_in_the_shape(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
    assert response.json()["error"]["request_id"] == response["X-Request-Id"]


def test_unknown_page_is_a_page(world):
    response = requests.get(f"{world.url}/no-such-page", headers={"Accept": "text/html"}, timeout=30)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_forged_host_is_refused(world):
    response = requests.get(f"{world.url}/api/agents", headers={"Host": "evil.example"}, timeout=30)
    assert response.status_code == 400
    assert_shape(response)


def test_a_request_id_of_the_callers_own_is_kept_and_a_hostile_one_is_not(world):
    kept = requests.get(f"{world.url}/api/agents", headers={"X-Request-Id": "trace-12345678"}, timeout=30)
    assert kept.json()["error"]["request_id"] == "trace-12345678"
    replaced = requests.get(f"{world.url}/api/agents", headers={"X-Request-Id": "<script>"}, timeout=30)
    assert "script" not in replaced.headers["X-Request-Id"]
    assert without_request_id(kept) == without_request_id(replaced)
