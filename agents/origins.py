"""Origins of web pages: written one way, and compared with what a browser says.

An origin is scheme, host and port. `https://*.example.com` stands for every host below example.com, not for itself.
What is normalised here goes into `frame-ancestors` and CORS headers, so it holds nothing but what a host may hold.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna

MAX_ORIGINS = 50
MAX_ORIGIN_CHARACTERS = 255
_WILDCARD = "*."
_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def normalise_origin(text: str) -> str:
    """`scheme://host[:port]` in lower case, IDNA encoded, without the scheme's own port. Raises ValueError."""
    text = text.strip()
    if len(text) > MAX_ORIGIN_CHARACTERS or not text.isprintable() or "\\" in text or " " in text:
        raise ValueError(text)
    parts = urlsplit(text.removesuffix("/"))
    if parts.scheme not in _PORTS or not parts.hostname or parts.netloc != text.removesuffix("/").partition("//")[2]:
        raise ValueError(text)  # an unknown scheme, or a path, a query, a fragment
    if "@" in parts.netloc or parts.netloc.endswith(":"):
        raise ValueError(text)
    return f"{parts.scheme}://{_normalise_host(parts.hostname)}{_port_of(parts)}"


def is_listed(origin: str, listed: Sequence[str]) -> bool:
    """Whether a browser's Origin header names one of these origins (normalised ones)."""
    try:
        wanted = normalise_origin(origin)
    except ValueError:  # "null", or nonsense
        return False
    return wanted in listed or any(_is_below(wanted, one) for one in listed if _WILDCARD in one)


def _is_below(origin: str, pattern: str) -> bool:
    scheme, _, host = pattern.partition("//*")
    return origin.startswith(f"{scheme}//") and origin.endswith(host) and "*" not in origin


def _port_of(parts: SplitResult) -> str:
    return "" if parts.port is None or parts.port == _PORTS[parts.scheme] else f":{parts.port}"


def _normalise_host(host: str) -> str:
    if ":" in host:
        return f"[{IPv6Address(host)}]"
    wildcard = _WILDCARD if host.startswith(_WILDCARD) else ""
    labels = _encode(host.removeprefix(wildcard)).split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or (wildcard and len(labels) < 2):
        raise ValueError(host)
    return wildcard + ".".join(labels)


def _encode(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(host) from error
