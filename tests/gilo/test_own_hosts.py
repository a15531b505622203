"""An agent's own host, at every door: its page and what that needs, and nothing else of the product."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
import websockets
from asgiref.sync import async_to_sync
from django.test import Client as Browser

from agents.deployment import update_deployment
from agents.models import Agent
from chat.routing import http_routes
from integrations.hosted import is_shut
from tests.factories import make_agent, make_key, make_workspace
from tests.live import LiveServer
from tests.test_tenancy import without_request_id

pytestmark = pytest.mark.django_db(transaction=True)
DOMAIN = "agents.example.com"
ID = str(uuid4())


@pytest.fixture
def live(settings: Any) -> Iterator[str]:
    settings.HOSTED_DOMAIN = DOMAIN
    settings.ALLOWED_HOSTS = [f".{DOMAIN}", "127.0.0.1"]
    with LiveServer() as server:
        yield server.url


@pytest.fixture
def agent() -> Agent:
    agent = make_agent(make_workspace()[0], knowledge_enabled=False)
    update_deployment(agent=agent, actor=None, hosted_enabled=True)
    return agent


def host_of(agent: Agent) -> dict[str, str]:
    return {"Host": f"{agent.slug}.{DOMAIN}"}


def sign_in(agent: Agent) -> dict[str, str]:
    """What a member's browser sends along."""
    browser = Browser()
    browser.force_login(agent.workspace.memberships.get().user)
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())}


@pytest.mark.parametrize("suffix", ["", ".", ":8000"])
def test_raw_routes_are_shut_there_as_all_others_are(live: str, agent: Agent, suffix: str) -> None:
    at_host = {"Host": host_of(agent)["Host"] + suffix}
    key = {"Authorization": f"Bearer {make_key(agent)}"}
    asked = [
        ("POST", f"/api/agents/{agent.pk}/chat", sign_in(agent)), ("GET", f"/api/runs/{ID}/events", sign_in(agent)),
        ("POST", f"/api/runs/{ID}/cancel", sign_in(agent)), ("POST", "/api/v1/chat/completions", key),
        ("POST", "/api/v1/responses", key), ("GET", "/api/v1/models", key), ("GET", f"/api/v1/agents/{ID}/mcp", key),
        ("GET", f"/api/v1/agents/{agent.pk}/a2a/.well-known/agent-card.json", key),
        ("POST", "/api/v1/knowledge/search", key),
    ]  # fmt: skip
    missing = requests.get(f"{live}/api/agents", headers=at_host, timeout=30)
    assert missing.status_code == 404
    for method, path, headers in asked:
        answer = requests.request(method, live + path, headers={**at_host, **headers}, timeout=30)
        assert without_request_id(answer) == without_request_id(missing), path
    assert requests.get(f"{live}//api/v1/models", headers={**at_host, **key}, timeout=30).status_code == 404


def test_sockets_are_shut_there(live: str, agent: Agent) -> None:
    address = f"ws://{host_of(agent)['Host']}/ws/agents/{agent.pk}/chat"
    headers = {"Authorization": f"Bearer {make_key(agent)}"}
    port = int(live.rpartition(":")[2])

    async def knock() -> tuple[str, int | None]:
        async with websockets.connect(address, host="127.0.0.1", port=port, additional_headers=headers) as socket:
            frame = json.loads(await socket.recv())
            await socket.wait_closed()
            return frame["data"]["error"]["code"], socket.close_code

    assert async_to_sync(knock)() == ("not_found", 4404)


def test_page_and_its_visitors_chat_work_there(live: str, agent: Agent) -> None:
    at_host = {**host_of(agent), "Origin": f"http://{host_of(agent)['Host']}"}
    page = requests.get(f"{live}/", headers=at_host, timeout=30)
    assert page.status_code == 200
    files = re.findall(r'(?:href|src)="(/[^"]+)"', page.text)
    assert files
    for path in files:
        assert not is_shut(at_host["Host"], path), path
    key = re.search(r'"key": "([0-9a-f-]{36})"', page.text)
    assert key
    opened = requests.post(f"{live}/api/v1/visitor-sessions", json={"key": key[1]}, headers=at_host, timeout=30)
    assert opened.status_code == 201, opened.text
    headers = {**at_host, "Authorization": f"Bearer {opened.json()['token']}"}
    told = requests.post(
        f"{live}/api/v1/agents/{agent.pk}/chat", json={"message": "Hello", "stream": False}, headers=headers, timeout=30
    )
    assert told.status_code == 200, told.text
    run, conversation, message = (told.json()[name] for name in ("run_id", "conversation_id", "id"))
    base = f"{live}/api/v1"
    for method, path, body in [
        ("GET", f"runs/{run}/events", None), ("POST", f"runs/{run}/cancel", None), ("GET", "agent", None),
        ("GET", "conversations", None), ("GET", f"conversations/{conversation}/messages", None),
        ("POST", f"messages/{message}/feedback", {"value": 1}),
    ]:  # fmt: skip
        answer = requests.request(method, f"{base}/{path}", json=body, headers=headers, timeout=30)
        assert answer.status_code < 300, (path, answer.text)


def test_each_raw_route_is_open_there_if_visitors_sessions_open_it(settings: Any) -> None:
    settings.HOSTED_DOMAIN = DOMAIN
    for route in http_routes:
        path = "/" + re.sub(r"\(\?P<\w+>[^)]*\)", ID, str(route.pattern).strip("^$")).replace("\\", "")
        for_visitors = getattr(route.callback, "opens_to_visitors", False)
        assert is_shut(f"guide.{DOMAIN}", path) is not for_visitors, path
