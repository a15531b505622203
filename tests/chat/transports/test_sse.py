import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents.services import revoke_api_key
from chat import crowd
from chat.models import Conversation, Message, Run
from chat.runtime.events import DELTA, RUN_FINISHED
from tests.chat.conftest import make_client
from tests.chat.serving import Client, text_of
from tests.chat.visiting import make_visitor, make_widget_key
from tests.factories import make_agent, make_workspace
from tests.processes import wait_until


def test_chat_streams_every_event_and_stores_the_turn(client_with_key, agent, fake_model):
    events = client_with_key.chat("Hello WORDS:3")
    assert events[0].name == "run.started"
    assert events[-1].name == RUN_FINISHED
    assert text_of(events) == "word0 word1 word2 " == events[-1].data["content"]
    run = Run.objects.get(pk=events[0].data["run_id"])
    question, answer = Message.objects.filter(conversation=run.conversation_id)
    assert (question.content, question.role, answer.content, answer.status) == (
        "Hello WORDS:3", "user", "word0 word1 word2 ", "complete",
    )  # fmt: skip
    assert (run.status, run.model, run.finish_reason) == ("complete", "fake-model", "stop")
    assert run.output_tokens == events[-1].data["usage"]["output_tokens"] > 0
    assert run.ttft_ms is not None and run.latency_ms >= run.ttft_ms
    assert run.version_id == agent.draft_version_id
    assert fake_model.chats[0]["messages"][-1] == {"role": "user", "content": "Hello WORDS:3"}


def test_chat_headers_keep_proxies_from_buffering(client_with_key):
    with client_with_key.post_chat("Hi") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["X-Request-Id"]
        assert "Content-Encoding" not in response.headers
        list(response.iter_content())


def test_chat_stream_false_answers_one_object(client_with_key):
    answer = client_with_key.ask("SAY: Bonjour à tous")
    assert answer["content"] == "Bonjour à tous"
    assert set(answer) >= {"id", "conversation_id", "run_id", "citations", "tool_calls", "usage", "latency_ms"}


def test_chat_second_turn_reads_the_history(client_with_key, fake_model):
    first = client_with_key.ask("SAY: One")
    client_with_key.ask("SAY: Two", conversation_id=first["conversation_id"])
    assert [message["content"] for message in fake_model.chats[1]["messages"]][1:] == ["SAY: One", "One", "SAY: Two"]
    assert Conversation.objects.count() == 1


def test_chat_variables_fill_the_instructions(server, fake_model, transactional_db):
    workspace, _ = make_workspace()
    client = make_client(server, make_agent(workspace, instructions="Greet {{name}}.", knowledge_enabled=False))
    client.ask("Hi", variables={"name": "Ada"})
    client.session.close()
    assert fake_model.chats[0]["messages"][0]["content"] == "Greet Ada."


def test_chat_regenerate_replaces_the_answer(client_with_key, fake_model):
    first = client_with_key.ask("SAY: One")
    again = client_with_key.ask(None, conversation_id=first["conversation_id"], regenerate=True)
    assert again["content"] == "One"
    assert [message["content"] for message in fake_model.chats[1]["messages"]][1:] == ["SAY: One"]
    shown = Message.objects.filter(conversation=first["conversation_id"], superseded=False)
    assert [message.pk.hex for message in shown][1] == uuid.UUID(again["id"]).hex
    assert shown.count() == 2


def test_chat_regenerate_with_new_words_edits_the_question(client_with_key, fake_model):
    first = client_with_key.ask("SAY: One")
    client_with_key.ask("SAY: Other", conversation_id=first["conversation_id"], regenerate=True)
    shown = Message.objects.filter(conversation=first["conversation_id"], superseded=False)
    assert [message.content for message in shown] == ["SAY: Other", "Other"]


def test_chat_in_a_crowd_comes_whole_in_fewer_pieces(client_with_key, monkeypatch):
    monkeypatch.setattr(crowd, "CROWD", 1)
    with client_with_key.streaming("WORDS:30 DELAY:10") as stream:
        events = list(stream)
    pieces = [event.data["text"] for event in events if event.name == DELTA]
    assert "".join(pieces) == "".join(f"word{number} " for number in range(30))
    assert len(pieces) < 15
    assert events[-1].name == RUN_FINISHED


def test_chat_while_an_answer_is_written_is_a_conflict(client_with_key):
    with client_with_key.streaming("WORDS:30 DELAY:20") as events:
        conversation = next(events).data["conversation_id"]
        response = client_with_key.post_chat("Again", conversation_id=conversation)
        assert (response.status_code, response.json()["error"]["code"]) == (409, "conversation_busy")
        list(events)


# --- who may ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer gilo_wrong"}, {"X-API-Key": "no"}, {"Authorization": "x"}]
)
def test_chat_without_a_valid_key_is_401(client_with_key, headers):
    client_with_key.headers = headers
    response = client_with_key.post_chat()
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["request_id"] == response.headers["X-Request-Id"]


