import pytest

from chat.runtime.events import Event, after_id, encode_frame, encode_sse, rebuild

EVENTS = [
    Event(1, "run.started", {"run_id": "r"}),
    Event(2, "citations", [{"index": 1}]),
    Event(7, "delta", {"text": "Hello"}),
    Event(14, "delta", {"text": " wörld "}),
    Event(15, "run.finished", {"content": "Hello wörld "}),
]


def test_encode_sse_event_has_id_name_and_one_data_line():
    assert encode_sse(Event(3, "delta", {"text": "a\nb"})) == b'id: 3\nevent: delta\ndata: {"text":"a\\nb"}\n\n'


def test_encode_frame_event_is_one_json_object():
    assert encode_frame(Event(3, "delta", {"text": "é"})) == '{"event":"delta","id":3,"data":{"text":"é"}}'


@pytest.mark.parametrize("after", range(16))
def test_after_id_any_cut_leaves_exactly_the_rest(after):
    rest = [event for event in (after_id(item, after) for item in EVENTS) if event]
    text = "".join(event.text for event in rest)
    assert text == "Hello wörld "[max(0, after - 2) :]
    assert rest[-1].name == "run.finished"


def test_rebuild_stored_run_gives_the_same_places():
    started, citations, *_, finished = EVENTS
    rebuilt = list(
        rebuild(started.data, [[2, "citations", citations.data]], "Hello wörld ", ("run.finished", finished.data))
    )
    assert [(event.id, event.name) for event in rebuilt] == [
        (1, "run.started"), (2, "citations"), (14, "delta"), (15, "run.finished"),
    ]  # fmt: skip


def test_rebuild_event_between_texts_stands_where_it_stood():
    rebuilt = list(rebuild({}, [[2, "citations", []], [8, "tool.started", {}]], "Hello world", None))
    assert [(event.id, event.name, event.text) for event in rebuilt] == [
        (1, "run.started", ""), (2, "citations", ""), (7, "delta", "Hello"), (8, "tool.started", ""),
        (14, "delta", " world"),
    ]  # fmt: skip


def test_rebuild_text_shorter_than_its_trace_says_after_a_crash():
    rebuilt = list(rebuild({}, [[12, "tool.started", {}]], "Hel", ("error", {})))
    assert [event.name for event in rebuilt] == ["run.started", "delta", "tool.started", "error"]
    assert [event.id for event in rebuilt] == [1, 4, 12, 13]
