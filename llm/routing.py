"""Which model answers: the agent's endpoint, else the workspace's default, else the platform's, else the demo model."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.conf import settings

from core.async_db import fetch_all
from core.crypto import SecretUnreadable, decrypt
from llm.errors import ModelNotConfigured
from llm.providers import offline, openai
from llm.reasons import KEY_UNREADABLE
from llm.types import OFFLINE_ID, PLATFORM_ID, ChatRequest, Endpoint, ModelEvent, make_prices

CACHE_SECONDS = 1.0
_MOST_CACHED = 10_000
# of the rows that `choose_endpoint` takes
ENDPOINT_COLUMNS = ("id", "base_url", "encrypted_key", "default_model", "is_default", "input_price", "output_price")
_ENDPOINTS_QUERY = f"SELECT {', '.join(ENDPOINT_COLUMNS)} FROM llm_modelendpoint WHERE workspace_id = %s"  # noqa: S608
OFFLINE = Endpoint(id=OFFLINE_ID, base_url="", api_key="", model=OFFLINE_ID, is_platform=True, kind="offline")


@dataclass(slots=True)
class _WorkspaceEndpoints:
    """A workspace's endpoints as read at one moment, and what has been resolved from them."""

    valid_until: float
    rows: dict[str, tuple[Any, ...]]
    resolved: dict[tuple[str, str], Endpoint] = field(default_factory=dict)


_cache: dict[UUID, _WorkspaceEndpoints] = {}
_lookups: dict[UUID, asyncio.Task[_WorkspaceEndpoints]] = {}


async def resolve_endpoint(workspace_id: UUID, endpoint_id: UUID | str | None, model: str) -> Endpoint:
    """Where this agent's answers come from, with the model's name filled in.

    `endpoint_id` None takes the workspace's default, unless `model` is the platform's own; `model` "" takes the
    endpoint's, `model` "offline" the demo model.
    Raises ModelNotConfigured when the named endpoint is gone: silently changing the model would be worse.
    """
    found = _cache.get(workspace_id)
    if found is None or found.valid_until < time.monotonic():
        found = await _look_up_once(workspace_id)
    wanted = (str(endpoint_id or ""), model)
    endpoint = found.resolved.get(wanted)
    if endpoint is None:
        endpoint = found.resolved[wanted] = choose_endpoint(found.rows, *wanted)
    return endpoint


def stream_chat(endpoint: Endpoint, request: ChatRequest) -> AsyncIterator[list[ModelEvent]]:
    """The answer as batches of events, one batch for each upstream read. Raises ModelError.

    Close the iterator (`aclose`) or cancel the task to stop the model.
    """
    if endpoint.kind == "offline":
        return offline.stream_chat(endpoint, request)
    return openai.stream_chat(endpoint, request)


def forget_endpoints(workspace_id: UUID) -> None:
    """Drop what is cached of a workspace: called when its endpoints change."""
    _cache.pop(workspace_id, None)


def platform_endpoint() -> Endpoint | None:
    """The operator's endpoint, when one is set."""
    if not settings.OPENAI_BASE_URL:
        return None
    return Endpoint(
        id=PLATFORM_ID,
        base_url=settings.OPENAI_BASE_URL,
        api_key=settings.OPENAI_API_KEY,
        model=settings.OPENAI_MODEL,
        is_platform=True,
        kind="openai",
        prices=make_prices(settings.OPENAI_INPUT_PRICE, settings.OPENAI_OUTPUT_PRICE),
    )


def is_operator_address(base_url: str) -> bool:
    """Whether the operator named this very server (Ollama's address): it may be private."""
    return base_url.rstrip("/") in {settings.OLLAMA_URL, f"{settings.OLLAMA_URL}/v1"}


async def _look_up_once(workspace_id: UUID) -> _WorkspaceEndpoints:
    # Requests that arrive while a look-up is under way share it.
    task = _lookups.get(workspace_id)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = _lookups[workspace_id] = asyncio.ensure_future(_look_up(workspace_id))
        task.add_done_callback(lambda _: _lookups.pop(workspace_id, None))
    return await asyncio.shield(task)


async def _look_up(workspace_id: UUID) -> _WorkspaceEndpoints:
    valid_until = time.monotonic() + CACHE_SECONDS  # counted from before the read: a change is never outlived
    rows = await fetch_all(_ENDPOINTS_QUERY, [workspace_id])
    if len(_cache) >= _MOST_CACHED:
        _cache.clear()
    found = _cache[workspace_id] = _WorkspaceEndpoints(valid_until, {str(row[0]): row for row in rows})
    return found


def choose_endpoint(rows: dict[str, tuple[Any, ...]], endpoint_id: str, model: str) -> Endpoint:
    """`resolve_endpoint` from the workspace's endpoints: by their ids, rows of ENDPOINT_COLUMNS."""
    if OFFLINE_ID in (endpoint_id, model):
        return OFFLINE
    if endpoint_id and endpoint_id != PLATFORM_ID:
        row = rows.get(endpoint_id)
        if row is None:
            raise ModelNotConfigured()
        return _from_row(row, model)
    platform = platform_endpoint()
    default = None if endpoint_id else next((row for row in rows.values() if row[4]), None)
    names_platform = platform is not None and model == platform.model
    if default is not None and not names_platform:
        return _from_row(default, model)
    if platform is None:
        return OFFLINE
    return replace(platform, model=model or platform.model)


def _from_row(row: tuple[Any, ...], model: str) -> Endpoint:
    endpoint_id, base_url, encrypted_key, default_model, _is_default, input_price, output_price = row
    try:
        key = decrypt(encrypted_key)
    except SecretUnreadable:
        raise ModelNotConfigured(KEY_UNREADABLE) from None
    return Endpoint(
        id=str(endpoint_id),
        base_url=base_url,
        api_key=key,
        model=model or default_model,
        is_platform=is_operator_address(base_url),
        kind="openai",
        prices=make_prices(input_price, output_price),
    )
