"""Full-text search of BM25's quality inside PostgreSQL, where `ts_rank` knows nothing of how rare a term is.

A chunk becomes a sparse vector: one dimension per stemmed term, its weight BM25's term frequency part. A question
becomes another: its terms with their rarity among the agent's chunks. The inner product of the two is the BM25 score.
The length that counts as normal is fixed (`_NORMAL_LENGTH`) instead of the mean of all chunks, so that a stored weight
never has to change; on our benchmark that costs nothing (docs/knowledge.md). Pure: no Django, no database.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

import snowballstemmer

DIMENSIONS = 1_000_000_000  # pgvector's limit: 1.9 million different terms collide once in ~500,000 pairs at worst
CHUNK_COUNTER = 0  # the "term" under which the number of chunks is kept
_K1, _B = 1.2, 0.75
_NORMAL_LENGTH = 150  # words
_MAX_QUERY_WORDS = 256
_MAX_WORD = 64

_WORD = re.compile(r"[^\W_]+")
# scripts written without spaces: their terms are pairs of neighbouring characters
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff]+"
)

_ALGORITHMS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
_COMMON_WORDS = {
    "da": "og det at en den til er som på de med han af for ikke der var mig sig men et har om vi jeg",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden",
    "en": "the of and to in is that for it was as on with be by this are from at which or an have not you",
    "es": "de la que el en y los se del las un por con no una su para es al lo como más pero sus le",
    "fi": "ja on ei se että oli hän mutta ovat myös kun niin mitä tai jos joka kuin olla sekä",
    "fr": "de la le et les des en un du une que est pour qui dans par sur pas plus avec ce il au sont nous",
    "hu": "a az és hogy nem is egy ez volt csak de meg már mint ha vagy azt még",
    "it": "di che il la e per un in del una della non sono le si con da come dei gli alla nel più",
    "nl": "de van het een en in is dat op te zijn voor met die niet aan er om ook als bij door",
    "no": "og det at en den til er som på de med han av ikke der var meg seg men et har om vi jeg",
    "pt": "de a o que e do da em um para com não uma os no se na por mais as dos como mas ao",
    "ro": "de și în a la cu pe este nu din care un o pentru că mai sunt al sau prin",
    "sv": "och det att i en på är som för med av den till inte om ett han men var jag vi",
    "tr": "ve bir bu da de için ile olarak çok daha gibi olan en ne kadar sonra",
}
_LANGUAGE_OF_WORD: dict[str, list[str]] = {}
for _language, _words in _COMMON_WORDS.items():
    for _word in _words.split():
        _LANGUAGE_OF_WORD.setdefault(_word, []).append(_language)
_LANGUAGE_OF_SCRIPT = {"ARABIC": "ar", "CYRILLIC": "ru", "GREEK": "el"}


def detect_language(text: str) -> str:
    """The likeliest language as a two-letter code, "" when nothing tells. Good enough to choose a stemmer."""
    words = [word.casefold() for word in _WORD.findall(text[:20_000])]
    votes = Counter(language for word in words for language in _LANGUAGE_OF_WORD.get(word, ()))
    if votes and votes.most_common(1)[0][1] >= max(2, len(words) // 50):
        return votes.most_common(1)[0][0]
    scripts = Counter(unicodedata.name(word[0], "").partition(" ")[0] for word in words)
    script = scripts.most_common(1)[0][0] if scripts else ""
    return _LANGUAGE_OF_SCRIPT.get(script, "")


def split_words(text: str) -> list[str]:
    """Words in one letter case, without accents; unspaced scripts as pairs of characters."""
    words: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if word.isascii():
            words.append(word[:_MAX_WORD])
        else:
            words.extend(_split_unspaced(word))
    return words


def weigh_terms(text: str, language: str) -> dict[int, float]:
    """Term → BM25 weight of this chunk's text."""
    words = split_words(text)
    counts = Counter(_term_number(_stem(word, language)) for word in words)
    damping = _K1 * (1 - _B + _B * len(words) / _NORMAL_LENGTH)
    return {term: count * (_K1 + 1) / (count + damping) for term, count in counts.items()}


def query_terms(text: str, languages: Iterable[str]) -> set[int]:
    """The question's terms, stemmed in each language that the agent's documents have."""
    words = set(split_words(text)[:_MAX_QUERY_WORDS])
    return {_term_number(_stem(word, language)) for word in words for language in {*languages, detect_language(text)}}


def weigh_query(terms: Iterable[int], chunks_with: Mapping[int, int], chunks: int) -> dict[int, float]:
    """Term → its rarity; terms that no chunk has are left out."""
    return {
        term: math.log(1 + (chunks - count + 0.5) / (count + 0.5))
        for term in terms
        if 0 < (count := chunks_with.get(term, 0)) <= chunks
    }


def to_sparse_text(weights: Mapping[int, float]) -> str:
    """pgvector's text form of a sparse vector."""
    body = ",".join(f"{term}:{weights[term]:.5g}" for term in sorted(weights))
    return f"{{{body}}}/{DIMENSIONS}"


def _split_unspaced(word: str) -> list[str]:
    words: list[str] = []
    end = 0
    for run in _UNSPACED.finditer(word):
        words.extend(_fold_accents(word[end : run.start()]))
        characters = run.group()
        words.extend(characters[index : index + 2] for index in range(max(1, len(characters) - 1)))
        end = run.end()
    words.extend(_fold_accents(word[end:]))
    return words


def _fold_accents(word: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", word)
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))[:_MAX_WORD]
    return [folded] if folded else []


@lru_cache(maxsize=32_768)
def _stem(word: str, language: str) -> str:
    algorithm = _ALGORITHMS.get(language)
    # A stemmer keeps the word it works on, so threads cannot share one; making one costs little.
    return str(snowballstemmer.stemmer(algorithm).stemWord(word)) if algorithm else word


def _term_number(term: str) -> int:
    return zlib.crc32(term.encode()) % (DIMENSIONS - 1) + 1
