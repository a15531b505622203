"""JSON and JSON lines: each leaf with the path that leads to it; records one by one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.loaders.text import read_text
from knowledge.loaders.types import LoadError, Section


def load(path: Path) -> Iterator[Section]:
    """One section: a list's items are separated by an empty line."""
    value = _parse(read_text(path))
    records = value if isinstance(value, list) else [value]
    yield Section("\n\n".join("\n".join(_format(record, "")) for record in records))


def _parse(text: str) -> Any:
    try:
        return _load(text)
    except RecursionError as error:
        raise LoadError("parse_limit", "The JSON is nested too deeply.") from error
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1:
            return _parse_lines(lines, error)
        raise LoadError("parse_failed", f"The file is not valid JSON: {error}.") from error


def _load(text: str) -> Any:
    """The value; its numbers are texts, as long and as precise as they are written."""
    return json.loads(text, parse_int=str, parse_float=str)


def _parse_lines(lines: list[str], first_error: ValueError) -> list[Any]:
    try:
        return [_load(line) for line in lines]
    except (ValueError, RecursionError):
        raise LoadError("parse_failed", f"The file is not valid JSON: {first_error}.") from first_error


def _format(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _format(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        if all(not isinstance(item, (dict, list)) for item in value):
            yield f"{path}: {', '.join(_leaf(item) for item in value)}" if path else ", ".join(map(_leaf, value))
            return
        for index, item in enumerate(value, 1):
            yield from _format(item, f"{path}[{index}]")
    else:
        yield f"{path}: {_leaf(value)}" if path else _leaf(value)


def _leaf(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
