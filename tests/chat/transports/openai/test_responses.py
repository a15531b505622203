"""The Responses API, with the official client."""

import json
from uuid import UUID

import openai
import pytest

from chat.models import Channel, Conversation, Message
from chat.transports.openai.response_objects import Heading, describe_finished
from chat.transports.openai.responses import read_response_request
from core.errors import ValidationFailed
from tests.chat.transports.openai.conftest import open_client
from tests.processes import wait_until

EVENTS_BEFORE_TEXT = [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
]  # fmt: skip
EVENTS_AFTER_TEXT = [
    "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
]  # fmt: skip


def prompts(fake_model) -> list[list[str]]:
    """The messages that the model was given each time, without the agent's instructions."""
    return [[message["content"] for message in chat["messages"][1:]] for chat in fake_model.chats]


def test_response_answers_like_openai(client, agent):
    response = client.responses.create(
        model=agent.slug, input="SAY: Hello there", metadata={"order": "7"}, temperature=0.5, max_output_tokens=9
    )
    assert (response.output_text, response.status, response.model) == ("Hello there", "completed", agent.slug)
    assert (response.metadata, response.temperature, response.max_output_tokens) == ({"order": "7"}, 0.5, 9)
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert response.output[0].id.startswith("msg_")
    assert Conversation.objects.get().channel == Channel.OPENAI


def test_response_streams_like_openai(client, agent):
    events = list(client.responses.create(model=agent.slug, input="WORDS:3 DELAY:20", stream=True))
    kinds = [event.type for event in events]
    pieces = [event for event in events if event.type == "response.output_text.delta"]
    assert kinds == EVENTS_BEFORE_TEXT + ["response.output_text.delta"] * len(pieces) + EVENTS_AFTER_TEXT
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in pieces) == "word0 word1 word2 "
    opened, ended = events[0].response, events[-1].response
    assert (opened.status, opened.output, opened.usage) == ("in_progress", [], None)
    assert (ended.id, ended.status, ended.output_text) == (opened.id, "completed", "word0 word1 word2 ")
    assert {event.item_id for event in pieces} == {ended.output[0].id}
    assert len(pieces) > 1


def test_response_streams_through_the_clients_accumulator(client, agent):
    with client.responses.stream(model=agent.slug, input="WORDS:3 DELAY:20") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == snapshots[-1] == "word0 word1 word2 "


def test_response_sources_are_file_citations(reader):
    question = "Who is the harbour master? SAY: Odile Kerr [1] indeed"
    with open_client(reader) as client:
        response = client.responses.create(model=reader.agent_id, input=question)
        events = list(client.responses.create(model=reader.agent_id, input=question, stream=True))
        stored = client.responses.retrieve(response.id)
    (annotation,) = response.output[0].content[0].annotations
    assert (annotation.type, annotation.filename, annotation.index) == ("file_citation", "guide.md", 11)
    assert "Odile Kerr" in annotation.snippet
    (added,) = [event for event in events if event.type == "response.output_text.annotation.added"]
    assert (added.annotation_index, added.annotation.model_dump()) == (0, annotation.model_dump())
    assert events[-1].response.output[0].content[0].annotations == [annotation]
    assert stored.output[0].content == response.output[0].content


def test_response_input_as_messages_is_history(client, agent, fake_model):
    client.responses.create(
        model=agent.slug,
        instructions="Be short.",
        input=[
            {"role": "developer", "content": "Speak like a sailor."},
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {
                "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "Ahoy", "annotations": []}],
            },
            {"role": "user", "content": "SAY: Fair winds"},
        ],
    )  # fmt: skip
    assert prompts(fake_model) == [["Hi", "Ahoy", "SAY: Fair winds"]]
    assert fake_model.chats[0]["messages"][0]["content"].endswith("\n\nBe short.\n\nSpeak like a sailor.")


def test_previous_response_goes_on_in_its_conversation(client, agent, fake_model):
    first = client.responses.create(model=agent.slug, input="SAY: One", instructions="Be short.")
    second = client.responses.create(model=agent.slug, input="SAY: Two", previous_response_id=first.id)
    client.responses.create(model=agent.slug, input="SAY: Three", previous_response_id=second.id)
    assert prompts(fake_model)[-1] == ["SAY: One", "One", "SAY: Two", "Two", "SAY: Three"]
    assert not fake_model.chats[-1]["messages"][0]["content"].endswith("Be short.")
    assert second.previous_response_id == first.id
    assert Conversation.objects.count() == 1


