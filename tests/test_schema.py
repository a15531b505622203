"""The OpenAPI schema: complete, without warnings, and true under generated requests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as conformance
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import FailureGroup

from tests.live import LiveServer
from tests.routes import Route, all_routes
from tests.test_tenancy import World
from tests.world import CSRF_HEADERS, cookies_of, make_place

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


class Caller(World):
    """Keeps one session: what a test itself makes is in its own transaction, which the server does not see."""

    def as_me(self, route: Route) -> dict[str, Any]:
        return super().as_me(route) if route.opens_with_key else self.session

    @cached_property
    def session(self) -> dict[str, Any]:
        return {"cookies": cookies_of(self.mine.owner), "headers": CSRF_HEADERS}


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[Caller]:
    with django_db_blocker.unblock():
        with LiveServer() as server:
            caller = Caller(server.url, make_place(), make_place())
            assert caller.session
            yield caller
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
    # Programs' routes first: the members' ones change, switch off and revoke what opens them. What deletes comes last.
    return sorted(found, key=lambda one: (not one.path.startswith("/api/v1/"), one.method.upper() == "DELETE"))


def test_generated_requests_are_answered_as_the_schema_says(world, operations):
    """Every operation with generated bodies, queries and paths; real ids are filled in, so that views are reached.

    No 5xx; and each status, type and body that comes is one that the schema tells of.
    """
    refused: list[str] = []
    closed: set[str] = set()
    for operation in operations:
        credentials = world.as_me(next(r for r in all_routes() if r.template == operation.path))
        failures, statuses = _try_out(world, operation, credentials)
        refused += failures[:1]
        if statuses == {401}:
            closed.add(operation.path)
    assert refused == []
    assert closed == set()  # else nothing was tried


CHECKS: list[Any] = [
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]


def _try_out(world: World, operation: Any, credentials: dict[str, Any]) -> tuple[list[str], set[int]]:
    """What was not as it should be, and which statuses came."""
    found: list[str] = []
    statuses: set[int] = set()
    if (operation.path, operation.method.upper()) in WOULD_END_THE_WALK:
        return found, statuses

    @given(case=operation.as_strategy())
    @EXAMPLES
    def run(case: Any) -> None:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = world.mine.ids.get(name, case.path_parameters[name])
        _drop_credentials(case)
        response = case.call(timeout=30, **credentials)
        statuses.add(response.status_code)
        what = f"{case.method} {case.formatted_path} {case.body!r:.200} → {response.status_code}"
        if response.status_code >= 500:
            found.append(what)
        elif not response.headers.get("content-type", [""])[0].startswith("text/event-stream"):
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as failures:
                found.extend(f"{what}: {failure}" for failure in failures.exceptions)

    run()
    return found, statuses


def _drop_credentials(case: Any) -> None:
    """The invented ones: a token that is sent but wrong is refused, whatever cookie comes with it."""
    for sent in (case.headers, case.cookies):
        for name in ("Authorization", "X-API-Key", "sessionid"):
            (sent or {}).pop(name, None)


# With real ids these would delete what the others need; tests of their own cover them.
WOULD_END_THE_WALK = {("/api/agents/{agent_id}", "DELETE"), ("/api/auth/logout", "POST")}
