"""Words to sparse vectors."""

import math

import pytest

from knowledge import lexical


def score(question: str, text: str, others: tuple[str, ...] = (), language: str = "en") -> float:
    chunks = [lexical.weigh_terms(item, language) for item in (text, *others)]
    terms = lexical.query_terms(question, {language})
    counts = {term: sum(term in chunk for chunk in chunks) for term in terms}
    weights = lexical.weigh_query(terms, counts, len(chunks))
    return sum(weight * chunks[0].get(term, 0) for term, weight in weights.items())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat on the mat and it was not happy with that", "en"),
        ("Le chat est sur la table et il ne veut pas en descendre pour nous", "fr"),
        ("Der Hund ist nicht in dem Haus und die Katze auch nicht", "de"),
        ("البيت كبير والسماء زرقاء", "ar"),
        ("x = 1", ""),
    ],
)
def test_detect_language_names_the_likeliest(text, language):
    assert lexical.detect_language(text) == language


def test_weigh_terms_matches_across_inflection_case_and_accents():
    assert score("dismissal of EMPLOYEES", "An employee was dismissed.") > 0
    assert score("résumé", "Send us your resume", language="en") > 0
    assert score("les congés payés", "Un congé payé de cinq semaines", language="fr") > 0


def test_weigh_terms_splits_scripts_without_spaces_into_pairs():
    assert score("東京都", "私は東京都に住んでいます") > 0
    assert score("大阪", "私は東京都に住んでいます", ("大阪",)) == 0


def test_weigh_query_prefers_rare_terms():
    rare = score("zebra", "zebra house", ("house", "house", "house"))
    common = score("house", "zebra house", ("house", "house", "house"))
    assert rare > 3 * common > 0


def test_weigh_terms_saturates_repetition():
    assert lexical.weigh_terms("word " * 150, "")[lexical._term_number("word")] < 2.2
    assert math.isclose(sum(lexical.weigh_terms("", "").values()), 0)


def test_to_sparse_text_is_sorted():
    assert lexical.to_sparse_text({7: 0.5, 3: 1.25}) == "{3:1.25,7:0.5}/1000000000"
