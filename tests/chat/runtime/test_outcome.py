import pytest

from chat.runtime.outcome import Interrupted, outcome_of_error, used_citations

CITATIONS = [{"index": 1}, {"index": 2}, {"index": 3}]


@pytest.mark.parametrize(
    ("content", "indexes"),
    [
        ("So it is [2].", [2]),
        ("Both [1, 3].", [1, 3]),
        ("None named.", [1, 2, 3]),
        ("Wrong [9].", [1, 2, 3]),
        ("[x]", [1, 2, 3]),
    ],
)
def test_used_citations_are_those_the_answer_names(content, indexes):
    assert [citation["index"] for citation in used_citations(content, CITATIONS)] == indexes


def test_outcome_of_error_is_partial_only_with_text():
    assert outcome_of_error(Interrupted(), "half").status == "partial"
    assert outcome_of_error(Interrupted(), "").status == "failed"
