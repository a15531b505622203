"""The OpenAPI schema as a page for people: groups of operations with their fields, from the one true schema."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.utils.translation import override
from drf_spectacular.generators import SchemaGenerator
from rest_framework.renderers import BaseRenderer

_METHODS = ("get", "post", "put", "patch", "delete")
_MAX_DEPTH = 3
# The two kinds that a program uses come first, under names that say what they are.
_NAMES = {"V1": "Public API", "Openai": "OpenAI-compatible", "A2a": "A2A", "Mcp": "MCP"}
_FIRST = ("Public API", "OpenAI-compatible")


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or body field; `depth` indents what lies inside another field."""

    name: str
    type: str
    required: bool
    text: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    title: str
    text: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answers: tuple[tuple[str, str, tuple[Field, ...]], ...]


@dataclass(slots=True)
class Group:
    """The operations on one kind of thing."""

    id: str
    name: str
    operations: list[Operation] = field(default_factory=list)


@lru_cache(maxsize=1)
def read_schema() -> dict[str, Any]:
    """The OpenAPI schema, in English. It never changes in a process: to make it takes half a second, and anybody may
    ask."""
    with override("en"):
        schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


class KnownSchema(SchemaGenerator):
    """For a view: what `read_schema` knows, for every request."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        return read_schema()


def rendered_once(renderer: type[BaseRenderer]) -> type[BaseRenderer]:
    """The renderer, which writes the schema once: that takes a tenth of a second, and anybody may ask."""

    class Once(renderer):  # type: ignore[misc, valid-type]  # a class that is chosen at run time
        _schema: Any = None
        _written = b""

        def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
            if data is Once._schema:
                return Once._written
            written: bytes = super().render(data, accepted_media_type, renderer_context)
            if renderer_context["response"].status_code == HTTPStatus.OK:
                Once._written, Once._schema = written, data
            return written

    return Once


@lru_cache(maxsize=1)
def describe_api() -> tuple[Group, ...]:
    """All operations, grouped by the first word of their path after /api."""
    schema = read_schema()
    groups: dict[str, Group] = {}
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = _describe_operation(schema, path, method, methods[method])
                name = _group_of(path, methods[method])
                name = _NAMES.get(name, name)
                groups.setdefault(name, Group(_slug(name), name)).operations.append(operation)
    return tuple(sorted(groups.values(), key=lambda group: (group.name not in _FIRST, group.name)))


def _group_of(path: str, operation: dict[str, Any]) -> str:
    tags = [tag for tag in operation.get("tags", []) if tag != "api"]
    if tags:
        return str(tags[0]).replace("-", " ").capitalize()
    words = [part for part in path.split("/") if part and not part.startswith("{") and part != "api"]
    return (words[0] if words else "api").replace("-", " ").capitalize()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _describe_operation(schema: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Operation:
    title, _, text = operation.get("description", "").partition("\n")
    if operation.get("summary"):
        title, text = operation["summary"], operation.get("description", "")
    parameters = tuple(
        Field(item["name"], _type_of(schema, item.get("schema", {})), item.get("required", False),
              item.get("description", ""))
        for item in operation.get("parameters", []) if item["in"] in {"path", "query", "header"}
    )  # fmt: skip
    return Operation(
        id=_slug(f"{method} {path}"),
        method=method.upper(),
        path=path,
        title=title.strip(),
        text=text.strip(),
        parameters=parameters,
        body=_content_fields(schema, operation.get("requestBody", {})),
        answers=tuple(
            (code, answer.get("description", ""), _content_fields(schema, answer) if code < "300" else ())
            for code, answer in sorted(operation.get("responses", {}).items())
        ),
    )


def _content_fields(schema: dict[str, Any], holder: dict[str, Any]) -> tuple[Field, ...]:
    for content in holder.get("content", {}).values():
        return tuple(_fields(schema, content.get("schema", {})))
    return ()


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference; join `allOf`."""
    if "$ref" in node:
        return _resolve(schema, schema["components"]["schemas"][node["$ref"].rsplit("/", 1)[-1]])
    if "allOf" in node:
        merged: dict[str, Any] = {}
        for part in node["allOf"]:
            merged |= _resolve(schema, part)
        return merged | {key: value for key, value in node.items() if key != "allOf"}
    return node


def _fields(schema: dict[str, Any], node: dict[str, Any], depth: int = 0) -> Iterator[Field]:
    node = _resolve(schema, node)
    if node.get("type") == "array":
        yield from _fields(schema, node["items"], depth)
        return
    required = node.get("required", [])
    for name, value in node.get("properties", {}).items():
        text = value.get("description", "") if isinstance(value, dict) else ""
        yield Field(name, _type_of(schema, value), name in required, text, depth)
        if depth + 1 < _MAX_DEPTH:
            yield from _fields(schema, value, depth + 1)


def _type_of(schema: dict[str, Any], node: dict[str, Any]) -> str:
    node = _resolve(schema, node)
    if "oneOf" in node or "anyOf" in node:
        return " | ".join(dict.fromkeys(_type_of(schema, part) for part in node.get("oneOf") or node["anyOf"]))
    if "enum" in node:
        return " | ".join(f'"{value}"' for value in node["enum"] if value)
    if node.get("type") == "array":
        return f"{_type_of(schema, node.get('items', {}))}[]"
    kind = node.get("format") if node.get("format") in {"uuid", "date-time", "binary", "uri", "email"} else None
    name = kind or node.get("type", "any")
    name = " | ".join(name) if isinstance(name, list) else str(name)
    return f"{name} | null" if node.get("nullable") else name
