"""Which code page of Latin letters a text is in: the one in which a single language explains its letters.

All code pages give a letter to nearly every byte, so a page alone proves nothing: the byte that is `è` in French is `č`
in Czech. But a language uses few letters with accents, and the bytes of one are a wild mixture when read as another.
"""

# ruff: noqa: RUF001 - letters and marks that look like others are meant
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from operator import itemgetter

# The letters beyond a to z that are usual in each language. Those that it has for a few rare words are left out on
# purpose: the more letters an alphabet holds, the more foreign texts it seems to explain.
_WESTERN = {
    "French": "éèàêçùâîôûëïœ", "German": "äöüß", "Spanish": "áéíóúñü¿¡ºª", "Portuguese": "áâãàçéêíóôõúºª",
    "Italian": "àèéìòùº", "Catalan": "àçéèíïóòúü·", "Dutch": "éëïóèö", "Swedish": "åäöé", "Danish": "æøåé",
    "Icelandic": "áæéíðóöúýþ", "Irish": "áéíóú", "Welsh": "âêîôŵŷ", "Estonian": "äõöüšž",
}  # fmt: skip
_CENTRAL = {
    "Polish": "ąćęłńóśźż", "Czech": "áčďéěíňóřšťúůýž", "Slovak": "áäčďéíľňóôšťúýž", "Hungarian": "áéíóöőúüű",
    "Slovene": "čšž", "Croatian": "čćđšž", "Romanian": "ăâîşţ",
}  # fmt: skip
_BALTIC = {"Lithuanian": "ąčęėįšųūž", "Latvian": "āčēģīķļņšūž", "Estonian": "äõöüšž"}
_TURKISH = {"Turkish": "çğıiöşüâ", "Azerbaijani": "çəğıöşü"}
# The likelier first: of two that explain a text equally well, the first one is taken.
_CANDIDATES = [
    ("cp1252", _WESTERN), ("cp1250", _CENTRAL), ("iso8859_2", _CENTRAL), ("cp1257", _BALTIC), ("cp1254", _TURKISH),
    ("iso8859_15", _WESTERN), ("mac_roman", _WESTERN), ("cp850", _WESTERN), ("cp852", _CENTRAL),
]  # fmt: skip
_MARKS = frozenset("\u00a0«»‹›“”„‘’‚–—…•°§€£©®™")  # of any language
_MOST_STRAYS = 0.1  # of a text's bytes beyond ASCII: a foreign word, a name
# Fractions and square metres, whose bytes are letters elsewhere: they stand alone, or behind a unit.
_NUMBERS = re.compile(rb"(?<![A-Za-z\x80-\xff])(?:[cdkm]?m)?[\xb2\xb3\xbc-\xbe](?![A-Za-z\x80-\xff])")
_OTHER_SCRIPT = re.compile(rb"[\x80-\xff]{4,}")  # Latin words mix their accents with plain letters
_MOST_OF_OTHER_SCRIPT = 0.3


def choose_latin(content: bytes) -> tuple[str, bool]:
    """The likeliest codec of a text in Latin letters, and whether it explains the text: if not, it is no such text."""
    counts = Counter(_NUMBERS.sub(b"", content).translate(None, delete=bytes(range(0x80))))
    strays, encoding = min(
        ((_count_strays(counts, name, languages), name) for name, languages in _CANDIDATES), key=itemgetter(0)
    )
    # Runs of one or two different bytes are ruled lines and ends of quotations, not words.
    foreign = sum(len(run) for run in _OTHER_SCRIPT.findall(content) if len(set(run)) > 2)
    is_latin = foreign <= _MOST_OF_OTHER_SCRIPT * counts.total()
    return encoding, is_latin and strays <= max(1, _MOST_STRAYS * counts.total())


def is_latin_page(encoding: str) -> bool:
    """Whether the codec is a code page whose upper half holds Latin letters above all."""
    signs = bytes(range(0x80, 0x100)).decode(encoding, "ignore")
    latin = sum(unicodedata.name(sign, "").startswith("LATIN ") for sign in signs)
    return latin > len(signs) / 3


def _count_strays(counts: Mapping[int, int], encoding: str, languages: Mapping[str, str]) -> int:
    """How many of these bytes are unexplained by the language that explains most of them."""
    signs = [(bytes([byte]).decode(encoding, "replace").lower(), count) for byte, count in counts.items()]
    words = [(sign, count) for sign, count in signs if sign not in _MARKS]
    return min(sum(count for sign, count in words if sign not in letters) for letters in languages.values())
