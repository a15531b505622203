"""`Idempotency-Key`: the same request is answered once, by the same run, however often it is sent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync

from chat.models import Conversation, Run
from chat.repeats import forget_old_keys
from tests.chat.visiting import make_visitor, make_widget_key


def post(client, key="once", message="Hello", **fields):
    path = f"/api/v1/agents/{client.agent_id}/chat"
    return client.call(
        "POST", path, json={"message": message, "stream": False, **fields}, headers={"Idempotency-Key": key}
    )


def test_repeated_request_gets_the_first_answer(client_with_key, fake_model):
    first, second = post(client_with_key), post(client_with_key)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert len(fake_model.chats) == 1
    assert (Run.objects.count(), Conversation.objects.count()) == (1, 1)


def test_repeated_request_in_a_conversation_adds_nothing(client_with_key):
    conversation = client_with_key.ask("Hello")["conversation_id"]
    answers = [post(client_with_key, conversation_id=conversation).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert Run.objects.count() == 2


def test_repeated_stream_replays_the_run(client_with_key):
    def stream():
        return client_with_key.call(
            "POST",
            f"/api/v1/agents/{client_with_key.agent_id}/chat",
            json={"message": "SAY: one two"},
            headers={"Idempotency-Key": "s"},
        ).text

    first, second = stream(), stream()
    assert Run.objects.count() == 1
    for text in (first, second):
        assert text.count("event: run.started") == text.count("event: run.finished") == 1
        assert '"content":"one two"' in text


def test_same_request_twenty_times_at_once_is_one_run(client_with_key, fake_model):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(client_with_key, message="WORDS:20 DELAY:20"), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert len(fake_model.chats) == 1


def test_same_key_for_another_request_is_refused(client_with_key):
    assert post(client_with_key).status_code == 200
    refused = post(client_with_key, message="Something else")
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "idempotency_mismatch"


@pytest.mark.parametrize("key", ["x" * 256, "tab\there"])
def test_unusable_key_is_refused(client_with_key, key):
    assert post(client_with_key, key=key).status_code == 422


def test_failed_request_may_be_tried_again_with_its_key(client_with_key, fake_model):
    assert post(client_with_key, message="FAULT:400*1 SAY: better now").status_code == 502
    again = post(client_with_key, message="FAULT:400*1 SAY: better now")
    assert (again.status_code, again.json()["content"]) == (200, "better now")


def test_key_is_free_again_after_a_day(client_with_key):
    post(client_with_key)
    run = Run.objects.get()
    async_to_sync(forget_old_keys)()
    run.refresh_from_db()
    assert run.idempotency_key == "once"
    Run.objects.update(started_at=run.started_at - timedelta(hours=25))
    async_to_sync(forget_old_keys)()
    run.refresh_from_db()
    assert run.idempotency_key == ""


def test_visitors_of_one_key_choose_their_names_apart(server, agent):
    key = make_widget_key(agent)
    one, other = make_visitor(server, key), make_visitor(server, key)
    first, repeated, others = post(one), post(one), post(other)
    assert first.status_code == repeated.status_code == others.status_code == 200
    assert first.json() == repeated.json()
    assert others.json()["run_id"] != first.json()["run_id"]
    assert post(one, message="Something else").status_code == 422
