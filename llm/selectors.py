"""Reads about model endpoints and what can be chosen. The first argument is the workspace."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
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
from llm.outgoing import listings, release_connection
from llm.routing import ENDPOINT_COLUMNS, choose_endpoint, is_operator_address, platform_endpoint
from llm.types import OFFLINE_ID, PLATFORM_ID, Prices, Target

MODELS_SECONDS = 300  # how long an endpoint's list of models is kept
FAILED_SECONDS = 30  # how long it is not asked again after it failed
OLLAMA_SECONDS = 15
LIST_TIMEOUT = 3.0  # seconds
OLLAMA_TIMEOUT = 0.5  # seconds
MOST_MODELS = 500
_ASKED_AT_ONCE = 8
_SPARE_SECONDS = 0.5  # for answers that come with the deadline
# Lists of models name more than chat models.
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

    Asks for the models that are not in the cache (all at once, at most about LIST_TIMEOUT seconds, no connection of
    ours held meanwhile); one that fails, or that nobody had room to ask, shows its default model alone.
    """
    endpoints = list(list_endpoints(workspace_id))
    current = current_source(endpoints)
    platform = platform_endpoint()
    targets = {_key_of(endpoint): target_of(endpoint) for endpoint in endpoints}
    if current == PLATFORM_ID:
        targets[_platform_key()] = _platform_target()
    offered = _list_offered(workspace_id, targets)
    choices = [
        _choice(
            "endpoint",
            endpoint.pk,
            endpoint.name,
            model,
            (str(endpoint.pk), endpoint.default_model) == (current, model),
            entered=endpoint.prices,
        )
        for endpoint in endpoints
        for model in _put_first(endpoint.default_model, offered[_key_of(endpoint)])
    ]
    if platform:
        choices += [
            _choice(
                "platform",
                None,
                "",
                model,
                (current, model) == (PLATFORM_ID, platform.model),
                entered=platform.prices,
            )
            for model in _put_first(platform.model, offered.get(_platform_key(), []))
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
        release_connection()
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


def _key_of(endpoint: ModelEndpoint) -> str:
    return f"llm:models:{endpoint.pk}:{endpoint.updated_at.timestamp()}"


def _platform_key() -> str:
    return f"llm:models:platform:{settings.OPENAI_BASE_URL}"


def _platform_target() -> Target:
    return Target(settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY, settings.OPENAI_MODEL, is_operator=True)


def _list_offered(workspace_id: UUID, targets: dict[str, Target]) -> dict[str, list[str]]:
    """What each target offers, by the same keys: from the cache, else asked for; [] where nothing is known."""
    offered: dict[str, list[str]] = cache.get_many(targets)
    missing = {key: target for key, target in targets.items() if key not in offered}
    if missing:
        with listings.take(workspace_id) as is_taken:
            if is_taken:
                release_connection()
                offered |= _ask_all(missing)
    return {key: offered.get(key, []) for key in targets}


def _ask_all(targets: dict[str, Target]) -> dict[str, list[str]]:
    """What answers within LIST_TIMEOUT; those whose turn does not come are asked the next time."""
    pool = ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE)
    asked = {pool.submit(_ask, key, target): key for key, target in targets.items()}
    done, late = wait(asked, timeout=LIST_TIMEOUT + _SPARE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    for future in late:
        if not future.cancelled():  # its name is still looked up: nobody asks again until that has ended
            cache.add(asked[future], [], FAILED_SECONDS)
    return {asked[future]: future.result() for future in done}


def _ask(key: str, target: Target) -> list[str]:
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
