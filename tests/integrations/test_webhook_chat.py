"""From a real turn to a real receiver: what the chat writes is what webhooks bring."""

from standardwebhooks import Webhook

from tests.chat.conftest import agent, client_with_key, server  # noqa: F401 - fixtures
from tests.factories import make_webhook
from tests.integrations.webhook_receiver import Receiver, deliver


def test_turn_is_told_to_the_agents_webhook(agent, client_with_key, allow_loopback):  # noqa: F811 - fixtures
    with Receiver() as receiver:
        _, secret = make_webhook(agent, receiver.url, events=["conversation.started", "message.created", "run.failed"])
        answer = client_with_key.ask("SAY: It is told", user="ann")
        client_with_key.post_chat("FAULT:400 Hello", stream=False, conversation_id=answer["conversation_id"])
        deliver()
    told = sorted((item.json for item in receiver.received), key=lambda body: body["timestamp"])
    assert sorted(body["type"] for body in told) == [
        "conversation.started", "message.created", "message.created", "message.created", "run.failed",
    ]  # fmt: skip
    texts = {body["data"]["content"] for body in told if body["type"] == "message.created"}
    assert texts == {"SAY: It is told", "It is told", "FAULT:400 Hello"}
    failed = next(body["data"] for body in told if body["type"] == "run.failed")
    assert failed["error"]["code"] == "model_rejected"
    assert {body["data"]["conversation_id"] for body in told} == {answer["conversation_id"]}
    for item in receiver.received:
        Webhook(secret).verify(item.body, item.headers)
