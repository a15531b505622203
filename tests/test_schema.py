"""The OpenAPI schema: complete, without warnings, and true under generated requests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings

from tests.live import LiveServer
from tests.routes import all_routes
from tests.test_tenancy import World
from tests.world import make_place

pytestmark = [
    pytest.mark.django_db,
    # The server runs in this process and draws random numbers of its own while Hypothesis draws a case.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"),
]
ROOT = Path(__file__).resolve().parent.parent
# Served, but not part of what programs are told about.
UNDOCUMENTED = {"/api/schema", "/api/docs", "/api/health"}


def test_schema_generates_without_a_warning(tmp_path):
    result = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "spectacular",
            "--fail-on-warn",
            "--validate",
            "--file",
            str(tmp_path / "schema"),
        ],
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "GILO_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_every_api_route_is_in_the_schema():
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    documented = {(path, method.upper()) for path, operations in paths.items() for method in operations}
    served = {
        (route.template, method)
        for route in all_routes()
        if route.kind in {"api", "asgi"} and route.template not in UNDOCUMENTED
        for method in route.methods
    }
    assert served - documented == set()
    assert {path for path, _ in documented} - {path for path, _ in served} <= UNDOCUMENTED


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock():
        with LiveServer() as server:
            yield World(server.url, make_place(), make_place())
        call_command("flush", interactive=False, verbosity=0)


EXAMPLES = settings(
    max_examples=int(os.environ.get("GILO_SCHEMA_EXAMPLES", "5")),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def operations(world: World) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{world.url}/api/schema")
    found = [result.ok() for result in schema.get_all_operations()]
    # Programs' routes first: the members' ones change, switch off and revoke what opens them.
    return sorted(found, key=lambda operation: not operation.path.startswith("/api/v1/"))


def test_generated_requests_never_give_a_5xx(world, operations):
    """Every operation with generated bodies, queries and paths; real ids are filled in, so that views are reached."""
    refused: list[str] = []
    for operation in operations:
        credentials = world.as_me(next(r for r in all_routes() if r.template == operation.path))
        failure = _first_failure(world, operation, credentials)
        if failure:
            refused.append(failure)
    assert refused == []


def _first_failure(world: World, operation: Any, credentials: dict[str, Any]) -> str:
    found: list[str] = []
    if (operation.path, operation.method.upper()) in WOULD_END_THE_WALK:
        return ""

    @given(case=operation.as_strategy())
    @EXAMPLES
    def run(case: Any) -> None:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = world.mine.ids.get(name, case.path_parameters[name])
        response = case.call(timeout=30, **credentials)
        if response.status_code >= 500:
            found.append(f"{case.method} {case.formatted_path} {case.body!r:.200} → {response.status_code}")

    run()
    return found[0] if found else ""


# With real ids these would delete what the others need; tests of their own cover them.
WOULD_END_THE_WALK = {("/api/agents/{agent_id}", "DELETE"), ("/api/auth/logout", "POST")}
