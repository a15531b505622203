"""The demo model's reading: which sentences of the passages answer the question. Pure and deterministic.

Sentences are ranked by BM25 over the passages at hand. What stands above a sentence (its heading, or the question of an
FAQ entry) counts for it too, and a question that asks for a time, a price or a contact prefers sentences that hold one.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llm.types import Passage
from llm.words import fold, synonyms, terms_of

MINIMUM_COVERAGE = 0.38  # the share of the question's weight that the best sentence must hold, else it is no answer
SECOND_SENTENCE = 0.72  # a further sentence must reach this share of the best one's score
MOST_SENTENCES = 3
LONGEST_ANSWER = 420  # characters after which no sentence is added
_K1, _B = 1.2, 0.5
_HEADING_WEIGHT, _BEFORE_WEIGHT, _SYNONYM_WEIGHT = 0.7, 0.25, 0.6
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"»”)]*\s+(?=[\"«“(]?\s?[A-ZÀ-ÖØ-Þ0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:M|Mr|Mrs|Ms|Mme|Dr|Prof|No|Nr|art|Art|p|pp|cf|vs|e\.g|i\.e|env|ex|St|tel|Tel|tél)\.)$"
)
_BULLET = re.compile(r"^\s*(?:[-*•\u2013▪◦]|\d{1,2}[.)])\s+")
_ROW = re.compile(r"[^:;]{1,60}: [^;]*; [^:;]{1,60}: ")  # a table's row, as the CSV reader writes it
_FAQ_PREFIX = re.compile(r"^(?:q(?:uestion)?|a(?:nswer)?|r(?:[ée]ponse)?)\s*\d*\s*[:.)]\s+", re.IGNORECASE)
_CONTINUES = re.compile(
    r"^(?:however|but|it|they|this|these|otherwise|then|after that|cependant|toutefois|mais|il|elle|ils|elles|cela|ce|"
    r"ces|sinon|ensuite|en revanche)\b",
    re.IGNORECASE,
)
_MONEY = re.compile(r"[€$£]|\b(?:eur|euros?|usd|dollars?|chf|cents?|gratuit\w*|free|offert\w*)\b|\d\s?%", re.IGNORECASE)
_TIME = re.compile(
    r"\d\s*(?:h\b|:\d\d|am\b|pm\b)|\b(?:second|minute|hour|day|week|month|year|seconde|heure|jour|semaine|mois|an|annee)s?\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b"
    r"|\b(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_CONTACT = re.compile(r"@|\+?\d[\d .-]{7,}|\bhttps?:|\bwww\.", re.IGNORECASE)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|deux|trois|quatre|cinq|sept|huit|neuf|dix)\b"
)
_EXPECTS = (
    (re.compile(r"\bhow much\b|\bprices?\b|\bcosts?\b|\bfees?\b|\bcoute|\bprix\b|\btarif|\bfrais\b|\bpayer\b"), _MONEY),
    (
        re.compile(
            r"\bwhen\b|\bhow (?:long|soon|fast|quickly)\b|\bwhat (?:time|day|date|hours)\b|\bhours\b|\bdeadline\b"
            r"|\bquand\b|\bcombien de (?:temps|jours)\b|\bdelais?\b|\bhoraires?\b|\bheures?\b"
        ),
        _TIME,
    ),
    (
        re.compile(
            r"\bcontact|\be-?mail\b|\bphone(?: number)?\b|\breach\b|\b(?:numero de )?telephone\b"
            r"|\bcourriel\b|\bjoindre\b|\bnumero\b"
        ),
        _CONTACT,
    ),
    (re.compile(r"\bhow many\b|\bcombien\b|\bnombre\b|\bhow old\b"), _NUMBER),
)
_EXPECTED_BONUS = 1.35
_OPENING_BONUS = 1.35  # of the first sentence under a heading that says all that is asked: what follows qualifies it
_ASKS_HOW = re.compile(r"\b(?:how (?:do|can|to|should|does|could)|comment)\b")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A candidate: its text as it is quoted, the heading or question above it, and where it comes from."""

    text: str
    above: str
    passage: int
    position: int
    line: int
    is_bullet: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """A piece of the answer, and the citation mark of its passage."""

    text: str
    index: int


def extract_answer(question: str, passages: Sequence[Passage], language: str) -> list[Quote]:
    """The sentences that answer the question, best first; [] when none does."""
    asked = list(dict.fromkeys(terms_of(question, language)))
    sentences = [one for place, passage in enumerate(passages) for one in split_passage(passage.content, place)]
    if not asked or not sentences:
        return []
    titles = [_title_of(passage.filename) for passage in passages]
    ranking = _Ranking(question, asked, sentences, titles, language)
    best = ranking.best()
    if best is None:
        return []
    chosen = _complete(best, sentences, asks_how=bool(_ASKS_HOW.search(fold(question))))
    if chosen == [best] and not best.above.endswith("?"):
        chosen += _add_others(best, chosen, ranking)
    return [Quote(sentence.text, passages[sentence.passage].index) for sentence in chosen]


