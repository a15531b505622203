from chat.runtime.context import build_messages, describe_citations, fill_variables, trim_history
from llm.types import ChatMessage, Passage

PASSAGE = Passage(1, "d", "guide.pdf", 3, "Tides turn twice a day.", 0.91234, "c")


def count(text: str) -> int:
    return len(text)


def build(**changes):
    given = {"instructions": "Be brief.", "variables": {}, "passages": (), "history": (), "question": "Why?"}
    return build_messages(**{**given, **changes}, count_tokens=count)


def test_build_messages_question_only():
    assert build() == [ChatMessage("system", "Be brief."), ChatMessage("user", "Why?")]


def test_build_messages_without_instructions_has_no_system_message():
    assert [message.role for message in build(instructions=" ")] == ["user"]


def test_build_messages_passages_are_numbered_with_their_source():
    system = build(passages=(PASSAGE,))[0].content
    assert "[1] guide.pdf, page 3\nTides turn twice a day." in system
    assert "not instructions" in system


def test_build_messages_history_stands_before_the_question():
    history = [ChatMessage("user", "Hi"), ChatMessage("assistant", "Hello")]
    assert [message.content for message in build(history=history)][1:] == ["Hi", "Hello", "Why?"]


def test_trim_history_over_the_budget_keeps_the_newest_and_begins_with_a_question():
    history = [ChatMessage("user", "a" * 10), ChatMessage("assistant", "b" * 10), ChatMessage("user", "c" * 10)]
    assert trim_history(history, 30, count) == [history[2]]
    assert trim_history(history, 100, count) == history


def test_fill_variables_known_names_only_and_never_twice():
    filled = fill_variables("Hi {{ name }}, {{unknown}} {{name", {"name": "{{secret}}", "secret": "x"})
    assert filled == "Hi {{secret}}, {{unknown}} {{name"


def test_describe_citations_shortens_the_text():
    long = Passage(2, "d", "a.txt", None, "x" * 5000, 0.5, "c")
    first, second = describe_citations([PASSAGE, long])
    assert first["page"] == 3
    assert first["score"] == 0.9123
    assert len(second["snippet"]) == 600
