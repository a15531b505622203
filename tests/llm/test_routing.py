"""Which model answers: the agent's, the workspace's, the platform's, the demo; changes are seen at once."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async

from core import async_db
from llm import routing, services
from llm.errors import ModelNotConfigured
from llm.models import ModelEndpoint
from llm.types import ChatMessage, ChatRequest, TextDelta
from tests.factories import make_workspace
from tests.fake_model import FakeModel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def no_pool_left() -> Any:
    yield
    await async_db.close_pool()


@pytest.fixture
def workspace_id() -> UUID:
    return make_workspace()[0].pk


@sync_to_async
def create(workspace_id: UUID, name: str = "Ours", **values: Any) -> ModelEndpoint:
    given = {"base_url": "https://models.example.com/v1", "default_model": "big-1", "api_key": "sk-1", **values}
    return services.create_endpoint(workspace_id=workspace_id, name=name, **given)


def use_platform(settings: Any) -> None:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = "http://127.0.0.1:9000/v1", "sk-platform"
    settings.OPENAI_MODEL = "house-model"
    settings.OPENAI_INPUT_PRICE, settings.OPENAI_OUTPUT_PRICE = Decimal(1), Decimal(2)


async def test_resolve_without_anything_gives_the_demo_model(workspace_id: UUID) -> None:
    endpoint = await routing.resolve_endpoint(workspace_id, None, "")
    assert (endpoint.kind, endpoint.id, endpoint.model) == ("offline", "offline", "offline")


async def test_resolve_prefers_the_platform_to_the_demo(workspace_id: UUID, settings: Any) -> None:
    use_platform(settings)
    endpoint = await routing.resolve_endpoint(workspace_id, None, "")
    assert (endpoint.id, endpoint.model, endpoint.api_key, endpoint.is_platform) == (
        "platform", "house-model", "sk-platform", True,
    )  # fmt: skip
    assert endpoint.prices == (1, 2)
    assert (await routing.resolve_endpoint(workspace_id, None, "other")) == replace(endpoint, model="other")


async def test_resolve_prefers_the_workspaces_default_to_the_platform(workspace_id: UUID, settings: Any) -> None:
    use_platform(settings)
    stored = await create(workspace_id)
    endpoint = await routing.resolve_endpoint(workspace_id, None, "")
    assert (endpoint.id, endpoint.model, endpoint.api_key, endpoint.is_platform) == (
        str(stored.pk),
        "big-1",
        "sk-1",
        False,
    )
    assert (await routing.resolve_endpoint(workspace_id, None, "house-model")).id == "platform"


async def test_resolve_prefers_the_agents_endpoint_and_model(workspace_id: UUID) -> None:
    await create(workspace_id)
    second = await create(workspace_id, name="Second", default_model="small-1")
    assert (await routing.resolve_endpoint(workspace_id, str(second.pk), "")).model == "small-1"
    assert (await routing.resolve_endpoint(workspace_id, second.pk, "small-2")).model == "small-2"


async def test_resolve_brings_the_prices_that_were_entered(workspace_id: UUID, settings: Any) -> None:
    use_platform(settings)
    stored = await create(workspace_id, input_price=Decimal("0.25"), output_price=Decimal(3))
    assert (await routing.resolve_endpoint(workspace_id, None, "")).prices == (Decimal("0.25"), Decimal(3))
    await sync_to_async(services.update_endpoint)(endpoint=stored, input_price=None, output_price=None)
    assert (await routing.resolve_endpoint(workspace_id, None, "")).prices is None


async def test_resolve_of_the_demo_model_by_name(workspace_id: UUID, settings: Any) -> None:
    use_platform(settings)
    await create(workspace_id)
    assert (await routing.resolve_endpoint(workspace_id, None, "offline")).kind == "offline"


async def test_resolve_of_an_endpoint_that_is_gone_says_so(workspace_id: UUID, settings: Any) -> None:
    use_platform(settings)
    with pytest.raises(ModelNotConfigured, match="no longer exists"):
        await routing.resolve_endpoint(workspace_id, str(uuid4()), "")


async def test_resolve_never_gives_a_foreign_endpoint(workspace_id: UUID) -> None:
    other = await sync_to_async(lambda: make_workspace()[0].pk)()
    foreign = await create(other)
    with pytest.raises(ModelNotConfigured):
        await routing.resolve_endpoint(workspace_id, str(foreign.pk), "")


async def test_resolve_of_a_key_that_cannot_be_read_says_so(workspace_id: UUID) -> None:
    stored = await create(workspace_id)
    await ModelEndpoint.objects.filter(pk=stored.pk).aupdate(encrypted_key="written-with-another-key")
    routing.forget_endpoints(workspace_id)
    with pytest.raises(ModelNotConfigured, match="Enter it again"):
        await routing.resolve_endpoint(workspace_id, None, "")


async def test_resolve_sees_changes_of_this_process_at_once(workspace_id: UUID) -> None:
    stored = await create(workspace_id)
    assert (await routing.resolve_endpoint(workspace_id, None, "")).model == "big-1"
    await sync_to_async(services.update_endpoint)(endpoint=stored, default_model="big-2")
    assert (await routing.resolve_endpoint(workspace_id, None, "")).model == "big-2"
    await sync_to_async(services.delete_endpoint)(endpoint=stored)
    assert (await routing.resolve_endpoint(workspace_id, None, "")).kind == "offline"


async def test_resolve_sees_changes_of_other_processes_soon(
    workspace_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "CACHE_SECONDS", 0.05)
    stored = await create(workspace_id)
    await routing.resolve_endpoint(workspace_id, None, "")
    await ModelEndpoint.objects.filter(pk=stored.pk).aupdate(default_model="big-3")
    await asyncio.sleep(0.06)
    assert (await routing.resolve_endpoint(workspace_id, None, "")).model == "big-3"


async def test_resolve_asks_the_database_once_for_many(workspace_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    real = routing.fetch_all

    async def count(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return await real(*args)

    monkeypatch.setattr(routing, "fetch_all", count)
    endpoints = await asyncio.gather(*(routing.resolve_endpoint(workspace_id, None, "") for _ in range(50)))
    await routing.resolve_endpoint(workspace_id, None, "x")
    assert asked == 1
    assert len(set(map(id, endpoints))) == 1


async def test_stream_chat_through_the_workspaces_ollama(
    workspace_id: UUID, fake_model: FakeModel, settings: Any
) -> None:
    settings.OLLAMA_URL = fake_model.url.removesuffix("/v1")
    await create(workspace_id, base_url=fake_model.url, default_model="fake-model")
    endpoint = await routing.resolve_endpoint(workspace_id, None, "")
    request = ChatRequest([ChatMessage("user", "SAY:from nearby")], 0.1, 50)
    events = [event async for batch in routing.stream_chat(endpoint, request) for event in batch]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "from nearby"


async def test_stream_chat_of_the_demo_model_without_network(workspace_id: UUID) -> None:
    endpoint = await routing.resolve_endpoint(workspace_id, None, "")
    request = ChatRequest([ChatMessage("user", "hello")], 0.1, 50, question="hello")
    events = [event async for batch in routing.stream_chat(endpoint, request) for event in batch]
    assert "Hello!" in "".join(event.text for event in events if isinstance(event, TextDelta))
