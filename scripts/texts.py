"""The texts to translate: found in Python and templates with Babel and Django's own template lexer; no gettext needed.

`python scripts/texts.py` lists what the French catalogue lacks as entries to fill in, and what it no longer needs.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "locale" / "fr" / "LC_MESSAGES" / "django.po"
APPS = ("accounts", "agents", "billing", "chat", "core", "gilo", "integrations", "knowledge", "llm", "store")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
}
Text = tuple[str, str | None]
# Errors' messages are plain class attributes (the API speaks English); pages translate them as they show them.
_ERROR_MESSAGE = re.compile(r'^    message(?:: str)? = \(?\s*((?:"[^"\n]*"\s*)+)', re.MULTILINE)


def find_texts() -> set[Text]:
    """All (text, plural or None) of the product's own code and templates."""
    found: set[Text] = set()
    for source in _sources():
        for _line, message, _comments, _context in extract("python", io.BytesIO(source), KEYWORDS):
            if isinstance(message, str):
                found.add((message, None))
            elif message and message[0]:
                found.add((str(message[0]), str(message[1])))
    found |= {(text, None) for text in _find_error_messages()}
    return {text for text in found if text[0]}


def _find_error_messages() -> Iterator[str]:
    for path in [ROOT / app / "errors.py" for app in APPS]:
        if path.exists():
            for parts in _ERROR_MESSAGE.findall(path.read_text(encoding="utf-8")):
                yield "".join(re.findall(r'"([^"\n]*)"', parts))


def _sources() -> Iterator[bytes]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            yield path.read_bytes()
    for path in [*sorted((ROOT / "templates").rglob("*.html")), *sorted((ROOT / "templates").rglob("*.txt"))]:
        calls = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        yield "\n".join(line.lstrip() for line in calls.splitlines()).encode()  # one call a line: indentation is noise


def main() -> None:
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="fr")
    texts = find_texts()
    for text, plural in sorted(texts, key=str):
        entry = catalogue.get(text)
        if entry is None or not entry.string or entry.fuzzy:
            rest = f'msgid_plural {_quote(plural)}\nmsgstr[0] ""\nmsgstr[1] ""' if plural else 'msgstr ""'
            sys.stdout.write(f"msgid {_quote(text)}\n{rest}\n\n")
    known = {text for text, _ in texts}
    for entry in catalogue:
        if entry.id and (entry.id if isinstance(entry.id, str) else entry.id[0]) not in known:
            sys.stdout.write(f"# no longer used: {entry.id}\n")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    main()
