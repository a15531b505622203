import uuid

import pytest
from django.test import Client

from accounts.models import Role
from agents.models import Agent, AgentVersion
from llm.models import ModelEndpoint
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in():
    workspace, user = make_workspace()
    client = Client()
    client.force_login(user)
    client.workspace = workspace
    return client


def post(client, path, body):
    return client.post(path, body, content_type="application/json")


def patch(client, path, body):
    return client.patch(path, body, content_type="application/json")


def test_create_agent_answers_its_configuration_and_first_version(signed_in):
    response = post(signed_in, "/api/agents", {"name": "Support", "config": {"temperature": 0.5}})
    assert response.status_code == 201
    agent = response.json()
    assert agent["status"] == "draft"
    assert (agent["version"], agent["live_version"]) == (1, None)
    assert agent["config"]["temperature"] == 0.5
    assert agent["config"]["knowledge_enabled"] is True
    assert signed_in.get(f"/api/agents/{agent['id']}").json() == agent


@pytest.mark.parametrize("field", ["id", "workspace", "owner", "status", "plan", "created_at", "is_staff"])
def test_create_agent_refuses_fields_it_does_not_own(signed_in, field):
    response = post(signed_in, "/api/agents", {"name": "Support", field: "x"})
    assert response.status_code == 422
    assert response.json()["error"]["errors"] == [{"param": field, "message": "This field is not known here."}]
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    "config",
    [
        {"temperature": 3},
        {"max_tokens": 0},
        {"suggested_questions": ["a"] * 7},
        {"appearance": {"color": "red", "color_2": "#000000", "glyph": ""}},
        {"endpoint_id": "nope"},
        {"openai_system_messages": "allow"},
        {"openai_temperature": "append"},
        {"unknown": 1},
    ],
)
def test_save_config_refuses_what_is_out_of_range(signed_in, config):
    agent = make_agent(signed_in.workspace)
    response = patch(signed_in, f"/api/agents/{agent.pk}/config", config)
    assert response.status_code == 422
    assert AgentVersion.objects.count() == 1


def test_save_config_makes_a_version_only_when_something_changed(signed_in):
    agent = make_agent(signed_in.workspace)
    path = f"/api/agents/{agent.pk}/config"
    assert patch(signed_in, path, {"instructions": "Be brief."}).json()["version"] == 2
    again = patch(signed_in, path, {"instructions": "Be brief."}).json()
    assert (again["version"], again["config"]["instructions"]) == (2, "Be brief.")


def test_save_config_takes_what_openai_clients_may_set(signed_in):
    agent = make_agent(signed_in.workspace)
    chosen = {"openai_system_messages": "refuse", "openai_temperature": "ignore"}
    config = patch(signed_in, f"/api/agents/{agent.pk}/config", chosen).json()["config"]
    assert {name: config[name] for name in chosen} == chosen


def test_save_config_on_a_stale_version_conflicts(signed_in):
    agent = make_agent(signed_in.workspace)
    path = f"/api/agents/{agent.pk}/config"
    patch(signed_in, path, {"temperature": 0.1, "version": 1})
    response = patch(signed_in, path, {"temperature": 0.9, "version": 1})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "version_conflict"
    assert signed_in.get(f"/api/agents/{agent.pk}").json()["config"]["temperature"] == 0.1


def test_deploy_puts_the_draft_live_and_rollback_brings_an_earlier_one_back(signed_in):
    agent = make_agent(signed_in.workspace, instructions="first")
    path = f"/api/agents/{agent.pk}"
    patch(signed_in, f"{path}/config", {"instructions": "second"})
    deployed = signed_in.post(f"{path}/deploy").json()
    assert (deployed["status"], deployed["live_version"]) == ("deployed", 2)
    restored = signed_in.post(f"{path}/versions/1/rollback").json()
    assert (restored["config"]["instructions"], restored["version"], restored["live_version"]) == ("first", 3, 2)
    assert [version["number"] for version in signed_in.get(f"{path}/versions").json()["data"]] == [3, 2, 1]


def test_delete_agent_removes_it(signed_in):
    agent = make_agent(signed_in.workspace)
    assert signed_in.delete(f"/api/agents/{agent.pk}").status_code == 204
    assert signed_in.get(f"/api/agents/{agent.pk}").status_code == 404


