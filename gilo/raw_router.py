"""The first fork on an HTTP request's way: to a raw endpoint of the hot path, else to Django.

Channels' router tries one route after another. Here paths without parameters are looked up, and the others are tried
only where they begin as all of ours do.
"""

import re
from collections.abc import Awaitable, Sequence
from os.path import commonpath
from typing import Any

from django.urls.resolvers import URLPattern

from chat.transports.http import Receive, Scope, Send


class RawRouter:
    """An ASGI application around these routes; what a pattern names is in `scope["url_route"]["kwargs"]`."""

    def __init__(self, routes: Sequence[URLPattern], otherwise: Any) -> None:
        self._otherwise = otherwise
        self._by_path: dict[str, Any] = {}
        self._by_pattern: list[tuple[re.Pattern[str], Any]] = []
        texts = [str(route.pattern).removeprefix("^").removesuffix("$") for route in routes]
        self._common_start = commonpath(texts)
        for text, route in zip(texts, routes, strict=True):
            if text == re.escape(text):
                self._by_path[text] = route.callback
            else:
                self._by_pattern.append((re.compile(text), route.callback))

    # Not a coroutine: the application's own is the one that is waited for.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope["path"].lstrip("/")
        endpoint = self._by_path.get(path)
        if endpoint is None and path.startswith(self._common_start):
            endpoint = self._match(path, scope)
        found: Awaitable[None] = (endpoint or self._otherwise)(scope, receive, send)
        return found

    def _match(self, path: str, scope: Scope) -> Any:
        for pattern, endpoint in self._by_pattern:
            match = pattern.fullmatch(path)
            if match is not None:
                scope["url_route"] = {"args": (), "kwargs": match.groupdict()}
                return endpoint
        return None
