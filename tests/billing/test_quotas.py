"""Quotas: fifty at the limit admit exactly what fits; nothing is deleted when a plan shrinks."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import DataError, connection, transaction
from django.test import Client

from accounts.models import Workspace
from accounts.selectors import principal_of
from agents.models import Agent
from agents.services import create_agent, delete_agent, save_config
from billing import quotas
from billing.errors import OverQuota, QuotaExceeded
from billing.models import QuotaNotice, QuotaUse, Resource
from knowledge.models import Document
from knowledge.services import add_document, delete_document
from tests.factories import make_agent, make_workspace
from tests.routes import all_routes
from tests.test_tenancy import BODIES, UPLOADS
from tests.world import make_place


def used(workspace: Workspace, resource: str = Resource.AGENTS) -> int:
    return QuotaUse.objects.get(workspace=workspace, resource=resource).used


def make_agents(workspace: Workspace, count: int) -> list[Agent]:
    return [make_agent(workspace, name=f"Agent {number}") for number in range(count)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("resource", [Resource.AGENTS, Resource.MEMBERS])
def test_fifty_at_once_with_room_for_one_admit_one(resource: str) -> None:
    workspace, _ = make_workspace()
    Workspace.objects.filter(pk=workspace.pk).update(plan="team")
    limit = quotas.limit_of(quotas.plan_of("team"), resource)
    QuotaUse.objects.create(workspace=workspace, resource=resource, used=limit - 1)

    def take(_: int) -> bool:
        try:
            quotas.take(workspace_id=workspace.pk, resource=resource)
        except QuotaExceeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(take, range(50))) == 1
    assert used(workspace, resource) == limit


@pytest.mark.django_db
def test_an_agent_too_many_is_refused_in_words_and_a_deleted_one_makes_room() -> None:
    workspace, user = make_workspace()
    agents = make_agents(workspace, 5)
    client = Client()
    client.force_login(user)
    response = client.post("/api/agents", {"name": "Sixth"}, content_type="application/json")
    assert response.status_code == 402
    error = response.json()["error"]
    assert error["code"] == "quota_exceeded"
    assert error["message"] == "The Free plan has room for 5 agents. Delete one, or choose a larger plan."
    assert Agent.objects.for_workspace(workspace).count() == used(workspace) == 5
    delete_agent(agent=agents[0])
    make_agent(workspace)
    assert used(workspace) == 5


@pytest.mark.django_db
def test_a_failed_creation_counts_nothing() -> None:
    workspace, _ = make_workspace()
    make_agent(workspace)
    with pytest.raises(DataError), transaction.atomic():
        create_agent(workspace_id=workspace.pk, actor=None, name="x" * 200)
    assert used(workspace) == 1


@pytest.mark.django_db
def test_a_workspace_older_than_its_counters_is_counted_at_first() -> None:
    workspace, _ = make_workspace()
    make_agents(workspace, 4)
    QuotaUse.objects.all().delete()
    assert quotas.read_use(workspace.pk, Resource.AGENTS) == 4
    make_agent(workspace)
    with pytest.raises(QuotaExceeded):
        make_agent(workspace)
    assert used(workspace) == 5


@pytest.mark.django_db
def test_a_smaller_plan_leaves_the_newest_read_only_and_deletes_nothing() -> None:
    workspace, user = make_workspace()
    Workspace.objects.filter(pk=workspace.pk).update(plan="pro")
    agents = make_agents(workspace, 6)
    Workspace.objects.filter(pk=workspace.pk).update(plan="")
    save_config(agent=agents[4], actor=user, changes={"temperature": 0.9}, expected_version=None)
    with pytest.raises(OverQuota, match=r"read-only: the Free plan has room for 5 agents"):
        save_config(agent=agents[5], actor=user, changes={"temperature": 0.9}, expected_version=None)
    assert Agent.objects.for_workspace(workspace).count() == 6
    delete_agent(agent=agents[0])  # now the sixth has a place
    save_config(agent=agents[5], actor=user, changes={"temperature": 0.9}, expected_version=None)


# What changes nothing of the agent, or takes a secret away from who should not have it. Deleting is open as well.
OPEN_OVER_THE_LIMIT = {
    "/api/agents/{agent_id}/knowledge/search",
    "/api/agents/{agent_id}/api-keys/{key_id}/rotate",
    "/api/agents/{agent_id}/api-keys/{key_id}/identity-secret",
    "/api/agents/{agent_id}/webhooks/{webhook_id}/test",
    "/api/agents/{agent_id}/webhooks/{webhook_id}/rotate-secret",
    "/api/agents/{agent_id}/webhooks/{webhook_id}/replay",
    "/api/agents/{agent_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
}
CHANGES = BODIES | {
    "/api/agents/{agent_id}/deployment": {"slug": "another-name"},
    "/api/agents/{agent_id}/webhooks/{webhook_id}": {"events": ["run.failed"]},
    "/api/agents/{agent_id}/api-keys/{key_id}": {"name": "Renamed"},
}
OFF = {
    "/api/agents/{agent_id}/deployment": {"is_serving": False},
    "/api/agents/{agent_id}/webhooks/{webhook_id}": {"is_active": False},
    "/api/agents/{agent_id}/budgets/{budget_id}": {"is_active": False},
}


@pytest.mark.django_db
def test_every_route_of_an_agent_over_the_limit_reads_or_switches_off() -> None:
    place = make_place()
    for agent in make_agents(place.workspace, 5):
        Agent.objects.filter(pk=agent.pk).update(created_at=place.workspace.created_at)
    Workspace.objects.filter(pk=place.workspace.pk).update(plan="")
    client = Client()
    client.force_login(place.owner)
    routes = [route for route in all_routes() if route.kind == "api" and "{agent_id}" in route.template]
    assert {*CHANGES, *OFF, *OPEN_OVER_THE_LIMIT} - {route.template for route in all_routes()} == set()
    for route in routes:
        path = route.template.format(**place.ids)
        for method in {"POST", "PUT", "PATCH"}.intersection(route.methods):
            answer = client.generic(method, path, json.dumps(CHANGES.get(route.template, {})), "application/json")
            if route.template in UPLOADS:
                answer = client.post(path, {"file": ContentFile(b"Hello.", "a.txt")})
            is_open = route.template in OPEN_OVER_THE_LIMIT
            assert (answer.status_code == 402) is not is_open, (str(route), answer.content)
            assert is_open or answer.json()["error"]["code"] == "over_quota"
    for template, body in OFF.items():
        off = client.patch(template.format(**place.ids), body, "application/json")
        assert off.status_code == 200, "to switch it off is always allowed"


@pytest.mark.django_db
def test_documents_count_their_bytes() -> None:
    workspace, user = make_workspace()
    agent = make_agent(workspace)
    principal: Any = principal_of(user)
    document = add_document(principal=principal, agent=agent, name="a.txt", file=ContentFile(b"12345678"))
    assert used(workspace, Resource.KNOWLEDGE) == 8
    room = quotas.limit_of(quotas.plan_of(""), Resource.KNOWLEDGE)
    QuotaUse.objects.filter(resource=Resource.KNOWLEDGE).update(used=room - 7)
    with pytest.raises(QuotaExceeded, match=r"room for 100\xa0MB of documents"):
        add_document(principal=principal, agent=agent, name="b.txt", file=ContentFile(b"12345678"))
    assert Document.objects.count() == 1
    delete_document(principal=principal, document=document)
    assert used(workspace, Resource.KNOWLEDGE) == room - 15
    add_document(principal=principal, agent=agent, name="b.txt", file=ContentFile(b"12345678"))
    delete_agent(agent=agent)
    assert used(workspace, Resource.KNOWLEDGE) == room - 15


@pytest.mark.django_db
def test_without_billing_nothing_is_limited(settings: Any) -> None:
    settings.BILLING = False
    workspace, _ = make_workspace()
    make_agents(workspace, 6)
    assert used(workspace) == 6
    assert not QuotaNotice.objects.exists()


@pytest.mark.django_db
def test_notices_are_owed_once_at_80_and_at_100_percent() -> None:
    workspace, _ = make_workspace()
    agents = make_agents(workspace, 4)
    assert list(QuotaNotice.objects.values_list("percent", flat=True)) == [80]
    make_agent(workspace)
    delete_agent(agent=agents[0])
    make_agent(workspace)
    assert sorted(QuotaNotice.objects.values_list("percent", flat=True)) == [80, 100]


@pytest.mark.django_db
def test_recount_mends_what_is_wrong_and_says_it() -> None:
    workspace, _ = make_workspace()
    make_agents(workspace, 2)
    assert quotas.recount(workspace.pk) == {}
    QuotaUse.objects.filter(resource=Resource.AGENTS).update(used=9)
    assert quotas.recount(workspace.pk) == {Resource.AGENTS: (9, 2)}
    assert used(workspace) == 2
