import pytest

from chat.transports.openai.citations import annotate_completion, annotate_response, place_citations


def citation(number: int, page: int | None = None) -> dict[str, object]:
    return {
        "index": number, "document_id": f"d{number}", "filename": f"{number}.pdf", "page": page, "score": 0.5,
        "snippet": "…", "chunk_id": "c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "numbers", "places"),
    [
        ("One [1], two [2].", [1, 2], [(4, 7, 1), (13, 16, 2)]),
        ("Both [1, 2]", [1, 2], [(5, 11, 1), (5, 11, 2)]),
        ("Again [1] and [1]", [1], [(6, 9, 1), (14, 17, 1)]),
        ("Éâ😀 [1]", [1], [(4, 7, 1)]),
        ("Not ours [7] [1]", [1], [(13, 16, 1)]),
        ("None named", [1, 2], [(10, 10, 1), (10, 10, 2)]),
        ("A mark [1] without sources", [], []),
    ],
)
def test_citations_are_placed_at_their_marks(content, numbers, places):
    found = place_citations(content, [citation(number) for number in numbers])
    assert [(start, end, found["index"]) for start, end, found in found] == places


def test_completion_annotation_names_the_page():
    (annotation,) = annotate_completion("[1]", [citation(1, page=3)])
    assert annotation["url_citation"]["title"] == "1.pdf, p. 3"
    assert annotation["file_citation"]["page"] == 3


def test_response_annotation_is_a_file_citation():
    (annotation,) = annotate_response("So [1]", [citation(1)])
    assert {name: annotation[name] for name in ("type", "file_id", "filename", "index", "number")} == {
        "type": "file_citation", "file_id": "d1", "filename": "1.pdf", "index": 3, "number": 1,
    }  # fmt: skip
