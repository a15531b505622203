"""The reference of one agent: its own endpoints, variables, question and limits."""

import pytest

from accounts.models import Membership, Role, Workspace
from gilo.agent_reference import find_variables, list_operations, make_example
from tests.factories import make_agent, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def agent(owner):
    workspace = Workspace.objects.get(memberships__user=owner)
    return make_agent(
        workspace,
        instructions="Answer for {{company}} and {{ town }}, {{company}} first.",
        suggested_questions=("When do you open?",),
        max_tokens=777,
    )


def test_variables_are_found_once_each_in_order():
    assert find_variables("{{b}} {{ a }} {{b}} {{1no}} {{not closed {{été}}") == ["b", "a", "été"]


def test_operations_are_those_of_a_key_with_the_agents_id_the_chat_first(agent):
    operations = list_operations(agent)
    assert operations[0].path == f"/api/v1/agents/{agent.pk}/chat"
    assert all(operation.path.startswith("/api/v1/") for operation in operations)
    assert not [operation for operation in operations if "{agent_id}" in operation.path]
    assert "/api/v1/chat/completions" in {operation.path for operation in operations}


def test_example_asks_the_agents_own_question_with_its_variables(agent):
    from agents.config import AgentConfig

    example = make_example(agent, AgentConfig.from_json(agent.draft_version.config))
    assert '"message": "When do you open?"' in example.request
    assert '"company": "…"' in example.request


def test_page_shows_all_of_it_to_members_only(client, owner, agent, django_assert_max_num_queries):
    client.force_login(owner)
    client.get(f"/agents/{agent.pk}/reference")  # describes the whole API, once in a process
    with django_assert_max_num_queries(10):
        page = client.get(f"/agents/{agent.pk}/reference").content.decode()
    for text in (
        str(agent.pk),
        "company",
        "town",
        "When do you open?",
        "777 tokens",
        "run.finished",
        "X-RateLimit-Limit",
    ):
        assert text in page, text
    client.force_login(make_user())
    assert client.get(f"/agents/{agent.pk}/reference").status_code == 404


def test_viewer_reads_the_reference(client, agent):
    viewer = make_user()
    Membership.objects.filter(user=viewer).delete()
    Membership.objects.create(workspace=agent.workspace, user=viewer, role=Role.VIEWER)
    client.force_login(viewer)
    assert client.get(f"/agents/{agent.pk}/reference").status_code == 200
