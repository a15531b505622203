"""The strict JSON parser's edges; what it means at each route is in tests/test_error_shape.py."""

import pytest

from core.api import MAX_JSON_DEPTH, parse_json
from core.errors import BadRequest, TooLarge, ValidationFailed


@pytest.mark.parametrize(
    ("body", "value"),
    [(b'{"a": [1, "b", null]}', {"a": [1, "b", None]}), (b'"[[[[{{{{"', "[[[[{{{{"), (b"1.5", 1.5)],
)
def test_parse_json_reads_what_is_meant(body, value):
    assert parse_json(body) == value


def test_parse_json_counts_nesting_not_brackets_in_text():
    text = b'{"a": "' + b"[{" * 100 + b'\\""}'
    assert parse_json(text)["a"].startswith("[{")
    assert parse_json(b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH)
    with pytest.raises(BadRequest):
        parse_json(b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1))


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a":1,"a":2}', b"NaN", b"[Infinity]", b"\xff", b'{"a": 01}', b"1" * 5000]
)
def test_parse_json_refuses_what_is_not_json(body):
    with pytest.raises(BadRequest):
        parse_json(body)


@pytest.mark.parametrize("escape", [rb"", rb"\n", rb"\"", rb"\\\\", rb"\\\\\"", rb"\u0022"])
def test_parse_json_finds_a_key_that_stands_twice_at_any_depth(escape):
    assert parse_json(b'{"a": [{"b": "%b"}, {"b": 1}], "%b": {"a": {}}}' % (escape, escape))
    for twice in (b'{"a": [{"b": "%b", "b": "%b"}]}', b'{"a": {"b%b": 1, "b%b": [2]}}'):
        with pytest.raises(BadRequest, match="twice"):
            parse_json(twice % (escape, escape))


@pytest.mark.parametrize("body", [b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'["\\ud800"]', b'["\\udc00"]'])
def test_parse_json_refuses_text_that_cannot_be_stored(body):
    with pytest.raises(ValidationFailed):
        parse_json(body)


def test_parse_json_refuses_a_body_over_the_limit():
    with pytest.raises(TooLarge):
        parse_json(b'"' + b"x" * 100 + b'"', limit=50)
