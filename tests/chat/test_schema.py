import pytest
from drf_spectacular.generators import SchemaGenerator

from chat.routing import http_routes, websocket_routes


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.mark.filterwarnings("ignore")
def test_schema_has_every_raw_route(schema):
    for route in http_routes:
        pattern = route.pattern.regex.pattern.removeprefix("^").removesuffix("$")
        path = "/" + pattern.replace("(?P<", "{").replace(">[^/]+)", "}").replace("\\.", ".")
        assert {method.upper() for method in schema["paths"][path]} == set(route.callback.methods)
    assert schema["components"]["schemas"]["ChatRequest"]["properties"]["message"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", ["/api/agents/{agent_id}/chat", "/api/v1/agents/{agent_id}/chat"])
def test_schema_tells_that_the_models_provider_may_limit_requests(schema, path):
    assert "429" in schema["paths"][path]["post"]["responses"]


RUNS = ("agents/{agent_id}/chat", "chat/completions", "responses", "agents/{agent_id}/mcp", "agents/{agent_id}/a2a")


@pytest.mark.filterwarnings("ignore")
def test_schema_tells_programs_how_to_repeat_a_request_and_when_a_budget_ends_it(schema):
    repeatable = {
        path.removeprefix("/api/v1/")
        for path, operations in schema["paths"].items()
        for operation in operations.values()
        if any(given["name"] == "Idempotency-Key" for given in operation.get("parameters", []))
    }
    assert repeatable == set(RUNS)
    for prefix in ("/api", "/api/v1"):
        assert "402" in schema["paths"][f"{prefix}/agents/{{agent_id}}/chat"]["post"]["responses"]


@pytest.mark.filterwarnings("ignore")
def test_schema_tells_the_limits_of_every_route_behind_a_key(schema):
    behind = [
        operation
        for operations in schema["paths"].values()
        for operation in operations.values()
        if operation.get("security") == [{"apiKey": []}]
    ]
    assert len(behind) > 15
    for operation in behind:
        name, responses = operation["operationId"], operation["responses"]
        assert {"401", "403"} <= responses.keys(), name
        if not name.endswith("_cancel"):  # stopping a run is not counted
            reset = "x-ratelimit-reset-requests" if "openai" in operation["tags"] else "X-RateLimit-Reset"
            assert reset in responses["200"]["headers"], name
            assert {reset, "Retry-After"} <= responses["429"]["headers"].keys(), name


def test_every_raw_route_declares_a_policy():
    assert all(route.callback.policy for route in (*http_routes, *websocket_routes))
