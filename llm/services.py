"""Writes about model endpoints: keyword-only, one transaction each. Permission is the route's declared policy."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Workspace
from core.crypto import encrypt
from core.errors import FieldError, UrlNotAllowed, ValidationFailed
from core.http import check_url
from core.text import fold
from llm.models import ModelEndpoint
from llm.routing import forget_endpoints, is_operator_address
from llm.selectors import target_of
from llm.types import Target

MOST_ENDPOINTS = 20
_HINT_LENGTH = 4
_SHORTEST_KEY_WITH_HINT = 12


@transaction.atomic
def create_endpoint(
    *,
    workspace_id: UUID,
    name: str,
    base_url: str,
    default_model: str,
    api_key: str = "",
    is_default: bool | None = None,
    input_price: Decimal | None = None,
    output_price: Decimal | None = None,
) -> ModelEndpoint:
    """A new endpoint. `is_default` None makes the workspace's first one the default.

    Prices are US dollars for a million tokens; they go before the list prices (`llm.catalog`).
    Raises UrlNotAllowed, and ValidationFailed for a name in use, one price alone, or too many endpoints.
    """
    existing = _lock_endpoints(workspace_id)
    if len(existing) >= MOST_ENDPOINTS:
        raise ValidationFailed(_("A workspace can have at most %(most)d model endpoints.") % {"most": MOST_ENDPOINTS})
    _check_name(name, existing)
    endpoint = ModelEndpoint(
        workspace_id=workspace_id,
        name=name,
        base_url=clean_url(base_url),
        default_model=default_model,
        input_price=input_price,
        output_price=output_price,
    )
    _check_prices(endpoint)
    _set_key(endpoint, api_key)
    _save(endpoint, is_default=not existing if is_default is None else is_default)
    return endpoint


@transaction.atomic
def update_endpoint(*, endpoint: ModelEndpoint, **changes: Any) -> ModelEndpoint:
    """Change name, base_url, default_model, is_default, prices; `api_key` "" removes the key, absent keeps it.

    A base URL on another server without a new key removes the key: it must not be sent to a stranger.
    """
    existing = _lock_endpoints(endpoint.workspace_id)
    if "name" in changes:
        _check_name(changes["name"], [other for other in existing if other.pk != endpoint.pk])
    if "base_url" in changes:
        changes["base_url"] = clean_url(changes["base_url"])
        if _origin(changes["base_url"]) != _origin(endpoint.base_url):
            changes.setdefault("api_key", "")
    if "api_key" in changes:
        _set_key(endpoint, changes.pop("api_key"))
    is_default = changes.pop("is_default", endpoint.is_default)
    for name, value in changes.items():
        setattr(endpoint, name, value)
    _check_prices(endpoint)
    _save(endpoint, is_default=is_default)
    return endpoint


@transaction.atomic
def delete_endpoint(*, endpoint: ModelEndpoint) -> None:
    """Delete it with its key. Agents that name it answer with an error until they choose another."""
    workspace_id = endpoint.workspace_id
    endpoint.delete()
    transaction.on_commit(lambda: forget_endpoints(workspace_id))


def merge_target(endpoint: ModelEndpoint, given: dict[str, Any]) -> Target:
    """What to try: the stored endpoint with some values replaced. The stored key goes only to the stored server."""
    stored = target_of(endpoint)
    address = clean_url(given["base_url"]) if given.get("base_url") else stored.base_url
    key = stored.api_key if _origin(address) == _origin(stored.base_url) else ""
    return Target(
        base_url=address,
        api_key=given.get("api_key") or key,
        model=given.get("default_model") or stored.model,
        is_operator=is_operator_address(address),
    )


def clean_url(base_url: str) -> str:
    """The base URL as it is stored, without a final slash or the path of an operation; raises UrlNotAllowed."""
    address = base_url.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
    try:
        check_url(address, allow_private=is_operator_address(address))
        if urlsplit(address).query:
            raise UrlNotAllowed(_("The address must not hold a query (?…)."))
    except UrlNotAllowed as error:
        fields = [FieldError("base_url", str(error.message))]
        raise UrlNotAllowed(error.message, param="base_url", errors=fields) from None
    return address


def _lock_endpoints(workspace_id: UUID) -> list[ModelEndpoint]:
    """The workspace's endpoints, while nobody else changes them."""
    Workspace.objects.select_for_update().get(pk=workspace_id)
    return list(ModelEndpoint.objects.for_workspace(workspace_id))


def _check_name(name: str, others: list[ModelEndpoint]) -> None:
    if any(fold(other.name) == fold(name) for other in others):
        message = _("Another model endpoint has this name.")
        raise ValidationFailed(message, param="name", errors=[FieldError("name", message)])


def _check_prices(endpoint: ModelEndpoint) -> None:
    if (endpoint.input_price is None) != (endpoint.output_price is None):
        message = _("Enter both prices, or neither.")
        param = "input_price" if endpoint.input_price is None else "output_price"
        raise ValidationFailed(message, param=param, errors=[FieldError(param, message)])


def _set_key(endpoint: ModelEndpoint, api_key: str) -> None:
    key = api_key.strip()
    endpoint.encrypted_key = encrypt(key)
    endpoint.key_hint = key[-_HINT_LENGTH:] if len(key) >= _SHORTEST_KEY_WITH_HINT else ""


def _save(endpoint: ModelEndpoint, *, is_default: bool) -> None:
    if is_default:
        others = ModelEndpoint.objects.for_workspace(endpoint.workspace_id).filter(is_default=True)
        others.exclude(pk=endpoint.pk).update(is_default=False)
    endpoint.is_default = is_default
    endpoint.save()
    workspace_id = endpoint.workspace_id
    transaction.on_commit(lambda: forget_endpoints(workspace_id))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
