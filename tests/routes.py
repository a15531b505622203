"""Every route of the product, read from the same lists that serve it: Django's resolver, raw ASGI, WebSocket."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from chat.routing import http_routes, websocket_routes
from core.policy import API_KEY, OPERATOR, PUBLIC, SIGNED_IN, policy_for

_PARAMETER = re.compile(r"<(?:[a-z]+:)?([a-z_0-9]+)>")
_GROUP = re.compile(r"\(\?P<([a-z_0-9]+)>(?:[^()]|\([^()]*\))*\)")


@dataclass(frozen=True)
class Route:
    """One path template (`/api/agents/{agent_id}`) and what answers there."""

    kind: str  # "api" | "page" | "asgi" | "websocket"
    template: str
    methods: tuple[str, ...]
    policy: Any
    view: Any

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.template)

    @property
    def opens_with_key(self) -> bool:
        """Whether programs come in here with an API key rather than members with a session."""
        return self.template.startswith("/api/v1/")

    def action(self, method: str) -> str:
        return policy_for(self.policy, method)

    def is_public(self, method: str) -> bool:
        return self.action(method) == PUBLIC

    def __str__(self) -> str:
        return f"{self.kind}:{self.template}"


def all_routes() -> list[Route]:
    """Each template once; Django shadows nothing, because the first match answers."""
    found: dict[tuple[str, str], Route] = {}
    for route in (*_raw_routes(), *_django_routes(get_resolver().url_patterns, "")):
        found.setdefault(((route.kind == "websocket" and "ws") or "http", route.template), route)
    return list(found.values())


def _raw_routes() -> Iterator[Route]:
    for kind, patterns in (("asgi", http_routes), ("websocket", websocket_routes)):
        for pattern in patterns:
            template = _template_of(str(pattern.pattern))
            if template != "/":  # the WebSocket fall-back, which refuses every other path
                endpoint: Any = pattern.callback
                methods = getattr(endpoint, "methods", ("CONNECT",))
                yield Route(kind, template, methods, getattr(endpoint, "policy", None), endpoint)


def _django_routes(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _django_routes(pattern.url_patterns, path)
        else:
            yield _django_route(path, pattern.callback)


def _django_route(path: str, callback: Any) -> Route:
    view = getattr(callback, "cls", callback)  # DRF keeps the class on the function
    is_api = hasattr(callback, "cls")
    policy = getattr(view, "policy", None)
    if is_api:
        methods = tuple(name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name))
    else:
        methods = tuple(policy) if isinstance(policy, dict) else ("GET", "POST")
    return Route("api" if is_api else "page", _template_of(path), methods, policy, view)


def _template_of(pattern: str) -> str:
    text = pattern.replace("^", "").replace("$", "").replace("\\Z", "").replace("\\.", ".")
    return "/" + _PARAMETER.sub(r"{\1}", _GROUP.sub(r"{\1}", text))


POLICY_WORDS = {PUBLIC, SIGNED_IN, API_KEY, OPERATOR}
