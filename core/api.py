"""The dashboard API's common ground: strict JSON in, one error shape out, cursor pages, strict serializers."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext
from psycopg.errors import DiskFull
from redis.exceptions import RedisError
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from core import errors
from core.body_limit import DISK_FULL
from core.text import is_storable

logger = logging.getLogger(__name__)
MAX_JSON_BYTES = 2 * 1024 * 1024
MAX_JSON_DEPTH = 32


class JSONRenderer(BaseRenderer):
    """orjson out."""

    media_type = "application/json"
    format = "json"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=str)


class StrictJSONParser(BaseParser):
    """JSON that means one thing: no NaN, no duplicate keys, no endless nesting, nothing PostgreSQL cannot store."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return parse_json(stream.read(MAX_JSON_BYTES + 1))


def parse_json(body: bytes, limit: int = MAX_JSON_BYTES) -> Any:
    """The value of a JSON body; raises TooLarge, BadRequest or ValidationFailed."""
    if len(body) > limit:
        raise errors.TooLarge(f"The body is larger than {limit} bytes.")
    try:
        value = orjson.loads(body)  # strict about NaN, surrogates, numbers and UTF-8
        if not _has_as_many_texts(body, _count_texts(value, MAX_JSON_DEPTH)):
            value = json.loads(body, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        if "surrogate in string" in str(error):
            raise _text_invalid() from None
        raise errors.BadRequest(f"The body is not valid JSON: {error}", code="json_invalid") from None
    # A NUL comes through orjson in this form only, a surrogate in none.
    if b"\\u0000" in body and not is_storable(value):
        raise _text_invalid()
    return value


def _text_invalid() -> errors.ValidationFailed:
    return errors.ValidationFailed("Text must not contain NUL characters or lone surrogates.", code="text_invalid")


def _count_texts(value: Any, levels: int) -> int:
    """How many keys and texts the value holds. Raises BadRequest when it is nested deeper than so many levels."""
    if not isinstance(value, dict | list):
        return type(value) is str
    if not levels:
        raise errors.BadRequest(f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.", code="json_invalid")
    count = len(value) if isinstance(value, dict) else 0
    for item in value.values() if isinstance(value, dict) else value:
        if type(item) is str:
            count += 1
        elif isinstance(item, dict | list):
            count += _count_texts(item, levels - 1)
    return count


def _has_as_many_texts(body: bytes, count: int) -> bool:
    """Whether the body has two quotes for each key and text that was kept: then no key stood there twice.

    False means "look closer": after a backslash that is itself escaped, a quote may or may not be.
    """
    return b"\\\\" not in body and body.count(b'"') - body.count(b'\\"') == 2 * count


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


class FieldErrorSerializer(serializers.Serializer[Any]):
    """One rejected field."""

    param = serializers.CharField()
    message = serializers.CharField()


class ErrorBodySerializer(serializers.Serializer[Any]):
    """What happened and what to do."""

    type = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    param = serializers.CharField(allow_null=True)
    request_id = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class ErrorSerializer(serializers.Serializer[Any]):
    """The one error shape, for the schema."""

    error = ErrorBodySerializer()


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not know, so that a typing error or a protected field never passes."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [str(name) for name in data if name not in known]
            if unknown:
                raise serializers.ValidationError({name: ["This field is not known here."] for name in unknown})
        return super().to_internal_value(data)


def check_fields(kind: type[serializers.BaseSerializer[Any]], data: Any) -> dict[str, Any]:
    """The validated fields of a body; raises a validation error that names each wrong one."""
    given = kind(data=data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


class Page(CursorPagination):
    """`{"data": [...], "next": cursor|null}`; `?limit=` from 1 to 100, `?cursor=`."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = "-created_at"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """The page that the cursor names. Raises CursorInvalid for a cursor that we did not make."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, DjangoValidationError, DataError, ValueError):
            raise errors.CursorInvalid() from None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data, "next": self._next_cursor()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["data", "next"],
            "properties": {"data": schema, "next": {"type": "string", "nullable": True}},
        }

    def _next_cursor(self) -> str | None:
        link = self.get_next_link()
        return parse_qs(urlsplit(link).query)["cursor"][0] if link else None


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's hook: every exception becomes the one error shape."""
    request = context["request"]
    shaped = to_gilo_error(error)
    return Response(_body(shaped, request), status=int(shaped.status), headers=shaped.headers)


def error_response(request: HttpRequest, error: Exception) -> JsonResponse:
    """The same shape for plain Django views."""
    shaped = to_gilo_error(error)
    return JsonResponse(_body(shaped, request), status=int(shaped.status), headers=shaped.headers)


def _body(error: errors.GiloError, request: Any) -> dict[str, Any]:
    """The error's shape with its message in the request's language: pages show it to people as it is."""
    body = error.body(getattr(request, "request_id", ""))
    message = body["error"]["message"]
    body["error"]["message"] = gettext(message) if message else ""
    return body


def to_gilo_error(error: Exception) -> errors.GiloError:
    """Any exception as one of ours; what nobody foresaw is logged and answers 500 without details."""
    if isinstance(error, errors.GiloError):
        return error
    for kind, translate in _TRANSLATIONS:
        if isinstance(error, kind):
            return translate(error)
    logger.error("unhandled error", exc_info=error)
    return errors.GiloError()


def _from_validation(error: Any) -> errors.GiloError:
    fields = list(_flatten(error.detail))
    param = fields[0].param if fields else None
    message = fields[0].message if len(fields) == 1 else None
    return errors.ValidationFailed(message, param=param, errors=fields)


def _flatten(detail: Any, path: str = "") -> Any:
    if isinstance(detail, Mapping):
        for name, value in detail.items():
            yield from _flatten(value, path if name == "non_field_errors" else f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            yield from _flatten(value, path if isinstance(value, str) else f"{path}.{index}".strip("."))
    else:
        yield errors.FieldError(path, str(detail))


def _from_drf(error: Any) -> errors.GiloError:
    shaped = errors.GiloError(str(error.detail), code=str(error.get_codes()))
    shaped.status = error.status_code
    return shaped


def _from_database(error: OperationalError) -> errors.GiloError:
    return errors.StorageFull() if isinstance(error.__cause__, DiskFull) else errors.Unavailable()


def _from_system(error: OSError) -> errors.GiloError:
    if error.errno in DISK_FULL:
        logger.error("the disk is full", exc_info=error)
        return errors.StorageFull()
    logger.error("unhandled error", exc_info=error)
    return errors.GiloError()


_TRANSLATIONS: list[tuple[type[Exception], Callable[[Any], errors.GiloError]]] = [
    (exceptions.ValidationError, _from_validation),
    (exceptions.ParseError, lambda error: errors.BadRequest(str(error.detail))),
    (exceptions.NotAuthenticated, lambda error: errors.NotAuthenticated()),
    (exceptions.AuthenticationFailed, lambda error: errors.NotAuthenticated(str(error.detail))),
    (exceptions.PermissionDenied, lambda error: errors.PermissionDenied(str(error.detail))),
    (exceptions.NotFound, lambda error: errors.NotFound()),
    (exceptions.APIException, _from_drf),
    (Http404, lambda error: errors.NotFound()),
    (DjangoPermissionDenied, lambda error: errors.PermissionDenied()),
    (SuspiciousOperation, lambda error: errors.BadRequest(str(error))),
    (MultiPartParserError, lambda error: errors.BadRequest(str(error))),
    (OperationalError, _from_database),
    (OSError, _from_system),
    (InterfaceError, lambda error: errors.Unavailable()),
    (RedisError, lambda error: errors.Unavailable()),
]
