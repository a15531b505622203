"""The raw ASGI routes in the OpenAPI schema: drf-spectacular only sees Django's."""

from typing import Any

from chat.schema_history import describe_history
from chat.schema_keys import REPEATABLE, add_key_rules
from chat.schema_protocols import describe_protocols

_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
_STREAM_NOTE = (
    "Server-sent events: `run.started`, `citations`, `delta` ({text}), then `run.finished` or `error`. Each has an "
    "`id`: send the last one as `Last-Event-ID` to `runs/{id}/events` to go on where a connection broke."
)
_KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
_MEMBER: list[dict[str, list[str]]] = [{"accessToken": []}, {"sessionCookie": []}]


def add_chat_routes(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook."""
    paths, components = result["paths"], result["components"]
    components.setdefault("schemas", {}).update(_SCHEMAS)
    components.setdefault("securitySchemes", {}).update(_SECURITY)
    for prefix, security, tag in (("/api", _MEMBER, "agents"), ("/api/v1", _KEY, "v1")):
        name = "" if prefix == "/api" else "v1_"
        paths[f"{prefix}/agents/{{agent_id}}/chat"] = {"post": _chat(f"{name}chat", security, tag)}
        paths[f"{prefix}/runs/{{run_id}}/events"] = {"get": _events(f"{name}run_events", security, tag)}
        paths[f"{prefix}/runs/{{run_id}}/cancel"] = {"post": _cancel(f"{name}run_cancel", security, tag)}
    paths["/api/v1/chat/completions"] = {"post": _completions()}
    paths["/api/v1/responses"] = {"post": _responses()}
    paths["/api/v1/responses/{response_id}"] = {"get": _response("v1_response", "A response, as it is now.")}
    cancelled = _response("v1_response_cancel", "Stop a response and answer it; what was written is kept.")
    paths["/api/v1/responses/{response_id}/cancel"] = {"post": cancelled}
    paths["/api/v1/models"] = {"get": _models()}
    paths["/api/v1/models/{model}"] = {"get": _model()}
    paths.update(describe_protocols())
    paths.update(describe_history())
    add_key_rules(paths)
    result["paths"] = dict(sorted(paths.items()))
    return result


def _operation(name: str, tag: str, security: Any, text: str, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    errors = {code: {"description": words, **_ERROR} for code, words in _ERRORS.items() if code in more["errors"]}
    extra = {key: value for key, value in more.items() if key != "errors"}
    return {
        "operationId": name,
        "description": text,
        "tags": [tag],
        "security": security,
        **extra,
        "responses": {**responses, **errors},
    }


def _chat(name: str, security: Any, tag: str) -> dict[str, Any]:
    answer = {
        "200": {
            "description": _STREAM_NOTE + " With `stream: false`, one JSON object.",
            "content": {
                "text/event-stream": {"schema": _TEXT},
                "application/json": {"schema": {"$ref": "#/components/schemas/ChatAnswer"}},
            },
        }
    }
    return _operation(
        name,
        tag,
        security,
        "Ask the agent. The run goes on when the client disconnects.",
        answer,
        parameters=[_path("agent_id", _ID), *([REPEATABLE] if security is _KEY else [])],
        requestBody=_body("ChatRequest"),
        errors=("400", "401", "402", "403", "404", "408", "409", "413", "422", "429", "502", "503", "504"),
    )


def _events(name: str, security: Any, tag: str) -> dict[str, Any]:
    after = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}}
    same = {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0}}
    answer = {"200": {"description": _STREAM_NOTE, "content": {"text/event-stream": {"schema": _TEXT}}}}
    return _operation(
        name,
        tag,
        security,
        "Follow a run from any event on, live or over.",
        answer,
        parameters=[_path("run_id", _ID), after, same],
        errors=("400", "401", "403", "404", "503"),
    )


def _cancel(name: str, security: Any, tag: str) -> dict[str, Any]:
    schema = {"type": "object", "required": ["id"], "properties": {"id": _ID}}
    answer = {"202": {"description": "It stops within a second.", "content": {"application/json": {"schema": schema}}}}
    return _operation(
        name,
        tag,
        security,
        "Stop a run; what was written is kept.",
        answer,
        parameters=[_path("run_id", _ID)],
        errors=("401", "403", "404", "503"),
    )


def _completions() -> dict[str, Any]:
    answer = {
        "200": {
            "description": "OpenAI's `chat.completion`, or `chat.completion.chunk` events.",
            "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": _TEXT}},
        }
    }
    return _operation(
        "v1_chat_completions",
        "openai",
        _KEY,
        "OpenAI-compatible chat completion: the agent is the model, by its id or slug.",
        answer,
        parameters=[REPEATABLE],
        requestBody=_body("CompletionRequest"),
        errors=("400", "401", "404", "408", "413", "429", "502", "503", "504"),
    )


def _responses() -> dict[str, Any]:
    answer = {
        "200": {
            "description": "OpenAI's `response`, or its stream of `response.*` events.",
            "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": _TEXT}},
        }
    }
    return _operation(
        "v1_responses",
        "openai",
        _KEY,
        "OpenAI-compatible response: `previous_response_id` goes on with the conversation of an earlier one.",
        answer,
        parameters=[REPEATABLE],
        requestBody=_body("ResponseRequest"),
        errors=("400", "401", "404", "408", "409", "413", "429", "502", "503", "504"),
    )


def _response(name: str, text: str) -> dict[str, Any]:
    answer = {"200": {"description": "The response.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    parameters = [_path("response_id", {**_TEXT, "pattern": "^resp_[0-9a-f]{32}$"})]
    return _operation(name, "openai", _KEY, text, answer, parameters=parameters, errors=("400", "401", "404", "503"))


def _models() -> dict[str, Any]:
    answer = {
        "200": {"description": "The key's agent.", "content": {"application/json": {"schema": {"type": "object"}}}}
    }
    return _operation("v1_models", "openai", _KEY, "The models of this key: its agent.", answer, errors=("401", "503"))


def _model() -> dict[str, Any]:
    answer = {"200": {"description": "The model.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    parameters = [_path("model", _TEXT)]
    text = "One model, by the agent's id or slug."
    return _operation("v1_model", "openai", _KEY, text, answer, parameters=parameters, errors=("401", "404", "503"))


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


_ERRORS = {
    "400": "The JSON cannot be read; on OpenAI-compatible routes also: a field is not valid.",
    "401": "No valid credentials.",
    "402": "A budget of the agent does not suffice; the message says which one and when it starts anew.",
    "403": "The role does not allow it, or the request comes from another site.",
    "404": "There is nothing with this id, or it is not yours.",
    "408": "The body came too slowly.",
    "409": "An answer is still being written in this conversation.",
    "413": "The message is too long.",
    "422": "A field is not valid.",
    "429": "Too many requests, here or at the model's provider.",
    "502": "The model failed.",
    "503": "The service is restarting.",
    "504": "The model took too long.",
}
_SECURITY = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An agent's API key, `gilo_...`."},
    "accessToken": {"type": "http", "scheme": "bearer", "description": "The access token of a sign-in."},
    "sessionCookie": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
}
_USAGE = {
    "type": "object",
    "properties": {
        "input_tokens": {"type": "integer"},
        "output_tokens": {"type": "integer"},
        "cost_usd": {"type": "number"},
    },
}
_SCHEMAS: dict[str, Any] = {
    "ChatRequest": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "message": {"type": "string", "minLength": 1, "maxLength": 100_000, "pattern": r"\S"},
            "conversation_id": {**_ID, "nullable": True},
            "stream": {"type": "boolean", "default": True},
            "variables": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 10_000}},
            "user": {"type": "string", "maxLength": 200, "description": "Your own id of who asks."},
            "regenerate": {
                "type": "boolean",
                "default": False,
                "description": "Answer the conversation's last question again; with another `message`, edit it first.",
            },
        },
    },
    "ChatAnswer": {
        "type": "object",
        "properties": {
            "id": _ID,
            "conversation_id": _ID,
            "run_id": _ID,
            "status": {"type": "string", "enum": ["complete", "cancelled"]},
            "content": _TEXT,
            "citations": {"type": "array", "items": {"type": "object"}},
            "tool_calls": {"type": "array", "items": {"type": "object"}},
            "usage": _USAGE,
            "latency_ms": {"type": "integer"},
            "ttft_ms": {"type": "integer", "nullable": True},
            "finish_reason": _TEXT,
        },
    },
    "CompletionRequest": {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            "model": _TEXT,
            "messages": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["role", "content"],
                    "properties": {
                        "role": {"type": "string", "enum": ["system", "developer", "user", "assistant"]},
                        "content": _TEXT,
                    },
                },
            },
            "stream": {"type": "boolean"},
            "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "max_tokens": {"type": "integer", "minimum": 1},
        },
    },
    "ResponseRequest": {
        "type": "object",
        "required": ["model", "input"],
        "properties": {
            "model": _TEXT,
            "input": {
                "oneOf": [_TEXT, {"type": "array", "minItems": 1, "items": {"type": "object"}}],
                "description": "The question, or messages that end with one.",
            },
            "instructions": {"type": "string", "nullable": True},
            "previous_response_id": {"type": "string", "nullable": True},
            "stream": {"type": "boolean"},
            "background": {"type": "boolean", "description": "Answer at once; ask for the response by its id."},
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "max_output_tokens": {"type": "integer", "minimum": 1},
            "metadata": {"type": "object", "additionalProperties": _TEXT},
        },
    },
}
