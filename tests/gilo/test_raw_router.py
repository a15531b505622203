"""Where a request's way leads, before Django."""

from typing import Any

import pytest
from django.urls import re_path

from chat.routing import http_routes
from gilo.raw_router import RawRouter


def send_to(path: str) -> tuple[str, dict[str, str]]:
    """(what answers, what the path names)"""

    def answering(name: str) -> Any:
        return lambda scope, _receive, _send: (name, scope.get("url_route", {}).get("kwargs", {}))

    routes = [
        re_path(r"^api/v1/models$", answering("models")),
        re_path(r"^api/v1/models/(?P<model>[^/]+)$", answering("model")),
    ]
    found: Any = RawRouter(routes, answering("django"))({"path": path}, None, None)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/v1/models", ("models", {})),
        ("/api/v1/models/guide", ("model", {"model": "guide"})),
        ("/api/v1/models/", ("django", {})),
        ("/api/v1/models/guide/", ("django", {})),
        ("/api/v1/models\n", ("django", {})),
        ("/api/v1/modelsx", ("django", {})),
        ("/x/api/v1/models", ("django", {})),
        ("/", ("django", {})),
    ],
)
def test_router_leads_to_the_endpoint_of_the_whole_path_else_to_django(path: str, answer: tuple[str, Any]) -> None:
    assert send_to(path) == answer


def test_routes_without_parameters_are_looked_up() -> None:
    router = RawRouter(http_routes, None)
    assert {"api/v1/chat/completions", "api/v1/responses"} <= router._by_path.keys()
    assert len(router._by_path) + len(router._by_pattern) == len(http_routes)
