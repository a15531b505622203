import asyncio
import json
import uuid

import pytest
import websockets
from asgiref.sync import sync_to_async
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents.services import revoke_api_key
from chat.models import Message, Run
from tests.factories import make_agent, make_workspace


@pytest.fixture
def address(client_with_key):
    return client_with_key.url.replace("http", "ws") + f"/ws/agents/{client_with_key.agent_id}/chat"


async def send(socket, **frame):
    await socket.send(json.dumps(frame))


async def read_to_end(socket):
    frames = []
    while not frames or frames[-1]["event"] not in {"run.finished", "error"}:
        frames.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
    return frames


async def close_code(socket):
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    except ConnectionClosed:
        return socket.close_code


async def test_socket_with_a_key_carries_the_events(address, client_with_key):
    async with websockets.connect(address, additional_headers=client_with_key.headers) as socket:
        await send(socket, message="WORDS:3")
        first = await read_to_end(socket)
        await send(socket, message="SAY: Again", conversation_id=first[0]["data"]["conversation_id"])
        second = await read_to_end(socket)
    assert first[0]["event"] == "run.started"
    assert first[-1]["data"]["content"] == "word0 word1 word2 "
    assert second[-1]["data"]["content"] == "Again"
    assert await Message.objects.acount() == 4


async def test_socket_authenticates_by_its_first_frame(address, client_with_key):
    async with websockets.connect(address) as socket:
        await send(socket, authenticate=client_with_key.headers["Authorization"].split()[1])
        await send(socket, message="WORDS:1")
        assert (await read_to_end(socket))[-1]["event"] == "run.finished"


@pytest.mark.parametrize(
    "frame", [{"authenticate": "gilo_no"}, {"authenticate": 5}, {"message": "Hi"}, {"authenticate": "a.b.c"}]
)
async def test_socket_without_valid_credentials_closes_4401(address, frame):
    async with websockets.connect(address) as socket:
        await send(socket, **frame)
        assert json.loads(await socket.recv())["data"]["error"]["code"] == "not_authenticated"
        assert await close_code(socket) == 4401


async def test_socket_that_stays_silent_closes_4408(address, monkeypatch):
    monkeypatch.setattr("chat.transports.websocket.AUTHENTICATE_SECONDS", 0.2)
    async with websockets.connect(address) as socket:
        assert await close_code(socket) == 4408


@pytest.mark.parametrize("kind", ["foreign", "missing", "malformed"])
async def test_socket_of_another_agent_closes_4404(address, client_with_key, kind):
    @sync_to_async
    def foreign():
        return str(make_agent(make_workspace()[0]).pk)

    agent_id = {"foreign": await foreign(), "missing": str(uuid.uuid4()), "malformed": "x"}[kind]
    other = address.replace(client_with_key.agent_id, agent_id)
    async with websockets.connect(other, additional_headers=client_with_key.headers) as socket:
        frame = json.loads(await socket.recv())
        assert frame["data"]["error"]["code"] == "not_found"
        assert await close_code(socket) == 4404


async def test_socket_on_an_unknown_path_closes_4404(client_with_key):
    async with websockets.connect(client_with_key.url.replace("http", "ws") + "/ws/nothing") as socket:
        assert await close_code(socket) == 4404


async def test_socket_from_another_site_with_a_cookie_is_refused(address):
    headers = {"Cookie": "sessionid=abc", "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as refusal:
        async with websockets.connect(address, additional_headers=headers):
            pass
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 4400), ('{"message": 1}', 4400), ('{"message": "a", "x": 1}', 4400), ('{"message": "\\u0000"}', 4400),
        ("[" * 1000, 4400), ('{"cancel": "x"}', 4404), ('{"resume": "x"}', 4404), ('{"cancel": "x", "y": 1}', 4400),
        ('{"message": "' + "x" * 100_001 + '"}', 4413),
    ],
)  # fmt: skip
async def test_socket_bad_frame_closes_with_its_code(address, client_with_key, frame, code):
    async with websockets.connect(address, additional_headers=client_with_key.headers) as socket:
        await socket.send(frame)
        assert json.loads(await socket.recv())["event"] == "error"
        assert await close_code(socket) == code


async def test_socket_cancel_and_busy_keep_the_connection(address, client_with_key):
    async with websockets.connect(address, additional_headers=client_with_key.headers) as socket:
        await send(socket, message="WORDS:500 DELAY:20")
        started = json.loads(await socket.recv())
        await send(socket, message="Me too")
        frame = {"event": "delta"}
        while frame["event"] == "delta":
            frame = json.loads(await socket.recv())
        assert frame["data"]["error"]["code"] == "conversation_busy"
        await send(socket, cancel=started["data"]["run_id"])
        assert (await read_to_end(socket))[-1]["data"]["status"] == "cancelled"
        await send(socket, message="WORDS:1")
        assert (await read_to_end(socket))[-1]["data"]["status"] == "complete"


async def test_socket_resumes_a_run_of_a_closed_one(address, client_with_key):
    async with websockets.connect(address, additional_headers=client_with_key.headers) as socket:
        await send(socket, message="WORDS:30 DELAY:20")
        started = json.loads(await socket.recv())
        first = json.loads(await socket.recv())
    async with websockets.connect(address, additional_headers=client_with_key.headers) as socket:
        await send(socket, resume=started["data"]["run_id"], after=first["id"])
        rest = await read_to_end(socket)
    text = first["data"]["text"] + "".join(frame["data"].get("text", "") for frame in rest)
    assert text == "".join(f"word{number} " for number in range(30))


@pytest.mark.parametrize("streaming", [True, False])
async def test_socket_closes_4401_when_its_key_is_revoked(address, client_with_key, agent, streaming):
    async with websockets.connect(address, additional_headers=client_with_key.headers) as socket:
        await send(socket, message="WORDS:500 DELAY:20" if streaming else "WORDS:1")
        await (socket.recv() if streaming else read_to_end(socket))
        key = await agent.api_keys.aget()
        await sync_to_async(revoke_api_key)(key=key)
        assert await asyncio.wait_for(close_code(socket), 5) == 4401
    assert (await Run.objects.aget()).status == ("partial" if streaming else "complete")
