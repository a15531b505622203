"""Every text that a person reads exists in French."""

import pytest
from babel.messages.pofile import read_po
from django.utils.translation import override

from scripts.texts import CATALOGUE, find_texts

SAME_IN_BOTH = {"API", "Docs", "GiLo"}


@pytest.fixture(scope="module")
def catalogue():
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="fr")


@pytest.fixture(scope="module")
def texts():
    return find_texts()


def test_extraction_finds_texts_of_templates_and_code(texts):
    assert ("Skip to content", None) in texts
    assert ("Nothing found. Try another word.", None) in texts
    assert any(plural for _, plural in texts)


def test_french_has_every_text_and_nothing_fuzzy(texts, catalogue):
    missing = []
    for text, plural in sorted(texts, key=str):
        entry = catalogue.get(text)
        strings = [] if entry is None else [entry.string] if isinstance(entry.string, str) else list(entry.string)
        if not strings or not all(strings) or entry.fuzzy or (plural and len(strings) != 2):
            missing.append(text)
    assert not missing, f"write French for these in {CATALOGUE}: {missing}"


def test_french_keeps_the_placeholders(texts, catalogue):
    import re

    broken = []
    for text, plural in texts:
        entry = catalogue.get(text)
        strings = [entry.string] if isinstance(entry.string, str) else list(entry.string)
        wanted = set(re.findall(r"%\(\w+\)[sd]|\{\w+\}", plural or text))
        broken += [text for string in strings if set(re.findall(r"%\(\w+\)[sd]|\{\w+\}", string)) - wanted]
        if wanted - set(re.findall(r"%\(\w+\)[sd]|\{\w+\}", strings[-1])):
            broken.append(text)
    assert not broken


def test_french_keeps_its_punctuation_with_the_word_before(catalogue):
    import re

    loose = re.compile(r"(?<=\S) [:;?!»](?=[\s<.,)…]|$)|« ")
    strings = [text for entry in catalogue for text in (entry.string if entry.pluralizable else [entry.string])]
    assert not [text for text in strings if loose.search(text)], "write a no-break space there"


@pytest.mark.django_db
def test_page_speaks_the_language_of_the_cookie(client):
    client.cookies["django_language"] = "fr"
    page = client.get("/").content.decode()
    assert '<html lang="fr"' in page
    assert "Aller au contenu" in page
    with override("en"):
        client.cookies["django_language"] = "en"
        assert "Skip to content" in client.get("/").content.decode()
