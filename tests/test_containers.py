"""Dockerfile and compose.yaml against the repository: what they name exists."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
# Python's and pip's own.
OTHERS = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK"}
COMMANDS = {path.stem for path in (ROOT / "gilo" / "management" / "commands").glob("[a-z]*.py")}


def is_setting(name: str) -> bool:
    return name.removesuffix("_FILE") in SETTINGS


def test_dockerfile_sets_only_documented_variables():
    names = {
        pair.split("=")[0] for line in re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE) for pair in line.split()
    }
    assert {name for name in names - OTHERS if not is_setting(name)} == set()


def test_dockerfile_names_files_that_exist():
    for source in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists(), source
    for script in re.findall(r"(scripts/\w+\.py|requirements/\w+\.txt|manage\.py)", DOCKERFILE):
        assert (ROOT / script).exists(), script


def test_dockerfile_ends_as_an_unprivileged_user_with_a_health_check():
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert re.search(r"^USER (?!root)\w+", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    command = json.loads(re.findall(r"^CMD (.*)$", last, re.MULTILINE)[-1])
    assert command[-1] in COMMANDS


def test_both_stages_build_on_the_same_image():
    assert len(set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))) == 1


def test_compose_gives_only_documented_variables():
    for service in ("web", "worker"):
        names = set(COMPOSE["services"][service]["environment"])
        assert {name for name in names if not is_setting(name)} == set()


def test_compose_lets_every_documented_setting_through_but_those_of_its_own_making():
    own = {"GILO_PRODUCTION", "GILO_DATA_DIR", "HOST", "PORT", "REDIS_URL"}
    own |= {"DATABASE_URL", "SECRET_KEY", "GILO_ENCRYPTION_KEYS"}  # deploy/make-secrets.sh makes them
    for service in ("web", "worker"):
        assert COMPOSE["services"][service]["env_file"] == [{"path": ".env", "required": False}]
        given = COMPOSE["services"][service]["environment"]
        fixed = {name.removesuffix("_FILE") for name, value in given.items() if f"${{{name}:-" not in str(value)}
        assert fixed == own


def test_compose_repeats_what_the_image_sets_because_its_env_file_would_win_otherwise():
    of_image = dict(
        pair.split("=") for pair in re.findall(r"\b[A-Z_]+=\S+", DOCKERFILE) if is_setting(pair.split("=")[0])
    )
    assert "PORT" in of_image
    for service in ("web", "worker"):
        assert of_image.items() <= COMPOSE["services"][service]["environment"].items()


def test_compose_runs_commands_that_exist():
    assert COMPOSE["services"]["worker"]["command"][-1] in COMMANDS


def test_compose_mounts_every_secret_that_it_names_and_makes():
    made = (ROOT / "deploy" / "make-secrets.sh").read_text()
    for name, secret in COMPOSE["secrets"].items():
        assert f"secrets/{name}" in made
        assert secret["file"] == f"deploy/secrets/{name}"
    for service in COMPOSE["services"].values():
        mounted = set(service.get("secrets", []))
        wanted = (
            {str(value).rpartition("/")[2] for value in service["environment"].values()}
            if "environment" in service
            else set()
        )
        assert {name for name in wanted if name in COMPOSE["secrets"]} <= mounted


def test_compose_waits_for_health():
    services = COMPOSE["services"]
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert "healthcheck" in services[other] or services[other].get("build"), other


def test_no_secret_is_in_the_build_context():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".data", "deploy/secrets", ".env", ".git"} <= set(ignored)
