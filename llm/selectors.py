"""Reads about model endpoints and what can be chosen. The first argument is the workspace."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from core.crypto import SecretUnreadable, decrypt
from core.tenancy import ScopedQuerySet
from llm.catalog import facts_of, prices_of
from llm.errors import ModelNotConfigured
from llm.models import ModelEndpoint
from llm.routing import ENDPOINT_COLUMNS, choose_endpoint, is_operator_address, platform_endpoint
from llm.types import OFFLINE_ID, PLATFORM_ID, Prices, Target

MODELS_SECONDS = 300  # how long an endpoint's list of models is kept
FAILED_SECONDS = 30  # how long it is not asked again after it failed
OLLAMA_SECONDS = 15
LIST_TIMEOUT = 3.0  # seconds
OLLAMA_TIMEOUT = 0.5  # seconds
MOST_MODELS = 500


# lists of models name more than chat models
_NOT_CHAT = re.compile(
    r"embed|rerank|moderation|whisper|transcri|tts|speech|audio|realtime|dall-e|image|sora|davinci|babbage|guard", re.I
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that an agent can choose: its configuration stores `endpoint_id` and `model`.

    `is_default` marks what answers for agents that choose nothing. Prices are USD per million tokens, None when
    unknown, as is `context`, in tokens.
    """

    kind: str  # endpoint, platform, offline
    endpoint_id: UUID | None
    endpoint_name: str
    model: str
    is_default: bool
    context: int | None
    input_price: Decimal | None
    output_price: Decimal | None


def list_endpoints(workspace_id: UUID) -> ScopedQuerySet[ModelEndpoint]:
    """The workspace's endpoints, oldest first."""
    return ModelEndpoint.objects.for_workspace(workspace_id).order_by("created_at")


def get_endpoint(workspace_id: UUID, endpoint_id: UUID) -> ModelEndpoint:
    """One endpoint; NotFound for a foreign or missing id."""
    return list_endpoints(workspace_id).get_or_404(pk=endpoint_id)


def list_choices(workspace_id: UUID) -> list[Choice]:
    """All that an agent of this workspace can choose.

    Asks endpoints for their models (all at once, at most LIST_TIMEOUT seconds, then cached); one that fails shows its
    default model alone.
    """
    endpoints = list(list_endpoints(workspace_id))
    current = current_source(endpoints)
    with ThreadPoolExecutor(max_workers=8) as pool:
        offered = list(pool.map(_models_of_endpoint, endpoints))
    choices = [
        _choice(
            "endpoint",
            endpoint.pk,
            endpoint.name,
            model,
            (str(endpoint.pk), endpoint.default_model) == (current, model),
            entered=endpoint.prices,
        )
        for endpoint, models in zip(endpoints, offered, strict=True)
        for model in _put_first(endpoint.default_model, models)
    ]
    platform = platform_endpoint()
    if platform:
        models = _platform_models() if current == PLATFORM_ID else [platform.model]
        choices += [
            _choice(
                "platform",
                None,
                "",
                model,
                (current, model) == (PLATFORM_ID, platform.model),
                entered=platform.prices,
            )
            for model in models
        ]
    return [*choices, _choice("offline", None, "", OFFLINE_ID, current == OFFLINE_ID)]


def have_prices(workspace_id: UUID, chosen: Iterable[tuple[str | None, str]]) -> bool:
    """Whether GiLo knows what each of these choices (`endpoint_id`, `model`) costs: budgets in dollars hold only then.

    One that cannot answer costs nothing: it does not count.
    """
    rows = {str(row[0]): row for row in list_endpoints(workspace_id).values_list(*ENDPOINT_COLUMNS)}
    return all(_has_price(rows, endpoint_id or "", model) for endpoint_id, model in chosen)


def _has_price(rows: dict[str, tuple[Any, ...]], endpoint_id: str, model: str) -> bool:
    try:
        endpoint = choose_endpoint(rows, endpoint_id, model)
    except ModelNotConfigured:
        return True
    return prices_of(endpoint.model, endpoint.prices) is not None


def current_source(endpoints: Iterable[ModelEndpoint]) -> str:
    """What answers for agents that choose nothing: an endpoint's id, PLATFORM_ID or OFFLINE_ID."""
    default = next((endpoint for endpoint in endpoints if endpoint.is_default), None)
    if default is not None:
        return str(default.pk)
    return PLATFORM_ID if platform_endpoint() else OFFLINE_ID


def find_ollama() -> list[str]:
    """The models of an Ollama on the operator's machine; [] when none answers. Cached for OLLAMA_SECONDS."""
    key = f"llm:ollama:{settings.OLLAMA_URL}"
    found: list[str] | None = cache.get(key)
    if found is None:
        target = Target(base_url=f"{settings.OLLAMA_URL}/v1", api_key="", model="", is_operator=True)
        found = [name for name in _fetch_models(target, OLLAMA_TIMEOUT) or () if not _NOT_CHAT.search(name)]
        cache.set(key, found, OLLAMA_SECONDS)
    return found


def ollama_offer(workspace_id: UUID) -> dict[str, object] | None:
    """The values of an endpoint for the Ollama found here, unless the workspace has it already."""
    base_url = f"{settings.OLLAMA_URL}/v1"
    models = find_ollama()
    if not models or list_endpoints(workspace_id).filter(base_url=base_url).exists():
        return None
    return {"name": "Ollama", "base_url": base_url, "default_model": models[0], "models": models}


def target_of(endpoint: ModelEndpoint) -> Target:
    """What a probe needs of a stored endpoint; a key that cannot be read counts as none."""
    try:
        key = decrypt(endpoint.encrypted_key)
    except SecretUnreadable:
        key = ""
    return Target(endpoint.base_url, key, endpoint.default_model, is_operator_address(endpoint.base_url))


def _models_of_endpoint(endpoint: ModelEndpoint) -> list[str]:
    return _fetch_cached(f"llm:models:{endpoint.pk}:{endpoint.updated_at.timestamp()}", target_of(endpoint))


def _platform_models() -> list[str]:
    target = Target(settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY, settings.OPENAI_MODEL, is_operator=True)
    return _put_first(target.model, _fetch_cached(f"llm:models:platform:{target.base_url}", target))


def _fetch_cached(key: str, target: Target) -> list[str]:
    found: list[str] | None = cache.get(key)
    if found is None:
        listed = _fetch_models(target, LIST_TIMEOUT)
        found = [name for name in listed or () if not _NOT_CHAT.search(name)][:MOST_MODELS]
        cache.set(key, found, FAILED_SECONDS if listed is None else MODELS_SECONDS)
    return found


def _put_first(default: str, models: list[str]) -> list[str]:
    return [default, *(model for model in models if model != default)]


def _choice(
    kind: str, endpoint_id: UUID | None, name: str, model: str, is_default: bool, *, entered: Prices | None = None
) -> Choice:
    prices = prices_of(model, entered) or (None, None)
    return Choice(kind, endpoint_id, name, model, is_default, facts_of(model).context, *prices)


def _fetch_models(target: Target, timeout: float) -> list[str] | None:
    from llm.probe import fetch_models  # the SDK is slow to import: only where somebody asks

    return fetch_models(target, timeout=timeout)
