"""Agents' own hosts, before any protocol: what is shut there (`integrations.hosted.is_shut`) reaches no endpoint."""

from collections.abc import Awaitable, Mapping
from typing import Any

from django.conf import settings

from chat.transports.http import Receive, Scope, Send
from integrations.hosted import is_shut


class OwnHosts:
    """An ASGI application around the whole product; `refusals` say 404, each in its protocol."""

    def __init__(self, application: Any, refusals: Mapping[str, Any]) -> None:
        self._application = application
        self._refusals = refusals

    # Not a coroutine: the application's own is the one that is waited for.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        application = self._application
        if settings.HOSTED_DOMAIN and is_shut(_host_of(scope), scope["path"]):
            application = self._refusals[scope["type"]]
        answer: Awaitable[None] = application(scope, receive, send)
        return answer


def _host_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1")
            return host
    return ""