def split_passage(content: str, passage: int = 0) -> list[Sentence]:
    """A passage's sentences; headings and questions become the `above` of what follows them."""
    sentences: list[Sentence] = []
    above = ""
    for number, line in enumerate(_join_lines(content)):
        bullet = bool(_BULLET.match(line))
        text = _clean(line)
        if not text:
            continue
        if line.lstrip().startswith("#") or (not bullet and _is_heading(text)):
            above = text
            continue
        for part in _split_sentences(text):
            if part.endswith("?"):
                above = part
            else:
                sentences.append(Sentence(part, above, passage, len(sentences), number, bullet))
    return sentences


class _Ranking:
    """Scores of all sentences for one question."""

    def __init__(
        self, question: str, asked: list[str], sentences: list[Sentence], titles: list[str], language: str
    ) -> None:
        self._asked = asked
        self._sentences = sentences
        self._synonyms = synonyms(language)
        self._own = [Counter(terms_of(one.text, language)) for one in sentences]
        self._above = [frozenset(terms_of(f"{titles[one.passage]} {one.above}", language)) for one in sentences]
        self._opening = [self._opens(place) for place in range(len(sentences))]
        self._mean_length = sum(sum(own.values()) for own in self._own) / len(sentences) or 1.0
        folded = fold(question)
        self._expected = [answer for asks, answer in _EXPECTS if asks.search(folded)]
        self._expecting = {
            term: answer
            for asks, answer in _EXPECTS
            for term in terms_of(" ".join(match[0] for match in asks.finditer(folded)), language)
        }
        self._weights = self._weigh_terms()
        self.scores = [self._score(place) for place in range(len(sentences))]

    def best(self) -> Sentence | None:
        """The sentence with the highest score, if it holds enough of the question."""
        place = max(range(len(self.scores)), key=lambda one: (self.scores[one], -one))
        return self._sentences[place] if self._coverage(place) >= MINIMUM_COVERAGE else None

    def ordered(self) -> list[tuple[float, Sentence]]:
        return sorted(zip(self.scores, self._sentences, strict=True), key=lambda pair: -pair[0])

    def matched(self, sentence: Sentence) -> set[str]:
        place = self._sentences.index(sentence)
        return {term for term in self._asked if self._presence(term, place) > 0}

    def _weigh_terms(self) -> dict[str, float]:
        """Inverse document frequency; a word that no sentence holds weighs as much as the rarest that one does."""
        counts = {term: sum(self._holds(term, place) > 0 for place in range(len(self._own))) for term in self._asked}
        total = len(self._own)
        seen = {term: math.log(1 + (total - count + 0.5) / (count + 0.5)) for term, count in counts.items() if count}
        return dict.fromkeys(self._asked, max(seen.values(), default=1.0)) | seen

    def _holds(self, term: str, place: int) -> float:
        """How often the sentence itself holds the term; a word of about the same meaning counts less."""
        own = self._own[place]
        if term in own:
            return float(own[term])
        if any(other in own for other in self._alike(term)):
            return _SYNONYM_WEIGHT
        answer = self._expecting.get(term)
        return _SYNONYM_WEIGHT if answer and answer.search(self._sentences[place].text) else 0.0

    def _alike(self, term: str) -> frozenset[str]:
        return self._synonyms.get(term, frozenset()).difference(self._asked)

    def _presence(self, term: str, place: int) -> float:
        """The term's weight here, from the sentence, what is above it, or the sentence before."""
        own, above = self._holds(term, place), self._above[place]
        if term in above:
            return _HEADING_WEIGHT + (own if own >= 1 else 0.0)
        if own:
            return own
        if any(other in above for other in self._alike(term)):
            return _HEADING_WEIGHT * _SYNONYM_WEIGHT
        before = place > 0 and self._sentences[place - 1].passage == self._sentences[place].passage
        return _BEFORE_WEIGHT * min(1.0, self._holds(term, place - 1)) if before else 0.0

    def _score(self, place: int) -> float:
        sentence = self._sentences[place]
        length = sum(self._own[place].values())
        norm = _K1 * (1 - _B + _B * length / self._mean_length)
        score = 0.0
        for term, weight in self._weights.items():
            presence = self._presence(term, place)
            score += weight * presence * (_K1 + 1) / (presence + norm)
        if self._is_expected(sentence):
            score *= _EXPECTED_BONUS
        if self._opening[place]:
            score *= _OPENING_BONUS
        if length < 2 or sentence.text[0].islower():
            score *= 0.7  # a word alone, or the rest of a sentence that was cut, says little
        return score * (1 + 0.12 / (1 + sentence.passage))  # the search's own order counts a little

    def _opens(self, place: int) -> bool:
        """Whether it is the first sentence under a heading that, with its file's name, says all that is asked."""
        one, before = self._sentences[place], self._sentences[place - 1] if place else None
        is_first = before is None or (before.passage, before.above) != (one.passage, one.above)
        return bool(one.above) and is_first and self._above[place].issuperset(self._asked)

    def _is_expected(self, sentence: Sentence) -> bool:
        return any(expected.search(sentence.text) for expected in self._expected)

    def _coverage(self, place: int) -> float:
        total = sum(self._weights.values())
        held = sum(weight * min(1.0, self._presence(term, place)) for term, weight in self._weights.items())
        wrong_kind = self._expected and not self._is_expected(self._sentences[place])
        return held / total * (0.6 if wrong_kind else 1.0)


