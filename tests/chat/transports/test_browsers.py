"""What browsers of other sites may do with the public API: everything that a key's list says, nothing else."""

import asyncio
import json
from datetime import timedelta

import pytest
import websockets
from asgiref.sync import sync_to_async
from websockets.exceptions import ConnectionClosed

from agents import services
from agents.deployment import update_deployment
from agents.models import ApiKey
from chat.models import Conversation
from tests.chat.serving import Client
from tests.chat.visiting import make_key_client, make_visitor, make_widget_key
from tests.routes import all_routes

SITE = "https://shop.example"
EVIL = "https://evil.example"
V1 = [route for route in all_routes() if route.kind == "asgi" and route.opens_with_key]
ALLOW = "Access-Control-Allow-Origin"


# All that a visitor's token opens. A route that opens to visitors by mistake is not in this list.
VISITOR_ROUTES = {
    "/api/v1/agents/{agent_id}/chat",
    "/api/v1/runs/{run_id}/events",
    "/api/v1/runs/{run_id}/cancel",
    "/api/v1/agent",
    "/api/v1/conversations",
    "/api/v1/conversations/{conversation_id}/messages",
    "/api/v1/messages/{message_id}/feedback",
}


@pytest.fixture
def listed(server, agent):
    client, _ = make_key_client(server, agent, allowed_origins=[SITE, "https://*.shops.example"])
    yield client
    client.session.close()


@pytest.fixture
def visitor(server, agent):
    client = make_visitor(server, make_widget_key(agent, allowed_origins=[SITE]))
    yield client
    client.session.close()


def test_visitor_is_refused_on_every_route_but_those_of_the_list(visitor):
    refused = set()
    for route in V1:
        path = route.template.format(**dict.fromkeys(route.parameters, visitor.agent_id))
        for method in route.methods:
            response = visitor.call(method, path, json={})
            if response.status_code == 403:
                error = response.json()["error"]
                told = error["data"] if path.endswith(("/mcp", "/a2a")) else error  # JSON-RPC carries our error
                assert told["code"] == "key_not_for_programs", path
                refused.add(route.template)
    assert {route.template for route in V1} - refused == VISITOR_ROUTES


def ask(client: Client, origin: str):
    return client.call("GET", "/api/v1/agent", headers={"Origin": origin} if origin else {})


@pytest.mark.parametrize("route", V1, ids=str)
def test_every_route_answers_a_preflight_without_a_key(route, server, agent):
    path = route.template.format(**dict.fromkeys(route.parameters, str(agent.pk)))
    headers = {"Origin": SITE, "Access-Control-Request-Method": route.methods[0]}
    client = Client(server)
    response = client.call("OPTIONS", path, headers=headers)
    client.session.close()
    assert (response.status_code, response.content, response.headers[ALLOW]) == (204, b"", SITE)
    assert set(route.methods) <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert "authorization" in response.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", [SITE, "https://a.shops.example"])
def test_listed_page_may_read_answers_streams_and_errors(listed, origin):
    for response in (
        ask(listed, origin),
        listed.call(
            "POST", f"/api/v1/agents/{listed.agent_id}/chat", json={"message": "Hi"}, headers={"Origin": origin}
        ),
        listed.call("POST", f"/api/v1/agents/{listed.agent_id}/chat", json={}, headers={"Origin": origin}),
    ):
        assert response.headers[ALLOW] == origin
        assert "Origin" in response.headers["Vary"]
        assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://shop.example", f"{SITE}.evil.example", "https://shops.example", "x"]
)
def test_page_that_is_not_listed_is_refused(listed, origin):
    response = ask(listed, origin)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert ALLOW not in response.headers


def test_program_sends_no_origin_and_is_let_in(listed):
    response = ask(listed, "")
    assert response.status_code == 200
    assert ALLOW not in response.headers


def test_key_without_a_list_tells_browsers_nothing(server, agent):
    client, _ = make_key_client(server, agent)
    response = ask(client, SITE)
    client.session.close()
    assert response.status_code == 200
    assert ALLOW not in response.headers


