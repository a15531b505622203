"""Raw ASGI routes of the chat (SSE, OpenAI-compatible) and its WebSocket routes."""

from typing import Any

from django.urls import re_path
from django.urls.resolvers import URLPattern

from chat.transports import history, openai, sse, websocket
from chat.transports.a2a import card_endpoint, rpc_endpoint
from chat.transports.browsers import KeyRoute
from chat.transports.mcp.door import mcp_endpoint

_AGENT = r"(?P<agent_id>[^/]+)"
_RUN = r"(?P<run_id>[^/]+)"
_CONVERSATION = r"(?P<conversation_id>[^/]+)"
_RESPONSE = r"(?P<response_id>[^/]+)"


def _route(pattern: str, endpoint: Any) -> URLPattern:
    route: URLPattern = re_path(pattern, endpoint)  # typed for Django views; Channels calls it as an ASGI application
    return route


def _key_route(pattern: str, endpoint: Any) -> URLPattern:
    """A route for programs; pages of the key's origins may call it too."""
    return _route(pattern, KeyRoute(endpoint))


def _visitor_route(pattern: str, endpoint: Any) -> URLPattern:
    """The same, open to the visitors of widgets and hosted pages as well."""
    return _route(pattern, KeyRoute(endpoint, opens_to_visitors=True))


http_routes: list[URLPattern] = [
    _visitor_route(rf"^api/v1/agents/{_AGENT}/chat$", sse.chat_key_endpoint),
    _key_route(r"^api/v1/chat/completions$", openai.completions_endpoint),
    _key_route(r"^api/v1/responses$", openai.responses_endpoint),
    _route(rf"^api/agents/{_AGENT}/chat$", sse.chat_member_endpoint),
    _visitor_route(rf"^api/v1/runs/{_RUN}/events$", sse.events_key_endpoint),
    _route(rf"^api/runs/{_RUN}/events$", sse.events_member_endpoint),
    _visitor_route(rf"^api/v1/runs/{_RUN}/cancel$", sse.cancel_key_endpoint),
    _route(rf"^api/runs/{_RUN}/cancel$", sse.cancel_member_endpoint),
    _key_route(rf"^api/v1/agents/{_AGENT}/mcp$", mcp_endpoint),
    _key_route(rf"^api/v1/agents/{_AGENT}/a2a$", rpc_endpoint),
    _key_route(rf"^api/v1/agents/{_AGENT}/a2a/\.well-known/agent-card\.json$", card_endpoint),
    _key_route(rf"^api/v1/responses/{_RESPONSE}$", openai.response_endpoint),
    _key_route(rf"^api/v1/responses/{_RESPONSE}/cancel$", openai.response_cancel_endpoint),
    _key_route(r"^api/v1/models$", openai.models_endpoint),
    _key_route(r"^api/v1/models/(?P<model>[^/]+)$", openai.model_endpoint),
    _visitor_route(r"^api/v1/agent$", history.agent_endpoint),
    _visitor_route(r"^api/v1/conversations$", history.conversations_endpoint),
    _visitor_route(rf"^api/v1/conversations/{_CONVERSATION}/messages$", history.messages_endpoint),
    _key_route(rf"^api/v1/conversations/{_CONVERSATION}$", history.conversation_endpoint),
    _visitor_route(r"^api/v1/messages/(?P<message_id>[^/]+)/feedback$", history.feedback_endpoint),
    _key_route(r"^api/v1/knowledge/search$", history.search_endpoint),
]
websocket_routes: list[URLPattern] = [
    _route(rf"^ws/agents/{_AGENT}/chat$", websocket.chat_socket),
    _route(r"", websocket.unknown_socket),
]
