"""How settings are read and checked: whatever is wrong with one ends the start with a sentence that names it.

It is handed the variables; `gilo.settings` alone knows where they come from.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import dj_database_url

_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_QUOTING = "special characters in a password are written as %40 for @ and so on."
_HOST_NAME = r"[a-z0-9_-]+(\.[a-z0-9_-]+)*"
_ALLOWED_HOST = re.compile(rf"\*|\.?{_HOST_NAME}\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)


class WrongSetting(SystemExit):
    """Ends the process with this sentence and status 1: who mistyped a variable has no use for a traceback."""


class Environment:
    """The variables. An empty one counts as not set; secrets and addresses are never repeated in what is said."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """The content of the file that NAME_FILE points to, else the variable, else the default."""
        path = self._variables.get(f"{name}_FILE", "").strip()
        value = _read_file(name, path) if path else self._variables.get(name, default)
        return value.strip() or default

    def flag(self, name: str, default: bool) -> bool:
        word = self.text(name, "1" if default else "0").lower()
        if word not in _YES | _NO:
            raise WrongSetting(f"{name} must be 1 or 0 (or true, yes, on; false, no, off), not {word!r}.")
        return word in _YES

    def number(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        value = self.text(name, str(default))
        with suppress(ValueError):
            if least <= int(value) and (most is None or int(value) <= most):
                return int(value)
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise WrongSetting(f"{name} must be a whole number {bounds}, not {value!r}.")

    def prices(self, of_input: str, of_output: str) -> tuple[Decimal | None, Decimal | None]:
        """US dollars for a million tokens read and written; None twice when neither is set."""
        prices = self._price(of_input), self._price(of_output)
        if (prices[0] is None) != (prices[1] is None):
            raise WrongSetting(f"Set both {of_input} and {of_output}, or neither.")
        return prices

    def _price(self, name: str) -> Decimal | None:
        value = self.text(name)
        try:
            price = Decimal(value or 0)
        except InvalidOperation:
            price = Decimal("NaN")
        if not (price.is_finite() and 0 <= price <= 10_000):
            raise WrongSetting(f"{name} must be a number from 0 to 10000, not {value!r}.")
        return price if value else None

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise WrongSetting(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    def words(self, name: str) -> list[str]:
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def key(self, name: str, *, begins: tuple[str, ...] = ("",)) -> str:
        """A key as services give them out, which can be sent in a header."""
        value = self.text(name)
        if not re.fullmatch(r"[!-~]*", value):
            raise WrongSetting(f"{name} holds a space, a line break or a letter that keys do not have. Copy it anew.")
        if value and not value.startswith(begins):
            raise WrongSetting(f"{name} must begin with {' or '.join(begins)}. Copy the right key from the provider.")
        return value

    def keys(self, name: str, *, begins: str) -> list[str]:
        keys = self.words(name)
        if not all(re.fullmatch(r"[!-~]+", key) and key.startswith(begins) for key in keys):
            raise WrongSetting(f"{name} must hold keys that begin with {begins}, separated by commas.")
        return keys

    def pair(self, name: str, other: str) -> tuple[str, str]:
        """Two variables of which one is nothing without the other."""
        pair = self.text(name), self.text(other)
        if bool(pair[0]) != bool(pair[1]):
            raise WrongSetting(f"Set both {name} and {other}, or neither.")
        return pair

    def web_address(self, name: str, default: str = "", *, may_have_path: bool = True) -> str:
        """An http or https address without the slash at its end."""
        value = self.text(name, default).rstrip("/")
        parts = split_address(value)
        if value and not (parts and parts.scheme in {"http", "https"} and parts.hostname and not parts.fragment):
            raise WrongSetting(f"{name} must be an address such as https://example.com, with http:// or https://.")
        if parts and not may_have_path and (parts.path or parts.query or "@" in parts.netloc):
            raise WrongSetting(f"{name} must end after the host and the port, as in https://example.com.")
        return value

    def hosts(self, name: str) -> list[str]:
        hosts = self.words(name)
        if wrong := [host for host in hosts if not _ALLOWED_HOST.fullmatch(host)]:
            raise WrongSetting(f"{name} must hold host names without scheme, port or path, not {wrong[0]!r}.")
        return hosts

    def domain(self, name: str) -> str:
        value = self.text(name).lower().strip(".")
        if value and not re.fullmatch(_HOST_NAME, value):
            raise WrongSetting(f"{name} must be a domain such as agents.example.com, not {value!r}.")
        return value

    def networks(self, name: str) -> list[str]:
        networks = self.words(name)
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                raise WrongSetting(f"{name} must hold networks such as 10.1.0.0/16, not {network!r}.") from None
        return networks

    def sender(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if "@" not in parseaddr(value)[1] or len(value.splitlines()) > 1:
            raise WrongSetting(f"{name} must be an address such as GiLo <gilo@example.com>, not {value!r}.")
        return value

    def folder(self, name: str, default: str) -> Path:
        value = self.text(name, default)
        try:
            return Path(value).expanduser().resolve()
        except (OSError, RuntimeError):  # a circle of links; ~ of a user that is not there
            raise WrongSetting(f"{name} must be the path of a folder, not {value!r}.") from None

    def database(self, name: str) -> dict[str, Any]:
        """What Django is told of the PostgreSQL server."""
        try:
            database = dict(dj_database_url.parse(self.text(name)))
        except ValueError:
            database = {}
        if database.get("ENGINE") != "django.db.backends.postgresql" or not database.get("NAME"):
            raise WrongSetting(f"{name} must look like postgres://user:password@host:5432/name; {_QUOTING}")
        return database

    def redis_address(self, name: str) -> str:
        value = self.text(name)
        parts = split_address(value)
        is_server = parts and parts.scheme in {"redis", "rediss"} and parts.hostname
        if value and not (is_server or (parts and parts.scheme == "unix" and parts.path)):
            raise WrongSetting(f"{name} must look like redis://host:6379/0 (rediss:// with TLS); {_QUOTING}")
        return value


def split_address(value: str) -> SplitResult | None:
    """The parts of a URL; None where it has no readable host or port."""
    with suppress(ValueError):
        parts = urlsplit(value)
        _ = parts.port  # read only when asked for
        return parts
    return None


def _read_file(name: str, path: str) -> str:
    try:
        # An empty one must not pass for "not set": the start would take another database, say.
        if text := Path(path).read_text(encoding="utf-8").strip():
            return text
        reason = "it is empty"
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError:
        reason = "it is not a text in UTF-8"
    raise WrongSetting(f"{name}_FILE names {path}, which cannot be used: {reason}.")
