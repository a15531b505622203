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


def test_every_raw_route_declares_a_policy():
    assert all(route.callback.policy for route in (*http_routes, *websocket_routes))
