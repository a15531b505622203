"""Parameters as Stripe checks them, against the typed dictionaries that the installed SDK carries for every call."""

import re
import sys
import types
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict

_KEYS = re.compile(r"[^\[\]]+")
_NOT_SENT = frozenset(RequestOptions.__annotations__)  # these travel as headers


class Refused(Exception):
    """An answer in Stripe's error shape."""

    def __init__(self, status: int, code: str, message: str, *, param: str = "", type: str = "invalid_request_error"):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": type, "code": code, "message": message, **({"param": param} if param else {})}}


def read_form(text: str) -> dict[str, Any]:
    """`a[b][0]=c` as nested dictionaries, as Stripe reads bodies and query strings."""
    result: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        keys = _KEYS.findall(name)
        place = result
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        if name.endswith("[]"):
            place = place.setdefault(keys[-1], {})
            keys[-1] = str(len(place))
        place[keys[-1]] = value
    return result


def check(given: dict[str, Any], kind: Any) -> dict[str, Any]:
    """The parameters as typed values. Raises Refused for one that is unknown, missing or of another type."""
    return _read_dict(given, kind, "")


def _read_dict(given: Any, kind: Any, path: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _invalid(path, "an object")
    hints = {name: hint for name, hint in _hints(kind).items() if path or name not in _NOT_SENT}
    for name in given:
        if name not in hints:
            param = _join(path, name)
            raise Refused(400, "parameter_unknown", f"Received unknown parameter: {param}", param=param)
    for name in kind.__required_keys__ & hints.keys():
        if name not in given:
            param = _join(path, name)
            raise Refused(400, "parameter_missing", f"Missing required param: {param}.", param=param)
    return {name: _read(value, hints[name], _join(path, name)) for name, value in given.items()}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    names = {"StripeContext": object, "Mapping": Mapping}  # of RequestOptions, which is defined elsewhere
    return get_type_hints(kind, vars(sys.modules[kind.__module__]), names)


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _read(value: Any, hint: Any, path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _read_union(value, arguments, path)
    if origin is Literal:
        if value not in arguments:
            raise _invalid(path, f"one of {', '.join(map(repr, arguments))}")
        return value
    if origin is list:
        if not isinstance(value, dict) or not all(key.isdigit() for key in value):
            raise _invalid(path, "an array")
        items = [value[key] for key in sorted(value, key=int)]
        return [_read(item, arguments[0], f"{path}[{number}]") for number, item in enumerate(items)]
    if origin is dict:
        if not isinstance(value, dict):
            raise _invalid(path, "a hash")
        return {key: _read(item, arguments[1], _join(path, key)) for key, item in value.items()}
    if is_typeddict(hint):
        return _read_dict(value, hint, path)
    return _read_scalar(value, hint, path)


def _read_union(value: Any, kinds: tuple[Any, ...], path: str) -> Any:
    closed = [kind for kind in kinds if get_origin(kind) is Literal and get_args(kind) != ("",)]
    known = [
        kind for kind in kinds if getattr(kind, "__name__", "") != "UntypedStripeObject" and kind is not type(None)
    ]
    if closed:  # the SDK lets strings pass that it does not know; Stripe does not
        known = [kind for kind in known if kind is not str]
    refusals = []
    for kind in known:
        try:
            return _read(value, kind, path)
        except Refused as refused:
            refusals.append(refused)
    raise max(refusals, key=lambda refused: len(refused.body["error"].get("param", "")))


def _read_scalar(value: Any, kind: Any, path: str) -> Any:
    if not isinstance(value, str):
        raise _invalid(path, "a single value")
    if kind is bool:
        if value not in {"true", "false"}:
            raise _invalid(path, "a boolean")
        return value == "true"
    if kind in (int, float, Decimal):
        try:
            return kind(value)
        except (ValueError, InvalidOperation):
            raise _invalid(path, "a number") from None
    if kind is str:
        return value
    raise AssertionError(f"teach tests/fake_stripe/parameters.py about {kind!r} ({path})")


def _invalid(path: str, what: str) -> Refused:
    return Refused(400, "parameter_invalid", f"Invalid {path}: must be {what}.", param=path)
