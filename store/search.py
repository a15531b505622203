"""Search by words: without accents or case, tolerant of one wrong letter in each word.

A listing's words are in `Listing.search`, weighted by where they stand. A word that was mistyped by one letter (left
out, added, changed, or swapped with its neighbour) shares a one-letter deletion with the right word, which is what
`SearchWord.shortened` is indexed by; what is found so is checked for its true distance.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection
from django.db.models import BooleanField, F, FloatField, Func, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.utils.translation import override

from store.categories import CATEGORIES
from store.models import LABELS, Listing, SearchWord

MAX_WORD = 40
_SHORTEST_MENDED = 3  # letters: of shorter words, everything is one letter away from everything
_MOST_QUERY_WORDS = 8
_MOST_ALTERNATIVES = 40  # for one mistyped word
_MOST_RANKED = 200  # of each way to match
_EXACT_FIRST = 10.0  # more than any rank
# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})  # Unicode does not take them apart
_LOCK = 0x5354_4F52  # of the words: savers share it, the upkeep has it alone


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: no accents, no case, at most 40 characters each.

    What is written without spaces counts as its pairs of characters, so that a part of a name is found.
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in parts if not unicodedata.combining(character))
    spaced = "".join(character if _is_letter(character) else " " for character in plain.translate(_LIGATURES))
    return [part for word in spaced.split() for run in _RUNS.findall(word) for part in _parts_of(run)]


def _is_letter(character: str) -> bool:
    """Also the vowels that Thai and its like write as marks; not the marks that choose how an emoji looks."""
    return character.isalnum() or (character < "\ufe00" and unicodedata.category(character) in {"Mn", "Mc"})


def _parts_of(run: str) -> list[str]:
    if not _UNSPACED_RUN.match(run):
        return [run[:MAX_WORD]]
    return [run[at : at + 2] for at in range(max(len(run) - 1, 1))]


def shorten(word: str) -> list[str]:
    """What is left of the word when one letter is taken away."""
    return sorted({word[:at] + word[at + 1 :] for at in range(len(word))})


def is_mistyped(typed: str, word: str) -> bool:
    """Whether the two differ by one letter left out, added or changed, or by two neighbours swapped."""
    if typed == word or abs(len(typed) - len(word)) > 1:
        return False
    start = _common_start(typed, word)
    rest, other = typed[start:], word[start:]
    if len(rest) != len(other):
        return rest[1:] == other or rest == other[1:]
    return rest[1:] == other[1:] or (rest[2:] == other[2:] and rest[:2] == other[1::-1])


def _common_start(one: str, other: str) -> int:
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))


def index_listing(listing: Listing) -> None:
    """Make the listing findable by its words as they are now. Within the transaction that saves it; a few statements.

    The category counts with its names in all languages.
    """
    parts = {
        "A": listing.name,
        "B": " ".join([*listing.tags, _category_names(listing.category)]),
        "C": listing.tagline,
        "D": " ".join([listing.description, *listing.features]),
    }
    words = {weight: _indexed_words(text) for weight, text in parts.items()}
    _remember({word for found in words.values() for word in found})
    vector = " || ".join(f"setweight(to_tsvector('simple', %s), '{weight}')" for weight in words)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE store_listing SET search = {vector} WHERE id = %s",  # noqa: S608 - constants of ours
            [*(" ".join(found) for found in words.values()), listing.pk],
        )


def _indexed_words(text: str) -> list[str]:
    """A text's words, and the characters of its pairs: somebody may look for one alone."""
    words = words_of(text)
    pairs = (word for word in words if len(word) == 2 and _UNSPACED_RUN.match(word))
    return [*words, *dict.fromkeys(character for pair in pairs for character in pair)]


def _category_names(category_id: str) -> str:
    category = CATEGORIES.get(category_id)
    if category is None:
        return ""
    names = []
    for language, _ in settings.LANGUAGES:
        with override(language):
            names.append(str(category.name))
    return " ".join(names)


