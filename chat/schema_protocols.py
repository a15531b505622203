"""The routes of MCP and A2A in the OpenAPI schema. What goes on inside them is the protocols' own matter."""

from typing import Any

from chat.schema_keys import REPEATABLE

_ID = {"type": "string", "format": "uuid"}
_AGENT = {"name": "agent_id", "in": "path", "required": True, "schema": _ID}
_KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
_MESSAGE = {
    "type": "object",
    "required": ["jsonrpc", "method"],
    "properties": {
        "jsonrpc": {"type": "string", "enum": ["2.0"]},
        "id": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "method": {"type": "string"},
        "params": {"type": "object"},
    },
}
_FAULT = {
    "type": "object",
    "required": ["jsonrpc", "id", "error"],
    "properties": {
        "jsonrpc": {"type": "string", "enum": ["2.0"]},
        "id": {"nullable": True, "oneOf": [{"type": "string"}, {"type": "integer"}]},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "data": {"type": "object", "description": "The same error in the shape of all our APIs."},
            },
        },
    },
}
_WORDS = {
    "400": "The body is no message, or the host name is not ours.",
    "401": "No valid credentials.",
    "403": "The key does not open this, the agent is switched off, or a page of another site asks.",
    "404": "There is nothing with this id, or it is not yours.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A text cannot be stored.",
    "429": "Too many requests.",
    "503": "The service is restarting.",
}


def describe_protocols() -> dict[str, Any]:
    """Path → its operations."""
    mcp = _rpc("v1_mcp", "mcp", "The agent as an MCP server (streamable HTTP, stateless): one message of the protocol.")
    a2a = _rpc("v1_a2a", "a2a", "The agent for other agents, by A2A 1.0: one call. Send the header `A2A-Version: 1.0`.")
    agent = "/api/v1/agents/{agent_id}"
    return {
        f"{agent}/mcp": {"post": mcp},
        f"{agent}/a2a": {"post": a2a},
        f"{agent}/a2a/.well-known/agent-card.json": {"get": _card()},
    }


def _card() -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    card = {"description": "The agent's card.", "content": {"application/json": {"schema": {"type": "object"}}}}
    faults = {
        status: {"description": _WORDS[status], "content": error} for status in ("401", "403", "404", "429", "503")
    }
    return {
        "operationId": "v1_a2a_card",
        "description": "The agent's A2A card: for everybody once it is deployed and switched on, else with its key.",
        "tags": ["a2a"],
        "security": [{}, *_KEY],
        "parameters": [_AGENT],
        "responses": {"200": card, **faults},
    }


def _rpc(name: str, tag: str, text: str) -> dict[str, Any]:
    answer = {
        "description": "The protocol's answer, as one JSON object or as server-sent events.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }
    return {
        "operationId": name,
        "description": text,
        "tags": [tag],
        "security": _KEY,
        "parameters": [_AGENT, REPEATABLE],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _MESSAGE}}},
        "responses": {"200": answer, "202": {"description": "A notification was taken."}, **_faults()},
    }


def _faults() -> dict[str, Any]:
    content = {"application/json": {"schema": _FAULT}}
    return {status: {"description": words, "content": content} for status, words in _WORDS.items()}
