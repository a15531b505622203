import pytest

from chat.runtime.intake import MAX_MESSAGE_CHARACTERS, MessageTooLong, read_chat_input
from core.errors import NotFound, ValidationFailed


def test_read_chat_input_message_alone_takes_the_defaults():
    chat = read_chat_input({"message": "Hi"})
    assert (chat.message, chat.stream, chat.conversation_id, chat.regenerate) == ("Hi", True, None, False)


@pytest.mark.parametrize(
    "body",
    [
        [], None, "text", {}, {"message": ""}, {"message": " \n"}, {"message": 3}, {"message": None},
        {"message": "Hi", "stream": "yes"}, {"message": "Hi", "variables": []},
        {"message": "Hi", "variables": {"a": 1}},
        {"message": "Hi", "user": 5}, {"message": "Hi", "user": "x" * 201}, {"message": "Hi", "regenerate": 1},
        {"message": "Hi", "workspace": "x"}, {"message": "Hi", "config": {}}, {"regenerate": True},
        {"message": "Hi", "variables": {str(i): "x" for i in range(51)}},
        {"message": "Hi", "variables": {"a": "x" * 10_001}},
    ],
)  # fmt: skip
def test_read_chat_input_bad_fields_are_refused(body):
    with pytest.raises(ValidationFailed):
        read_chat_input(body)


def test_read_chat_input_long_message_names_the_limit():
    with pytest.raises(MessageTooLong, match=str(MAX_MESSAGE_CHARACTERS)):
        read_chat_input({"message": "x" * (MAX_MESSAGE_CHARACTERS + 1)})


@pytest.mark.parametrize("value", ["x", 5, [], "0" * 31])
def test_read_chat_input_malformed_conversation_is_not_found(value):
    with pytest.raises(NotFound):
        read_chat_input({"message": "Hi", "conversation_id": value})
