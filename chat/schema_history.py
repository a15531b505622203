"""The public history API in the OpenAPI schema."""

from typing import Any

_KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
_ID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string"}
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}}
_CURSOR = {"name": "cursor", "in": "query", "schema": _TEXT, "description": "`next` of the page before."}
_ERRORS = {
    "400": "The JSON or the cursor cannot be read.",
    "401": "No valid API key.",
    "403": "The key's scopes do not open this, its agent is off, or the page's origin is not on its list.",
    "404": "There is nothing with this id, or it is not this key's.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "422": "A field is not valid.",
    "429": "Too many requests.",
    "503": "The database is restarting.",
}
_WITH_BODY = ("400", "408", "413", "422")


def describe_history() -> dict[str, Any]:
    """path → operations"""
    return {
        "/api/v1/conversations": {"get": _conversations()},
        "/api/v1/conversations/{conversation_id}": {"delete": _delete()},
        "/api/v1/conversations/{conversation_id}/messages": {"get": _messages()},
        "/api/v1/messages/{message_id}/feedback": {"post": _feedback()},
        "/api/v1/knowledge/search": {"post": _search()},
        "/api/v1/agent": {"get": _agent()},
    }


def _conversations() -> dict[str, Any]:
    user = {"name": "user", "in": "query", "schema": _TEXT, "description": "Only of this `user` of yours."}
    text = "The key's conversations, last active first. Scope `conversations`."
    answer = _page("ConversationOutput")
    return _operation("conversations", text, answer, parameters=[_LIMIT, _CURSOR, user], errors=("400",))


def _messages() -> dict[str, Any]:
    text = "A conversation's messages, oldest first. Scope `conversations`."
    parameters = [_path("conversation_id"), _LIMIT, _CURSOR]
    return _operation("messages", text, _page("MessageOutput"), parameters=parameters, errors=("400", "404"))


def _delete() -> dict[str, Any]:
    text = "Delete a conversation with all its messages; this cannot be undone. Scope `conversations`."
    answer = _object({"id": _ID, "deleted": {"type": "boolean"}})
    return _operation("conversation_delete", text, answer, parameters=[_path("conversation_id")], errors=("404",))


def _feedback() -> dict[str, Any]:
    text = "Thumbs up (1), down (-1) or none (null) on an answer, in place of what was said before. Scope `chat`."
    value = {"type": "integer", "enum": [1, -1, None], "nullable": True}
    comment = {"type": "string", "maxLength": 1000}
    body = {**_object({"value": value, "comment": comment}), "required": ["value"], "additionalProperties": False}
    answer = _object({"id": _ID, "feedback": {"type": "integer", "nullable": True}, "feedback_comment": _TEXT})
    more = {"parameters": [_path("message_id")], "requestBody": _body(body)}
    return _operation("feedback", text, answer, errors=("404", *_WITH_BODY), **more)


def _search() -> dict[str, Any]:
    text = "Find passages in the agent's documents as the agent does. Scope `knowledge`."
    answer = {"$ref": "#/components/schemas/SearchOutput"}
    body = _body({"$ref": "#/components/schemas/SearchInputRequest"})
    return _operation("knowledge_search", text, answer, requestBody=body, errors=_WITH_BODY)


def _agent() -> dict[str, Any]:
    facts = {
        "id": _ID,
        "name": _TEXT,
        "slug": _TEXT,
        "welcome_message": _TEXT,
        "suggested_questions": {"type": "array", "items": _TEXT},
        "appearance": _object({"color": _TEXT, "color_2": _TEXT, "glyph": _TEXT}),
        "language": _TEXT,
    }
    return _operation("agent", "The key's agent, as visitors may see it.", _object(facts), errors=())


def _operation(name: str, text: str, answer: dict[str, Any], errors: tuple[str, ...], **more: Any) -> dict[str, Any]:
    codes = ("401", "403", *errors, "429", "503")
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refusals = {code: {"description": _ERRORS[code], "content": error} for code in sorted(codes)}
    good = {"description": text.partition(".")[0] + ".", "content": {"application/json": {"schema": answer}}}
    shared = {"operationId": f"v1_{name}", "description": text, "tags": ["v1"], "security": _KEY}
    return {**shared, **more, "responses": {"200": good, **refusals}}


def _page(schema: str) -> dict[str, Any]:
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return {**_object({"data": rows, "next": {"type": "string", "nullable": True}}), "required": ["data", "next"]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _ID}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