def test_chat_accepts_x_api_key(client_with_key):
    client_with_key.headers = {"X-API-Key": client_with_key.headers["Authorization"].split()[1]}
    assert client_with_key.ask()["status"] == "complete"


def test_chat_foreign_missing_and_malformed_agents_answer_alike(client_with_key, server):
    other = make_agent(make_workspace()[0])
    bodies = set()
    for agent_id in (str(other.pk), str(uuid.uuid4()), "not-an-id", "%00"):
        client_with_key.agent_id = agent_id
        response = client_with_key.call(
            "POST", f"/api/v1/agents/{agent_id}/chat", json={"message": "Hi"}, headers={"X-Request-Id": "same-request"}
        )
        assert response.status_code == 404
        bodies.add(response.content)
    assert len(bodies) == 1


def test_chat_another_keys_conversation_and_run_are_missing(client_with_key, server, agent):
    mine = client_with_key.ask()
    other = make_client(server, agent)
    response = other.post_chat(conversation_id=mine["conversation_id"])
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    assert other.call("GET", f"/api/v1/runs/{mine['run_id']}/events").status_code == 404
    assert other.cancel(mine["run_id"]).status_code == 404
    assert Message.objects.count() == 2
    other.session.close()


def test_chat_revoked_key_in_mid_stream_ends_with_401_and_keeps_the_text(client_with_key, agent, fake_model):
    with client_with_key.streaming("WORDS:400 DELAY:20") as events:
        run_id = next(events).data["run_id"]
        next(events)
        revoke_api_key(key=agent.api_keys.get())
        begun = time.monotonic()
        last = list(events)[-1]
    assert time.monotonic() - begun < 5
    assert (last.name, last.data["error"]["code"]) == ("error", "access_ended")
    run = Run.objects.select_related("answer").get(pk=run_id)
    assert (run.status, run.answer.status) == ("partial", "partial")
    assert run.answer.content.startswith("word0 ")
    wait_until(lambda: fake_model.aborted == 1, 5, "the end of the model call")


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b'{"message": NaN}', 400), (b'{"message": "a", "message": "b"}', 400),
        (b"[" * 100_000, 400), (b'{"a":' * 100_000, 400), (b'{"message": ' + b"9" * 1_000_000 + b"}", 400),
        (b'{"message": "\\ud800"}', 422), (b'{"message": "\\u0000"}', 422), (b'{"message": "\xff"}', 400),
        (b"null", 422), (b"{}", 422), (b'{"message": 1}', 422), (b'{"message": "Hi", "id": 1}', 422),
        (b'{"message": "' + b"x" * 100_001 + b'"}', 413), (b'{"message": "' + b"x" * 2_200_000 + b'"}', 413),
    ],
)  # fmt: skip
def test_chat_bad_body_is_refused(client_with_key, body, status):
    response = client_with_key.call("POST", f"/api/v1/agents/{client_with_key.agent_id}/chat", data=body)
    assert response.status_code == status, response.text
    assert set(response.json()["error"]) >= {"type", "code", "message", "param", "request_id"}
    assert Message.objects.count() == 0


def test_chat_message_too_long_says_the_limit(client_with_key):
    response = client_with_key.post_chat("x" * 2_000_000)
    assert response.json()["error"]["code"] == "message_too_long"
    assert "100000" in response.json()["error"]["message"]


def test_chat_slow_body_is_408(client_with_key, server, monkeypatch):
    monkeypatch.setattr("chat.transports.http.BODY_SECONDS", 0.3)
    host, port = server.removeprefix("http://").split(":")
    path = f"/api/v1/agents/{client_with_key.agent_id}/chat"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {client_with_key.headers['Authorization']}\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"{head}Content-Length: 50\r\n\r\n".encode() + b'{"mess')
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_chat_other_methods_are_405_with_allow(client_with_key):
    response = client_with_key.call("GET", f"/api/v1/agents/{client_with_key.agent_id}/chat")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.json()["error"]["code"] == "method_not_allowed"


# --- follow, resume, cancel -------------------------------------------------------------------------------------------
def test_events_every_cut_gives_the_same_text(client_with_key):
    events = client_with_key.chat("SAY: Élan vital 🚀 fin")
    run_id, whole = events[0].data["run_id"], text_of(events)
    for after in range(events[-1].id + 3):
        rest = client_with_key.events(run_id, after)
        assert whole[: max(0, after - 1)] + text_of(rest) == whole
        assert (rest[-1].name, rest[-1].data) == ("run.finished", events[-1].data)


def test_events_dropped_connection_resumes_live(client_with_key):
    with client_with_key.streaming("WORDS:40 DELAY:20") as events:
        run_id = next(events).data["run_id"]
        seen = [next(events), next(events)]
    rest = client_with_key.events(run_id, seen[-1].id)
    assert text_of(seen) + text_of(rest) == "".join(f"word{number} " for number in range(40))
    assert rest[-1].data["status"] == "complete"


