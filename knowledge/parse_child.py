"""The process that reads one untrusted file: `python -m knowledge.parse_child KIND PATH OUTPUT`.

It limits itself before it imports a parser, writes one JSON array `[text, page]` a line, and says why it failed in a
last line `{"code", "message"}`. It never imports Django, so that it starts in a few hundredths of a second.
"""

import json
import resource
import signal
import sys
from pathlib import Path
from typing import TextIO

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 60
OUTPUT_BYTES = 256 * 1024 * 1024


def main() -> int:
    """Parse the file; exit code 0 whenever the output tells the whole story."""
    kind, path, output = sys.argv[1:4]
    _limit_resources()
    with Path(output).open("w", encoding="utf-8", errors="replace") as file:
        outcome = _parse(kind, Path(path), file)
        if outcome:
            file.write(json.dumps({"code": outcome[0], "message": outcome[1]}) + "\n")
    return 0


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _parse(kind: str, path: Path, output: TextIO) -> tuple[str, str] | None:
    from knowledge.loaders import loader_for  # the parsers' own imports count against the limits
    from knowledge.loaders.types import MAX_TEXT_CHARACTERS, LoadError

    characters = 0
    try:
        for section in loader_for(kind)(path):
            characters += len(section.text)
            if characters > MAX_TEXT_CHARACTERS:
                return "parse_limit", f"The file holds more than {MAX_TEXT_CHARACTERS:,} characters of text. Split it."
            output.write(json.dumps([_storable(section.text), section.page]) + "\n")
    except LoadError as error:
        return error.code, error.message
    except MemoryError:
        return "parse_limit", f"Reading the file needs more than {MEMORY_BYTES // 1024**2} MB of memory."
    return None


def _storable(text: str) -> str:
    """The text without what PostgreSQL and UTF-8 cannot hold: no NUL, halves of a character joined or marked."""
    return text.replace("\x00", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


if __name__ == "__main__":
    sys.exit(main())
