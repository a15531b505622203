import pytest
from asgiref.sync import sync_to_async

from agents import keys, services
from agents.models import ApiKey
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
