"""The builder page, as the server sends it."""

import json
import re

import pytest
from django.test import Client

from accounts.models import Membership, Role, Workspace
from agents.deployment import update_deployment
from llm.models import ModelEndpoint
from tests.factories import make_agent, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def agent(owner):
    return make_agent(Workspace.objects.get(memberships__user=owner))


def page_of(client: Client, agent, query: str = "") -> str:
    answer = client.get(f"/agents/{agent.pk}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script id="agent-data" type="application/json">(.*?)</script>', page)[1])


def selected_tab(page: str) -> str:
    return re.search(r'data-tab="(\w+)"[^>]*aria-selected="true"', page)[1]


def test_builder_holds_the_agent_for_reading_and_for_scripts(client, owner, agent):
    client.force_login(owner)
    page = page_of(client, agent)
    assert data_of(page)["id"] == str(agent.pk)
    assert data_of(page)["can_edit"] is True
    assert agent.draft_version.config["instructions"] in page
    assert "csrftoken" in client.cookies


@pytest.mark.parametrize(
    ("query", "tab"), [("", "instructions"), ("?tab=knowledge", "knowledge"), ("?tab=<x>", "instructions")]
)
def test_tab_comes_from_the_query(client, owner, agent, query, tab):
    client.force_login(owner)
    assert selected_tab(page_of(client, agent, query)) == tab


def test_viewer_reads_but_gets_no_way_to_change(client, agent):
    viewer = make_user()
    Membership.objects.filter(user=viewer).delete()
    Membership.objects.create(workspace=agent.workspace, user=viewer, role=Role.VIEWER)
    client.force_login(viewer)
    page = page_of(client, agent)
    assert data_of(page)["can_edit"] is False
    assert 'id="deploy-button"' not in page
    assert 'id="keys"' not in page
    assert re.search(r'id="instructions"[^>]* readonly', page)


def test_foreign_agent_is_not_found(client, agent):
    client.force_login(make_user())
    assert client.get(f"/agents/{agent.pk}").status_code == 404


def test_builder_asks_the_database_a_fixed_number_of_times(client, owner, agent, django_assert_max_num_queries):
    client.force_login(owner)
    page_of(client, agent)
    with django_assert_max_num_queries(12):
        page_of(client, agent)


def test_builder_says_at_once_what_would_move_the_page_later(client, owner, agent):
    client.force_login(owner)
    page = page_of(client, agent)
    assert data_of(page)["default_is_demo"] is True
    assert re.search(r"data-hosted-address hidden", page)
    place = {"name": "Mine", "base_url": "https://models.example/v1", "default_model": "m"}
    ModelEndpoint.objects.create(workspace=agent.workspace, is_default=True, **place)
    update_deployment(agent=agent, actor=owner, hosted_enabled=True)
    page = page_of(client, agent)
    assert data_of(page)["default_is_demo"] is False
    assert not re.search(r"data-hosted-address hidden", page)