def _remember(words: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])
    long = {word for word in words if len(word) >= _SHORTEST_MENDED}
    new = long.difference(SearchWord.objects.filter(word__in=long).values_list("word", flat=True))
    rows = [SearchWord(word=word, shortened=shorten(word)) for word in sorted(new)]
    SearchWord.objects.bulk_create(rows, ignore_conflicts=True)


def forget_unused_words() -> int:
    """Drop the words that no listing has any more; how many there were. Within a transaction."""
    with connection.cursor() as cursor:
        # A listing that is being saved may count on a word that is here already: both wait for one another.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(
            "DELETE FROM store_searchword"
            " WHERE word NOT IN (SELECT word FROM ts_stat('SELECT search FROM store_listing'))"
        )
        return int(cursor.rowcount)


def match_listings(listings: QuerySet[Listing], text: str) -> QuerySet[Listing]:
    """The listings with all the text's words, each with a `score`, best first: those that have them as typed lead.

    The last word may be the beginning of one. One query for the words that may have been meant. Of a word that is in
    thousands of listings, only the most used ones are ranked: to read what all of them say would take too long.
    """
    words = words_of(text)[:_MOST_QUERY_WORDS]
    if not words:
        return listings.annotate(score=Value(0.0, FloatField())).none()
    exact, wide = _make_queries(words)
    candidates = _choose_candidates(listings, exact, wide)
    is_exact = Cast(_Matches(F("search"), exact), FloatField()) if wide is not exact else Value(1.0)
    score = is_exact * Value(_EXACT_FIRST) + Cast(SearchRank(F("search"), wide), FloatField())
    return listings.filter(pk__in=candidates).annotate(score=score).order_by("-score", "-id")


def has_unranked(listings: QuerySet[Listing], text: str) -> bool:
    """Whether more listings match than `match_listings` answers. Two queries."""
    words = words_of(text)[:_MOST_QUERY_WORDS]
    if not words:
        return False
    exact, wide = _make_queries(words)
    return listings.filter(search=wide).exclude(pk__in=_choose_candidates(listings, exact, wide)).exists()


def _make_queries(words: list[str]) -> tuple[SearchQuery, SearchQuery]:
    """For the words as typed, and as they may have been meant; the same object where nothing else may be."""
    exact, meant = _make_query(words, {}), find_meant(words)
    return exact, _make_query(words, meant) if any(meant.values()) else exact


def _choose_candidates(listings: QuerySet[Listing], exact: SearchQuery, wide: SearchQuery) -> QuerySet[Listing, Any]:
    """The most used of those that match in name, tags or category, of those that match as typed, and of all others."""
    used = listings.order_by("-trending_score", "-id").values("pk")
    named = used.alias(labels=LABELS).filter(labels=wide)
    ways = [used.filter(search=query) for query in ([exact] if wide is exact else [exact, wide])]
    return named[:_MOST_RANKED].union(*(way[:_MOST_RANKED] for way in ways))


def find_meant(words: list[str]) -> dict[str, list[str]]:
    """For each word, the known words that it may be a mistyping of."""
    long = {word for word in words if len(word) >= _SHORTEST_MENDED}
    variants = sorted(long.union(*(shorten(word) for word in long)))
    if not variants:
        return {}
    near = SearchWord.objects.filter(Q(shortened__overlap=variants) | Q(word__in=variants)).order_by("word")
    known = list(near.values_list("word", flat=True))
    return {word: [other for other in known if is_mistyped(word, other)][:_MOST_ALTERNATIVES] for word in long}


class _Matches(Func):
    template = "(CASE WHEN %(expressions)s THEN 1 ELSE 0 END)"
    arg_joiner = " @@ "
    output_field = BooleanField()


def _make_query(words: list[str], meant: dict[str, list[str]]) -> SearchQuery:
    parts = []
    for position, word in enumerate(words):
        is_last = position == len(words) - 1
        ways = [f"'{word}'{':*' if is_last else ''}", *(f"'{other}'" for other in meant.get(word, []))]
        parts.append(f"({' | '.join(ways)})")
    return SearchQuery(" & ".join(parts), search_type="raw", config="simple")
