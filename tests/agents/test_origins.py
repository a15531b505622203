"""Origins: what is taken, how it is written, what it matches."""

import pytest

from agents.origins import is_listed, normalise_origin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com", "https://example.com"),
        ("https://Example.COM/", "https://example.com"),
        ("HTTPS://example.com:443", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.Example.com", "https://*.example.com"),
        ("https://*.bücher.example:8443", "https://*.xn--bcher-kva.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("  https://example.com ", "https://example.com"),
    ],
)
def test_normalise_origin_writes_one_way(text, expected):
    assert normalise_origin(text) == expected
    assert normalise_origin(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "null", "example.com", "//example.com", "ftp://example.com", "javascript:alert(1)", "https://",
        "https://example.com/path", "https://example.com?x=1", "https://example.com#x", "https://user@example.com",
        "https://example.com:", "https://example.com:99999", "https://example.com:x", "https://*", "https://*.com",
        "https://a.*.com", "https://**.example.com", "https://*example.com", "https://exa mple.com",
        "https://example.com;script-src *", "https://example.com\\@evil.com", "https://-a.com", "https://a..b",
        "https://" + "a" * 300 + ".com", "https://[::1", "https://[x]", "https://example.com\x00",
        "https://a.com\r\nX: y",
        "https://exa_mple.com", "https://example.com//", "https://\ud800.com",
    ],
)  # fmt: skip
def test_normalise_origin_refuses_what_is_none(text):
    with pytest.raises(ValueError):
        normalise_origin(text)


@pytest.mark.parametrize(
    ("origin", "listed", "expected"),
    [
        ("https://example.com", ["https://example.com"], True),
        ("https://EXAMPLE.com:443", ["https://example.com"], True),
        ("http://example.com", ["https://example.com"], False),
        ("https://example.com:8443", ["https://example.com"], False),
        ("https://example.com.evil.net", ["https://example.com"], False),
        ("https://a.example.com", ["https://*.example.com"], True),
        ("https://a.b.example.com", ["https://*.example.com"], True),
        ("https://example.com", ["https://*.example.com"], False),
        ("https://evilexample.com", ["https://*.example.com"], False),
        ("http://a.example.com", ["https://*.example.com"], False),
        ("https://a.example.com:8443", ["https://*.example.com"], False),
        ("https://*.example.com", ["https://*.example.com"], True),
        ("null", ["https://example.com"], False),
        ("https://example.com, https://evil.net", ["https://example.com"], False),
        ("", ["https://example.com"], False),
    ],
)
def test_is_listed_compares_whole_origins(origin, listed, expected):
    assert is_listed(origin, listed) is expected