def test_api_key_is_shown_once_and_gone_when_revoked(signed_in):
    agent = make_agent(signed_in.workspace)
    path = f"/api/agents/{agent.pk}/api-keys"
    made = post(signed_in, path, {"name": "Site"}).json()
    assert made["key"].startswith(made["prefix"])
    listed = signed_in.get(path).json()["data"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert "key" not in listed[0]
    assert signed_in.delete(f"{path}/{made['id']}").status_code == 204
    assert signed_in.get(path).json()["data"] == []
    assert signed_in.delete(f"{path}/{made['id']}").status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_list_agents_costs_the_same_queries_for_any_number(signed_in, django_assert_num_queries, rows):
    for _ in range(rows):
        make_agent(signed_in.workspace)
    with django_assert_num_queries(4):  # session, user, membership, agents
        assert len(signed_in.get("/api/agents").json()["data"]) == rows


def test_list_agents_pages_by_cursor(signed_in):
    for _ in range(3):
        make_agent(signed_in.workspace)
    first = signed_in.get("/api/agents?limit=2").json()
    second = signed_in.get(f"/api/agents?limit=2&cursor={first['next']}").json()
    assert (len(first["data"]), len(second["data"]), second["next"]) == (2, 1, None)
    assert signed_in.get("/api/agents?cursor=forged").status_code == 400
    assert len(signed_in.get("/api/agents?limit=1000000000").json()["data"]) == 3


@pytest.mark.parametrize(
    ("role", "method", "path", "expected"),
    [
        (Role.VIEWER, "get", "", 200),
        (Role.VIEWER, "patch", "", 403),
        (Role.VIEWER, "delete", "", 403),
        (Role.VIEWER, "post", "/deploy", 403),
        (Role.VIEWER, "get", "/api-keys", 403),
        (Role.EDITOR, "patch", "", 200),
        (Role.EDITOR, "delete", "", 403),
        (Role.EDITOR, "post", "/deploy", 200),
    ],
)
def test_roles_decide_who_may(client, role, method, path, expected):
    workspace, user = make_workspace(role=role)
    agent = make_agent(workspace)
    client.force_login(user)
    response = getattr(client, method)(f"/api/agents/{agent.pk}{path}", {}, content_type="application/json")
    assert response.status_code == expected


def test_foreign_agent_is_as_missing_as_none(signed_in):
    foreign = make_agent(make_workspace()[0])
    one = signed_in.get(f"/api/agents/{foreign.pk}").json()["error"]
    other = signed_in.get(f"/api/agents/{uuid.uuid4()}").json()["error"]
    assert {**one, "request_id": ""} == {**other, "request_id": ""}


def test_agent_from_template_has_its_instructions_in_the_readers_language(signed_in):
    templates = signed_in.get("/api/templates").json()["data"]
    assert "support" in {template["id"] for template in templates}
    made = signed_in.post("/api/agents/from-template/support").json()
    assert "refund" in made["config"]["instructions"]
    assert signed_in.post("/api/agents/from-template/none").status_code == 404


def make_endpoint(workspace):
    return ModelEndpoint.objects.create(workspace=workspace, name="Mine", base_url="https://models.example/v1")


def test_model_endpoint_of_another_workspace_is_missing(signed_in):
    foreign = {"endpoint_id": str(make_endpoint(make_workspace()[0]).pk)}
    assert post(signed_in, "/api/agents", {"name": "Support", "config": foreign}).status_code == 404
    assert not signed_in.workspace.agents.exists()
    agent = make_agent(signed_in.workspace)
    assert patch(signed_in, f"/api/agents/{agent.pk}/config", foreign).status_code == 404
    assert agent.versions.count() == 1


def test_model_endpoint_that_is_gone_does_not_hinder_other_changes(signed_in):
    endpoint = make_endpoint(signed_in.workspace)
    agent = make_agent(signed_in.workspace)
    chosen = {"endpoint_id": str(endpoint.pk)}
    assert patch(signed_in, f"/api/agents/{agent.pk}/config", chosen).status_code == 200
    endpoint.delete()
    saved = patch(signed_in, f"/api/agents/{agent.pk}/config", {**chosen, "temperature": 1})
    assert (saved.status_code, saved.json()["version"]) == (200, 3)
