"""CSV: each row as `column: value` pairs, so that a chunk makes sense without the rest of the table."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from knowledge.loaders.text import read_text
from knowledge.loaders.types import LoadError, Section

MAX_COLUMNS = 1_000
MAX_CELL_CHARACTERS = 1_000_000
_ROWS_A_SECTION = 2_000
_SAMPLE_CHARACTERS = 16_384
_DELIMITERS = ",;\t|"


def load(path: Path) -> Iterator[Section]:
    """Sections of many rows each; cells stay as they are, formulas too."""
    text = read_text(path)
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    delimiter = _delimiter(text[:_SAMPLE_CHARACTERS])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    header: list[str] = []
    lines: list[str] = []
    for row in _read_rows(reader):
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header = [cell.strip() or f"column {index}" for index, cell in enumerate(row, 1)]
            continue
        lines.append(_format_row(header, row))
        if len(lines) == _ROWS_A_SECTION:
            yield Section("\n".join(lines))
            lines = []
    yield Section("\n".join(lines) if lines else "; ".join(header))


def _read_rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise LoadError("csv_limit", f"Row {number} cannot be read: {error}.") from error
        if len(row) > MAX_COLUMNS:
            raise LoadError("csv_limit", f"Row {number} has {len(row)} columns; the limit is {MAX_COLUMNS}.")
        yield row


def _delimiter(sample: str) -> str:
    # Only the delimiter is guessed: what the sample happens not to hold (a doubled quote) may well follow it.
    try:
        return csv.Sniffer().sniff(sample.rpartition("\n")[0] or sample[:1024], _DELIMITERS).delimiter
    except csv.Error:
        return csv.excel.delimiter


def _format_row(header: list[str], row: list[str]) -> str:
    names = [*header, *(f"column {index}" for index in range(len(header) + 1, len(row) + 1))]
    pairs = (f"{name}: {' '.join(cell.split())}" for name, cell in zip(names, row, strict=False) if cell.strip())
    return "; ".join(pairs)
