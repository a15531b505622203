import asyncio

import pytest

from gilo.protocol import WholeAnswers

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Recorder:
    """The transport below: what it was asked to send, piece by piece."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.sent.append(data)

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str) -> str:
        return f"info of {name}"


@pytest.fixture
async def below():
    return Recorder()


@pytest.fixture
async def transport(below):
    return WholeAnswers(below)


async def test_head_leaves_with_the_body_that_follows_it(transport, below):
    for piece in (HEAD, b"first", b"second"):
        transport.write(piece)
    await asyncio.sleep(0)
    assert below.sent == [HEAD + b"first", b"second"]


async def test_head_whose_body_is_late_is_not_held_back(transport, below):
    transport.write(HEAD)
    assert below.sent == []
    await asyncio.sleep(0)
    assert below.sent == [HEAD]
    transport.write(b"late")
    assert below.sent == [HEAD, b"late"]


async def test_head_is_sent_before_the_connection_closes(transport, below):
    transport.write(HEAD)
    transport.close()
    await asyncio.sleep(0)
    assert (below.sent, below.is_closed) == ([HEAD], True)


async def test_answers_on_one_connection_stay_in_order(transport, below):
    for piece in (HEAD, b"one", HEAD, b"two"):
        transport.write(piece)
    await asyncio.sleep(0)
    assert b"".join(below.sent) == HEAD + b"one" + HEAD + b"two"


async def test_all_else_is_the_transports_own(transport):
    assert transport.get_extra_info("peername") == "info of peername"
