"""A request that is sent again with its `Idempotency-Key`: the first run's answer, in the form of the first."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from chat.models import Run
from tests.chat.serving import Client
from tests.chat.transports.openai.conftest import open_client
from tests.processes import wait_until

ONCE = {"Idempotency-Key": "once"}
DELTA = "response.output_text.delta"


def stream(caller: Client, path: str = "responses", **fields: Any) -> list[dict[str, Any]]:
    """What one streamed POST tells, event by event."""
    answer = caller.call("POST", f"/api/v1/{path}", json={"stream": True, **fields}, headers=ONCE)
    assert answer.status_code == 200, answer.text
    data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(each) for each in data]


def join_pieces(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with the answer's text in one piece, numbered anew: pieces are cut as they come."""
    places = [place for place, event in enumerate(events) if event["type"] == DELTA]
    text = "".join(events[place]["delta"] for place in places)
    joined = [event for place, event in enumerate(events) if place not in places[1:]]
    return [
        {**event, "sequence_number": number, **({"delta": text} if event["type"] == DELTA else {})}
        for number, event in enumerate(joined)
    ]


def test_repeated_stream_of_a_response_tells_the_same_again(client_with_key, agent, fake_model):
    fields = {"model": agent.slug, "input": "WORDS:4 DELAY:20", "metadata": {"order": "7"}, "temperature": 0.5}
    first, again = stream(client_with_key, **fields), stream(client_with_key, **fields)
    assert [event["sequence_number"] for event in again] == list(range(len(again)))
    assert join_pieces(again) == join_pieces(first)
    assert again[-1]["response"]["metadata"] == {"order": "7"}
    assert (len(fake_model.chats), Run.objects.count()) == (1, 1)


def test_repeated_stream_tells_the_sources_again(reader):
    fields = {"model": reader.agent_id, "input": "Who is the harbour master? SAY: Odile Kerr [1] indeed"}
    first, again = stream(reader, **fields), stream(reader, **fields)
    assert join_pieces(again) == join_pieces(first)
    assert [event["type"] for event in again].count("response.output_text.annotation.added") == 1


def test_stream_that_is_asked_for_again_while_it_runs_is_followed(client_with_key, agent, fake_model):
    fields = {"model": agent.slug, "input": "WORDS:20 DELAY:20"}
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: join_pieces(stream(client_with_key, **fields)), range(4)))
    assert all(each == told[0] for each in told)
    assert told[0][-1]["type"] == "response.completed"
    assert len(fake_model.chats) == 1


def test_stream_that_is_asked_for_again_fails_with_the_first(client_with_key, agent):
    """One that joins hears the text and the failure of the run that both share."""
    fields = {"model": agent.slug, "input": "FAULT:drop WORDS:20 DELAY:100"}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(stream, client_with_key, **fields)
        wait_until(Run.objects.exists, 5, "the first run")
        again = stream(client_with_key, **fields)
    assert join_pieces(again) == join_pieces(first.result())
    assert (again[-1]["type"], Run.objects.count()) == ("response.failed", 1)
    assert again[-1]["response"]["output"][0]["content"][0]["text"].startswith("word0 word1 ")


def test_repeated_stream_after_a_cancellation_ends_as_it_did(client, client_with_key, agent):
    fields = {"model": agent.slug, "input": "WORDS:900 DELAY:20"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(stream, client_with_key, **fields)
        wait_until(Run.objects.exists, 5, "the first run")
        client.responses.cancel(f"resp_{Run.objects.get().pk.hex}")
        told = first.result()
    again = stream(client_with_key, **fields)
    assert join_pieces(again) == join_pieces(told)
    assert (again[-1]["type"], again[-1]["response"]["status"]) == ("response.incomplete", "cancelled")


def test_repeated_response_is_the_first_one_with_all_that_its_request_said(client, agent):
    asked = {"model": agent.slug, "input": "SAY: Hello", "metadata": {"order": "7"}, "extra_headers": ONCE}
    first, again = client.responses.create(**asked), client.responses.create(**asked)
    assert again == first


def test_repeated_background_response_is_as_far_as_it_is(client, agent):
    asked = {"model": agent.slug, "input": "SAY: Hello", "background": True, "extra_headers": ONCE}
    first = client.responses.create(**asked)
    wait_until(lambda: client.responses.retrieve(first.id).status == "completed", 10, "the end of the answer")
    again = client.responses.create(**asked)
    assert (again.id, again.status, again.output_text, again.background) == (first.id, "completed", "Hello", True)


def test_official_client_streams_a_repeated_response(client_with_key, agent):
    with open_client(client_with_key) as client:
        asked = {"model": agent.slug, "input": "SAY: Hello", "extra_headers": ONCE}
        for _ in range(2):
            with client.responses.stream(**asked) as events:
                assert events.get_final_response().output_text == "Hello"


def test_repeated_key_for_another_stream_is_refused(client, agent):
    client.responses.create(model=agent.slug, input="SAY: One", extra_headers=ONCE)
    with pytest.raises(openai.BadRequestError) as refusal:
        client.responses.create(model=agent.slug, input="SAY: One", stream=True, extra_headers=ONCE)
    assert refusal.value.code == "idempotency_mismatch"