def test_previous_response_that_is_not_the_newest_begins_a_branch(client, agent, fake_model):
    first = client.responses.create(model=agent.slug, input="SAY: One")
    client.responses.create(model=agent.slug, input="SAY: Two", previous_response_id=first.id)
    branch = client.responses.create(model=agent.slug, input="SAY: Other", previous_response_id=first.id)
    client.responses.create(model=agent.slug, input="SAY: More", previous_response_id=branch.id)
    assert prompts(fake_model)[-1] == ["SAY: One", "One", "SAY: Other", "Other", "SAY: More"]
    assert Conversation.objects.count() == 2


def test_previous_response_remembers_the_history_that_its_request_brought(client, agent, fake_model):
    told = [{"role": "user", "content": "I am Ada"}, {"role": "assistant", "content": "Hello Ada"}]
    first = client.responses.create(model=agent.slug, input=[*told, {"role": "user", "content": "SAY: One"}])
    client.responses.create(model=agent.slug, input="SAY: Two", previous_response_id=first.id)
    assert prompts(fake_model)[-1] == ["I am Ada", "Hello Ada", "SAY: One", "One", "SAY: Two"]
    stored = Message.objects.values_list("content", flat=True)
    assert list(stored) == ["I am Ada", "Hello Ada", "SAY: One", "One", "SAY: Two", "Two"]


def test_previous_response_with_further_messages_begins_a_branch(client, agent, fake_model):
    first = client.responses.create(model=agent.slug, input="SAY: One")
    more = [
        {"role": "user", "content": "By the way"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "SAY: Two"},
    ]
    client.responses.create(model=agent.slug, input=more, previous_response_id=first.id)
    assert prompts(fake_model)[-1] == ["SAY: One", "One", "By the way", "Yes?", "SAY: Two"]


def test_previous_response_still_being_written_conflicts(client, agent):
    first = client.responses.create(model=agent.slug, input="WORDS:900 DELAY:20", background=True)
    with pytest.raises(openai.ConflictError) as refusal:
        client.responses.create(model=agent.slug, input="And?", previous_response_id=first.id)
    assert refusal.value.code == "conversation_busy"


def test_response_belongs_to_its_key(client, stranger, agent):
    response = client.responses.create(model=agent.slug, input="SAY: Secret")
    with pytest.raises(openai.NotFoundError) as refusal:
        stranger.responses.create(model=agent.slug, input="What?", previous_response_id=response.id)
    assert refusal.value.code == "previous_response_not_found"
    for call in (stranger.responses.retrieve, stranger.responses.cancel):
        with pytest.raises(openai.NotFoundError) as refusal:
            call(response.id)
        assert refusal.value.code == "response_not_found"


def test_response_can_be_retrieved(client, agent):
    created = client.responses.create(model=agent.slug, input="SAY: Hello")
    stored = client.responses.retrieve(created.id)
    assert (stored.status, stored.output, stored.usage) == ("completed", created.output, created.usage)
    with pytest.raises(openai.BadRequestError):
        client.responses.retrieve(created.id, stream=True)


def test_response_in_the_background_is_polled_for(client, agent):
    created = client.responses.create(model=agent.slug, input="WORDS:5 DELAY:20", background=True)
    assert (created.status, created.output) == ("in_progress", [])
    wait_until(lambda: client.responses.retrieve(created.id).status == "completed", 10, "the end of the answer")
    assert client.responses.retrieve(created.id).output_text == "word0 word1 word2 word3 word4 "


def test_response_can_be_cancelled(client, agent, fake_model):
    created = client.responses.create(model=agent.slug, input="WORDS:900 DELAY:20", background=True)
    wait_until(lambda: fake_model.open_streams == 1, 5, "the model call")
    cancelled = client.responses.cancel(created.id)
    assert (cancelled.id, cancelled.status) == (created.id, "cancelled")
    assert client.responses.cancel(created.id).status == "cancelled"
    wait_until(lambda: fake_model.aborted == 1, 5, "the end of the model call")