def test_forged_key_tells_browsers_nothing(server):
    client = Client(server, headers={"X-API-Key": "gilo_" + "0" * 36})
    response = ask(client, SITE)
    client.session.close()
    assert response.status_code == 401
    assert ALLOW not in response.headers


def test_visitor_comes_from_our_frame_or_a_listed_page(visitor):
    assert ask(visitor, visitor.url).status_code == 200
    assert ask(visitor, SITE).headers[ALLOW] == SITE
    assert ask(visitor, EVIL).json()["error"]["code"] == "origin_not_allowed"


async def close_of(url, **options):
    """The code of the error frame and of the close."""
    async with websockets.connect(url, **options) as socket:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 10))
        try:
            await asyncio.wait_for(socket.recv(), 10)
        except ConnectionClosed:
            return frame["data"]["error"]["code"], socket.close_code


def socket_of(client):
    return f"{client.url.replace('http', 'ws')}/ws/agents/{client.agent_id}/chat"


async def say_hello(socket):
    await socket.send(json.dumps({"message": "SAY: Hello"}))
    frames = [{"event": ""}]
    while frames[-1]["event"] not in {"run.finished", "error"}:
        frames.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
    return frames[-1]


async def test_socket_of_a_page_that_is_not_listed_closes_4403(listed):
    headers = {**listed.headers, "Origin": EVIL}
    assert await close_of(socket_of(listed), additional_headers=headers) == ("origin_not_allowed", 4403)
    async with websockets.connect(socket_of(listed), additional_headers={**listed.headers, "Origin": SITE}) as socket:
        assert (await say_hello(socket))["event"] == "run.finished"


async def test_socket_of_a_visitor_carries_the_visitors_name_and_channel(visitor, agent):
    async with websockets.connect(socket_of(visitor), additional_headers={"Origin": visitor.url}) as socket:
        await socket.send(json.dumps({"authenticate": visitor.headers["Authorization"].split()[1]}))
        await socket.send(json.dumps({"message": "SAY: Hi", "user": "user:42"}))
        while json.loads(await asyncio.wait_for(socket.recv(), 10))["event"] != "run.finished":
            pass
    conversation = await Conversation.objects.aget()
    assert conversation.channel == "widget"
    assert conversation.end_user.startswith("visitor:")


async def test_socket_that_asks_for_the_token_protocol_ignores_the_session(visitor):
    headers = {"Origin": visitor.url, "Cookie": "sessionid=of-somebody-who-signed-in-here"}
    options = {"additional_headers": headers, "subprotocols": ["gilo-token"]}
    async with websockets.connect(socket_of(visitor), **options) as socket:
        assert socket.subprotocol == "gilo-token"
        await socket.send(json.dumps({"authenticate": visitor.headers["Authorization"].split()[1]}))
        assert (await say_hello(socket))["data"]["content"] == "Hello"


@pytest.mark.parametrize("change", ["expired", "switched off", "origins"])
async def test_open_socket_closes_when_its_access_ends(server, agent, listed, change):
    @sync_to_async
    def end():
        key = ApiKey.objects.get()
        if change == "expired":
            services.rotate_api_key(key=key, actor=None, overlap=timedelta(0))
        elif change == "switched off":
            update_deployment(agent=agent, actor=None, is_serving=False)
        else:
            services.update_api_key(key=key, changes={"allowed_origins": ["https://other.example"]})

    async with websockets.connect(socket_of(listed), additional_headers={**listed.headers, "Origin": SITE}) as socket:
        await say_hello(socket)
        await end()
        if change == "origins":  # asked again at the next frame
            assert (await say_hello(socket))["data"]["error"]["code"] == "origin_not_allowed"
        with pytest.raises(ConnectionClosed):
            while True:
                await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code == (4403 if change == "origins" else 4401)


async def test_socket_checks_a_cancel_as_it_does_a_message(listed):
    async with websockets.connect(socket_of(listed), additional_headers=listed.headers) as socket:
        end = await say_hello(socket)
        await ApiKey.objects.aupdate(scopes=["knowledge"])
        await sync_to_async(services.forget_keys)()
        await socket.send(json.dumps({"cancel": end["data"].get("run_id", "x")}))
        assert json.loads(await asyncio.wait_for(socket.recv(), 10))["data"]["error"]["code"] == "scope_missing"