def _complete(best: Sentence, sentences: list[Sentence], *, asks_how: bool) -> list[Sentence]:
    """The sentence with what belongs to it: the list after a colon, the steps after the first, what goes on from it."""
    after = [one for one in sentences if one.passage == best.passage and one.position > best.position]
    if best.text.endswith(":"):
        items: list[Sentence] = []
        for one in after:
            if not one.is_bullet or len(items) == 8:
                break
            items.append(one)
        return [best, *items]
    if best.above.endswith("?"):
        return _take_entry(best, sentences)
    if after and _goes_on(best, after[0], asks_how=asks_how):
        return [best, after[0]]
    return [best]


def _goes_on(sentence: Sentence, after: Sentence, *, asks_how: bool) -> bool:
    """Whether the sentence after it belongs to the answer: it refers back, or it is the next step."""
    if sentence.is_bullet or after.above != sentence.above or len(sentence.text) + len(after.text) > LONGEST_ANSWER:
        return False
    return bool(_CONTINUES.match(after.text)) or (asks_how and after.line == sentence.line)


def _take_entry(best: Sentence, sentences: list[Sentence]) -> list[Sentence]:
    """The answer of an FAQ entry from its beginning, as far as it is short."""
    entry = [one for one in sentences if one.passage == best.passage and one.above == best.above]
    taken: list[Sentence] = []
    length = 0
    for one in entry[:MOST_SENTENCES]:
        length += len(one.text)
        if length > LONGEST_ANSWER:
            break
        taken.append(one)
    return taken if best in taken else [best]


def _add_others(best: Sentence, chosen: list[Sentence], ranking: _Ranking) -> list[Sentence]:
    """Sentences that are nearly as good and say more of what was asked."""
    others: list[Sentence] = []
    held = ranking.matched(best)
    length = len(best.text)
    ordered = ranking.ordered()
    for score, sentence in ordered[1:8]:
        too_long = length + len(sentence.text) > LONGEST_ANSWER
        if score < SECOND_SENTENCE * ordered[0][0] or too_long or len(others) + len(chosen) >= MOST_SENTENCES:
            continue
        matched = ranking.matched(sentence)
        if matched - held and not _says_the_same(best.text, sentence.text):
            others.append(sentence)
            held |= matched
            length += len(sentence.text)
    return others


def _says_the_same(one: str, other: str) -> bool:
    first, second = set(fold(one).split()), set(fold(other).split())
    return len(first & second) >= 0.6 * min(len(first), len(second))


def _title_of(filename: str) -> str:
    """The words of a file's name: "tarifs-2026.csv" stands above each of its rows like a heading."""
    return re.sub(r"[-_.]+", " ", filename.rpartition(".")[0] or filename)


def _join_lines(content: str) -> list[str]:
    """Lines as the author meant them: a line that a PDF or an editor wrapped is joined to the one before."""
    joined: list[str] = []
    for line in content.splitlines():
        text = line.strip()
        if joined and joined[-1] and text and _is_wrapped(joined[-1], text):
            joined[-1] = f"{joined[-1].removesuffix('-') if joined[-1].endswith('-') else joined[-1] + ' '}{text}"
        else:
            joined.append(text)
    return joined


def _is_wrapped(before: str, line: str) -> bool:
    if (
        _BULLET.match(line)
        or _ROW.match(line)
        or line.startswith(("#", "|"))
        or before.startswith("#")
        or before[-1] in ".!?:;|"
    ):
        return False
    return line[0].islower() or len(before) >= 60


def _is_heading(text: str) -> bool:
    return (
        len(text) <= 70
        and text[-1] not in ".!?:;,|"
        and " : " not in text
        and ": " not in text
        and len(text.split()) <= 9
        and not any(c.isdigit() for c in text[3:])
    )


def _clean(line: str) -> str:
    text = _BULLET.sub("", line.strip().lstrip("#").strip())
    text = text.replace("**", "").replace("__", "").replace("`", "")
    if text.startswith("|"):
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        text = "" if all(set(cell) <= set("-: ") for cell in cells) else " · ".join(cell for cell in cells if cell)
    return _FAQ_PREFIX.sub("", text).strip()


def _split_sentences(text: str) -> list[str]:
    parts: list[str] = []
    for part in _SENTENCE_END.split(text):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] = f"{parts[-1]} {part}"
        elif part.strip():
            parts.append(part.strip())
    return parts