def test_response_cancelled_in_mid_stream_ends_incomplete(client, agent):
    stream = client.responses.create(model=agent.slug, input="WORDS:900 DELAY:20", stream=True)
    for event in stream:
        if event.type == "response.created":
            response_id = event.response.id
        if event.type == "response.output_text.delta":
            client.responses.cancel(response_id)
            break
    last = list(stream)[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
    assert last.response.output_text.startswith("word0 ")


def test_response_cut_at_its_limit_is_incomplete():
    end = {
        "status": "complete", "finish_reason": "length", "content": "Half", "citations": [], "latency_ms": 1,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    response = describe_finished(Heading(UUID(int=1), UUID(int=2), "guide"), end)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["output"][0]["status"] == "incomplete"


def test_response_of_a_model_that_fails_in_mid_stream_is_failed(client, agent):
    events = list(client.responses.create(model=agent.slug, input="WORDS:20 DELAY:5 FAULT:drop", stream=True))
    assert events[-1].type == "response.failed"
    failed = events[-1].response
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert failed.output_text.startswith("word0 ")
    stored = client.responses.retrieve(failed.id)
    assert (stored.status, stored.error, stored.output_text) == ("failed", failed.error, failed.output_text)


def test_response_of_a_model_that_fails_is_an_error(client, agent):
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model=agent.slug, input="WORDS:20 FAULT:drop")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "message"), ({"input": []}, "input"), ({"input": None}, "input"), ({"input": 7}, "input"),
        ({"input": [{"role": "assistant", "content": "x"}]}, "input"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "input.0.type"),
        ({"input": ["x"]}, "input.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input.0.content"),
        ({"tools": [{"type": "web_search"}]}, "tools"), ({"tool_choice": "required"}, "tool_choice"),
        ({"conversation": "conv_1"}, "conversation"), ({"prompt": {"id": "x"}}, "prompt"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"), ({"text": "x"}, "text"),
        ({"instructions": 1}, "instructions"), ({"metadata": "x"}, "metadata"), ({"unknown": 1}, "unknown"),
        ({"max_output_tokens": 0}, "max_output_tokens"), ({"temperature": 3}, "temperature"),
        ({"previous_response_id": 7}, "previous_response_id"),
    ],
)  # fmt: skip
def test_response_wrong_field_is_refused_with_its_name(fields, param):
    with pytest.raises(ValidationFailed) as refusal:
        read_response_request({"model": "guide", "input": "SAY: Hello", **fields})
    assert refusal.value.param == param


def test_response_that_does_not_exist_is_not_found(client, agent):
    for name in ("x", "resp_", f"resp_{'x' * 32}", f"resp_{'0' * 32}", "resp_0-0", "resp_" + "\u0660" * 32):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(name)
        with pytest.raises(openai.NotFoundError) as refusal:
            client.responses.create(model=agent.slug, input="What?", previous_response_id=name)
        assert refusal.value.param == "previous_response_id"


def test_response_takes_what_frameworks_send_along(client_with_key, agent):
    body = {
        "model": agent.slug, "input": [{"type": "message", "role": "user", "content": "SAY: Hello"}],
        "include": ["reasoning.encrypted_content"], "parallel_tool_calls": True, "reasoning": {"effort": "low"},
        "store": False, "text": {"format": {"type": "text"}, "verbosity": "low"}, "tool_choice": "auto", "tools": [],
        "top_p": 1, "truncation": "auto", "service_tier": "auto", "stream_options": {"include_obfuscation": False},
        "top_logprobs": 0, "max_tool_calls": 3, "prompt_cache_key": "x", "instructions": None, "conversation": None,
    }  # fmt: skip
    assert client_with_key.call("POST", "/api/v1/responses", json=body).json()["status"] == "completed"


def test_response_raw_stream_names_its_events(client_with_key, agent):
    """As curl sees it: each event's name stands in its data as well."""
    body = {"model": agent.slug, "input": 'SAY: a "b" \\ é', "stream": True}
    with client_with_key.call("POST", "/api/v1/responses", json=body, stream=True) as response:
        events = [part.split("\n") for part in response.content.decode().strip().split("\n\n")]
    for name, data in events:
        assert json.loads(data.removeprefix("data: "))["type"] == name.removeprefix("event: ")
    ended = json.loads(events[-1][1].removeprefix("data: "))
    assert ended["response"]["output"][0]["content"][0]["text"] == 'a "b" \\ é'
