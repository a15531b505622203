"""One MCP request, answered by the official SDK: a server made for this caller, gone with the answer."""

import json
import logging
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError
from sse_starlette.sse import AppStatus

from agents.selectors import AgentCard, load_card
from chat.transports.http import Receive, Scope, Send
from chat.transports.mcp.door import Caller
from chat.transports.mcp.resources import list_resources, may_read, read_resource
from chat.transports.mcp.tools import TOOLS, describe_failure, refuse_unknown
from core.api import to_gilo_error
from core.errors import GiloError

Context = ServerRequestContext[Any, Any]

# Answers end when their runs do, also when the process stops (chat.lifecycle): they are not cut before.
AppStatus.enable_automatic_graceful_drain = False
logging.getLogger("mcp").setLevel(logging.WARNING)  # it tells the beginning and end of every request


async def answer(caller: Caller, message: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one message: a tool's call as a stream that stays open, what only takes a moment as JSON."""
    is_short = message.get("method") != "tools/call"
    server = make_server(caller, await load_card(caller.agent.agent_id))
    manager = StreamableHTTPSessionManager(server, json_response=is_short, stateless=True)
    async with manager.run():
        await manager.handle_request(scope, _replay(json.dumps(message).encode(), receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more for the SDK, then what comes from the client: nothing, or that it has gone."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return waiting.pop() if waiting else await receive()

    return receive_again


def make_server(caller: Caller, card: AgentCard) -> Server[Any]:
    """The agent as this caller may use it: what its key does not open is not there."""
    server: Server[Any] = Server(
        name=card.agent.slug,
        title=card.agent.name,
        version=str(card.version),
        description=card.description or None,
        instructions=_instruct(card),
        get_tool_input_schema={tool.name: tool.input_schema for tool in TOOLS}.get,
    )
    server.middleware.append(_Words(caller))
    _add_tools(server, caller)
    if may_read(caller):
        _add_resources(server, caller)
    return server


class _Words:
    """Makes of every fault what its reader understands: a tool's becomes a result, which the model reads."""

    def __init__(self, caller: Caller) -> None:
        self._request_id = caller.request_id

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        try:
            return await call_next(ctx)
        except (MCPError, ValidationError):
            raise  # the SDK's own, in words already
        except Exception as error:  # noqa: BLE001 - the last line: to_gilo_error logs what nobody foresaw
            return self._describe(ctx.method, to_gilo_error(error))

    def _describe(self, method: str, error: GiloError) -> HandlerResult:
        if method == "tools/call":
            return describe_failure(error, self._request_id)
        code = types.INTERNAL_ERROR if error.status >= 500 else types.INVALID_PARAMS
        raise MCPError(code, error.message, error.body(self._request_id)["error"])


def _instruct(card: AgentCard) -> str:
    text = f"This server is the agent “{card.agent.name}”. {card.description}".strip()
    return f"{text}\n\nUse `ask` to put a question to it; pass `conversation_id` of an answer to go on from there."


def _add_tools(server: Server[Any], caller: Caller) -> None:
    tools = {tool.name: tool for tool in TOOLS if tool.is_for(caller)}

    async def list_tools(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.describe(caller) for tool in tools.values()])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"This key opens no tool “{params.name[:100]}”.")
        arguments = params.arguments or {}
        refuse_unknown(arguments, tool)
        return await tool.call(caller, arguments, context)

    server.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)


def _add_resources(server: Server[Any], caller: Caller) -> None:
    async def list_page(context: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        return await list_resources(caller, params.cursor if params else None)

    async def list_templates(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[])

    async def read(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await read_resource(caller, params.uri)

    server.add_request_handler("resources/list", types.PaginatedRequestParams, list_page)
    server.add_request_handler("resources/templates/list", types.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read)