def test_events_two_followers_read_the_same(client_with_key, server):
    with client_with_key.streaming("WORDS:25 DELAY:20") as first:
        run_id = next(first).data["run_id"]
        second = client_with_key.events(run_id)
        assert [(event.id, event.data) for event in second][-1] == [(event.id, event.data) for event in first][-1]
    assert text_of(second) == "".join(f"word{number} " for number in range(25))


def test_events_after_in_the_query_and_bad_ones_are_400(client_with_key):
    events = client_with_key.chat("WORDS:2")
    path = f"/api/v1/runs/{events[0].data['run_id']}/events"
    assert client_with_key.call("GET", f"{path}?after=1").text.startswith("id: 13\nevent: delta")
    for bad in ("x", "-1", "1e3", "9" * 40, "²"):
        assert client_with_key.call("GET", f"{path}?after={bad}").status_code == 400


def test_disconnect_does_not_end_the_run(client_with_key):
    with client_with_key.streaming("WORDS:20 DELAY:20") as events:
        run_id = next(events).data["run_id"]
    wait_until(lambda: Run.objects.get(pk=run_id).status == "complete", 10, "the end of the run")
    assert Run.objects.select_related("answer").get(pk=run_id).answer.content.endswith("word19 ")


def test_cancel_stops_the_model_and_keeps_the_text(client_with_key, fake_model):
    with client_with_key.streaming("WORDS:500 DELAY:20") as events:
        run_id = next(events).data["run_id"]
        next(events)
        assert client_with_key.cancel(run_id).status_code == 202
        last = list(events)[-1]
    assert (last.name, last.data["status"], last.data["finish_reason"]) == ("run.finished", "cancelled", "cancelled")
    run = Run.objects.select_related("answer").get(pk=run_id)
    assert (run.status, run.answer.status) == ("cancelled", "cancelled")
    assert run.answer.content == last.data["content"] != ""
    wait_until(lambda: fake_model.aborted == 1, 5, "the end of the model call")
    assert client_with_key.cancel(run_id).status_code == 202  # again: nothing happens


# --- the model fails --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("500", "model_unavailable", "failed"), ("429-long", "model_rate_limited", "failed"),
        ("400", "model_rejected", "failed"), ("reset", "model_unavailable", "failed"),
        ("html", "model_rejected", "failed"),
        ("drop", "model_stream_broken", "partial"), ("end", "model_stream_broken", "partial"),
        ("malformed", "model_stream_broken", "partial"), ("error", "model_unavailable", "partial"),
    ],
)  # fmt: skip
def test_model_fault_is_told_and_what_came_is_kept(client_with_key, fault, code, status):
    events = client_with_key.chat(f"WORDS:20 DELAY:5 FAULT:{fault}")
    error = events[-1].data["error"]
    assert (events[-1].name, error["code"]) == ("error", code)
    assert error["message"] and error["request_id"]
    run = Run.objects.select_related("answer").get(pk=events[0].data["run_id"])
    assert (run.status, run.answer.status, run.error["code"]) == (status, status, code)
    assert run.answer.content == text_of(events)
    assert bool(run.answer.content) == (status == "partial")
    assert client_with_key.events(str(run.pk), 1)[-1].data == events[-1].data


def test_model_fault_before_the_first_token_is_retried(client_with_key, fake_model):
    assert client_with_key.ask("WORDS:2 FAULT:500*1")["content"] == "word0 word1 "
    assert len(fake_model.chats) == 2


def test_model_that_says_nothing_is_an_error(client_with_key):
    assert client_with_key.chat("FAULT:empty")[-1].data["error"]["code"].startswith("model_")


def test_model_fault_without_stream_has_its_http_status(client_with_key):
    response = client_with_key.post_chat("FAULT:400", stream=False)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "model_rejected")


def test_model_that_hangs_can_be_cancelled(client_with_key, fake_model):
    with client_with_key.streaming("FAULT:hang") as events:
        run_id = next(events).data["run_id"]
        wait_until(lambda: fake_model.chats, 5, "the model call")
        client_with_key.cancel(run_id)
        assert list(events)[-1].data["status"] == "cancelled"
    wait_until(lambda: fake_model.aborted == 1, 5, "the end of the model call")


def test_turns_of_one_conversation_at_once_are_refused_but_one(client_with_key):
    conversation_id = client_with_key.ask()["conversation_id"]

    def ask(_number):
        client = Client(client_with_key.url, client_with_key.agent_id, client_with_key.headers)
        status = client.post_chat("WORDS:20 DELAY:50", conversation_id=conversation_id, stream=False).status_code
        client.session.close()
        return status

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(ask, range(6))) == [200, 409, 409, 409, 409, 409]


def test_visitor_is_not_told_what_an_answer_cost(server, agent, client_with_key):
    assert "cost_usd" in client_with_key.ask()["usage"]
    visitor = make_visitor(server, make_widget_key(agent, allowed_origins=["https://shop.example"]))
    answer = visitor.ask()
    assert set(answer["usage"]) == {"input_tokens", "output_tokens"}
    assert set(visitor.events(answer["run_id"])[-1].data["usage"]) == {"input_tokens", "output_tokens"}
    visitor.session.close()
