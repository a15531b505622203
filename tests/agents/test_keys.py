from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.models import Workspace
from agents import keys, services
from agents.errors import AgentOff, KeyNotForPages, KeyNotForPrograms, OriginNotAllowed
from agents.models import Agent, ApiKey, KeyKind
from core.async_db import close_pool
from tests.factories import make_agent, make_key, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def clean_pool():
    keys.forget_keys()
    yield
    await close_pool()


@sync_to_async
def agent_with_key():
    agent = make_agent(make_workspace()[0], instructions="draft")
    return agent, make_key(agent)


async def test_resolve_key_brings_the_draft_until_a_version_is_live():
    agent, token = await agent_with_key()
    identity = await keys.resolve_key(token)
    assert identity.agent.agent_id == agent.pk
    assert identity.agent.config.instructions == "draft"
    await sync_to_async(services.deploy_agent)(agent=agent)
    await sync_to_async(services.save_config)(
        agent=agent, actor=None, changes={"instructions": "newer draft"}, expected_version=None
    )
    assert (await keys.resolve_key(token)).agent.config.instructions == "draft"


async def test_resolve_key_refuses_a_revoked_key_at_once_in_this_process():
    _, token = await agent_with_key()
    assert await keys.resolve_key(token)
    key = await ApiKey.objects.aget()
    await sync_to_async(services.revoke_api_key)(key=key)
    assert await keys.resolve_key(token) is None


async def test_resolve_key_refuses_a_key_revoked_elsewhere_once_the_cache_is_old(monkeypatch):
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0.0)
    _, token = await agent_with_key()
    assert await keys.resolve_key(token)
    await ApiKey.objects.aupdate(revoked_at="2026-01-01T00:00:00Z")
    assert await keys.resolve_key(token) is None


@pytest.mark.parametrize("token", ["", "gilo_", "gilo_" + "a" * 36, "x" * 41, "gilo_é"])
async def test_resolve_key_refuses_malformed_tokens(token):
    assert await keys.resolve_key(token) is None


async def test_resolve_key_refuses_an_expired_key(monkeypatch):
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0.0)
    _, token = await agent_with_key()
    await ApiKey.objects.aupdate(expires_at=timezone.now() + timedelta(hours=1))
    assert await keys.resolve_key(token)
    await ApiKey.objects.aupdate(expires_at=timezone.now())
    assert await keys.resolve_key(token) is None


async def test_resolve_key_says_when_the_agent_is_off(monkeypatch):
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0.0)
    _, token = await agent_with_key()
    await Agent.objects.aupdate(is_serving=False)
    with pytest.raises(AgentOff):
        await keys.resolve_key(token)
    assert await keys.look_up_token(token)


@pytest.mark.parametrize("kind", [KeyKind.WIDGET, KeyKind.HOSTED])
async def test_a_pages_key_opens_nothing_for_programs_and_a_secret_one_nothing_for_pages(kind):
    _, token = await agent_with_key()
    with pytest.raises(KeyNotForPages):
        await keys.resolve_page_key(token)
    await ApiKey.objects.aupdate(kind=kind)
    keys.forget_keys()
    with pytest.raises(KeyNotForPrograms):
        await keys.resolve_key(token)
    assert (await keys.resolve_page_key(token)).kind == kind


async def test_identity_brings_all_that_the_doors_ask_for():
    _, token = await agent_with_key()
    await Agent.objects.aupdate(wanted_events=["run.failed"])
    await ApiKey.objects.aupdate(scopes=["chat"], allowed_origins=["https://a.example"], requires_identity=True)
    await Workspace.objects.aupdate(plan="pro")
    identity = await keys.resolve_key(token)
    assert (identity.scopes, identity.allowed_origins) == (("chat",), ("https://a.example",))
    assert (identity.agent.wanted_events, identity.plan, identity.requires_identity) == (("run.failed",), "pro", True)
    assert (identity.end_user, identity.channel, identity.family) == ("", "", (identity.key_id,))
    keys.require_origin(identity, "")
    keys.require_origin(identity, "https://a.example")
    with pytest.raises(OriginNotAllowed):
        keys.require_origin(identity, "https://b.example")


@pytest.mark.parametrize(
    "change", [{"revoked_at": "2026-01-01T00:00:00Z"}, {"expires_at": "2026-01-01T00:00:00Z"}, {"is_serving": False}]
)
async def test_find_live_keys_leaves_out_revoked_expired_and_switched_off(change):
    _, first = await agent_with_key()
    _, second = await agent_with_key()
    ids = [(await keys.resolve_key(token)).key_id for token in (first, second)]
    assert await keys.find_live_keys(ids) == set(ids)
    if "is_serving" in change:
        await Agent.objects.filter(api_keys=ids[0]).aupdate(**change)
    else:
        await ApiKey.objects.filter(pk=ids[0]).aupdate(**change)
    assert await keys.find_live_keys(ids) == {ids[1]}
