"""The MCP server, asked by the official client over real HTTP, in both eras of the protocol."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import requests
from mcp.client.client import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from agents import services
from chat.models import Channel, Conversation, Run
from core.async_db import run_in_thread
from knowledge import reading
from knowledge.models import Document
from tests.factories import make_agent, make_key, make_workspace
from tests.processes import wait_until
from tests.world import make_document

HANDSHAKE, MODERN = "2025-11-25", "2026-07-28"
INITIALIZE = {
    "protocolVersion": HANDSHAKE,
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def address(client) -> str:
    return f"{client.url}/api/v1/agents/{client.agent_id}/mcp"


@contextlib.asynccontextmanager
async def connected(client, mode: str = "legacy") -> AsyncIterator[McpClient]:
    """The official client: `legacy` shakes hands, `auto` speaks the newest version."""
    async with (
        httpx2.AsyncClient(headers=client.headers, timeout=20) as http,
        McpClient(streamable_http_client(address(client), http_client=http), mode=mode) as session,
    ):
        yield session


def post(client, method: str, params: object = None, **options: object) -> requests.Response:
    """One message by hand."""
    headers = {"Accept": "application/json, text/event-stream", **client.headers, **options.pop("headers", {})}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    return requests.post(address(client), json=body, headers=headers, timeout=20, **options)


# --- what the official client sees ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("mode", "version"), [("legacy", HANDSHAKE), ("auto", MODERN)])
async def test_server_tells_the_agents_name_and_description(client_with_key, agent, mode, version):
    await run_in_thread(lambda: services.update_agent(agent=agent, description="Knows the harbour."))
    async with connected(client_with_key, mode) as session:
        assert session.protocol_version == version
        assert (session.server_info.name, session.server_info.title) == (agent.slug, "Guide")
        assert session.server_info.version == "1"
        assert "Knows the harbour." in session.instructions


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_ask_answers_and_goes_on_in_its_conversation(client_with_key, agent, fake_model, mode):
    async with connected(client_with_key, mode) as session:
        first = await session.call_tool("ask", {"question": "SAY: One"})
        conversation = first.structured_content["conversation_id"]
        second = await session.call_tool("ask", {"question": "SAY: Two", "conversation_id": conversation})
    assert not first.is_error
    assert first.content[0].text == first.structured_content["text"] == "One"
    assert conversation in first.content[1].text
    assert second.structured_content["conversation_id"] == conversation
    assert [message["content"] for message in fake_model.chats[1]["messages"]][1:] == ["SAY: One", "One", "SAY: Two"]
    run = await run_in_thread(lambda: Run.objects.select_related("conversation").latest("id"))
    assert str(run.pk) == second.structured_content["run_id"]
    assert (run.conversation.channel, run.api_key_id) == (Channel.MCP, run.conversation.api_key_id)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_ask_tells_progress_while_it_is_answered(client_with_key, mode):
    heard: list[tuple[float, str | None]] = []

    async def hear(progress, total, message):
        heard.append((progress, message))

    async with connected(client_with_key, mode) as session:
        answer = await session.call_tool("ask", {"question": "WORDS:40 DELAY:20"}, progress_callback=hear)
    assert len(heard) > 1
    assert [place for place, _ in heard] == sorted({place for place, _ in heard})
    assert "".join(text for _, text in heard) == answer.structured_content["text"]


async def test_tools_and_resources_are_those_that_the_agent_and_the_key_open(server, client_with_key, agent):
    knowing = await run_in_thread(lambda: make_agent(agent.workspace))
    cases = {
        (): ({"ask", "search"}, True),
        ("chat",): ({"ask"}, False),
        ("knowledge",): ({"search"}, True),
        ("conversations",): (set(), False),
    }
    for scopes, (tools, has_resources) in cases.items():
        _, key = await run_in_thread(
            lambda scopes=scopes: services.create_api_key(agent=knowing, actor=None, name="k", scopes=list(scopes))
        )
        client_with_key.agent_id, client_with_key.headers = str(knowing.pk), {"Authorization": f"Bearer {key}"}
        async with connected(client_with_key) as session:
            assert {tool.name for tool in (await session.list_tools()).tools} == tools, scopes
            assert (session.server_capabilities.resources is not None) is has_resources, scopes


async def test_tool_that_the_key_does_not_open_is_unknown(client_with_key):
    async with connected(client_with_key) as session:  # the agent knows nothing, so there is nothing to search
        with pytest.raises(MCPError, match="opens no tool"):
            await session.call_tool("search", {"query": "x"})
        with pytest.raises(MCPError, match="Method not found"):
            await session.list_resources()


async def test_ask_cites_and_search_finds_the_document(reader):
    async with connected(reader, "auto") as session:
        answer = await session.call_tool("ask", {"question": "Who is the harbour master? SAY: Odile Kerr [1]"})
        found = await session.call_tool("search", {"query": "harbour master", "limit": 1})
    (citation,) = answer.structured_content["citations"]
    assert (citation["index"], citation["filename"]) == (1, "guide.md")
    assert "[1] guide.md" in answer.content[1].text
    (result,) = found.structured_content["results"]
    assert "Odile Kerr" in result["content"]
    assert result["uri"] == f"gilo://documents/{result['document_id']}"
    assert found.content[0].text.startswith("[1] guide.md\n")


async def test_search_that_finds_nothing_says_so(reader):
    await run_in_thread(lambda: Document.objects.update(status="failed"))
    async with connected(reader) as session:
        found = await session.call_tool("search", {"query": "harbour"})
        assert found.structured_content == {"results": []}
        assert (await session.list_resources()).resources == []


async def test_documents_are_resources(reader):
    async with connected(reader) as session:
        (resource,) = (await session.list_resources()).resources
        assert (resource.name, resource.mime_type) == ("guide.md", "text/plain")
        (content,) = (await session.read_resource(resource.uri)).contents
    assert "The harbour master is called Odile Kerr." in content.text


async def test_resources_come_in_pages(reader):
    agent = await run_in_thread(lambda: Document.objects.get().agent)
    for _ in range(60):
        await run_in_thread(make_document, agent)
    async with connected(reader) as session:
        first = await session.list_resources()
        second = await session.list_resources(cursor=first.next_cursor)
        with pytest.raises(MCPError, match="cursor is not valid"):
            await session.list_resources(cursor="x")
    assert (len(first.resources), len(second.resources), second.next_cursor) == (50, 11, None)
    assert len({one.uri for one in (*first.resources, *second.resources)}) == 61


async def test_resource_of_another_agent_is_not_there(reader):
    theirs = await run_in_thread(lambda: make_document(make_agent(make_workspace()[0])))
    async with connected(reader) as session:
        for uri in (f"gilo://documents/{theirs.pk}", "gilo://documents/x", "file:///etc/passwd"):
            with pytest.raises(MCPError, match="There is nothing here"):
                await session.read_resource(uri)


async def test_resource_is_cut_at_the_limit(reader, monkeypatch):
    monkeypatch.setattr(reading, "MAX_TEXT_BYTES", 80)
    async with connected(reader) as session:
        (resource,) = (await session.list_resources()).resources
        (content,) = (await session.read_resource(resource.uri)).contents
    assert len(content.text.encode()) <= 80
    assert content.text.startswith("# Harbour guide")
    assert content.text.endswith("left out.]")


# --- what goes wrong --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "`question` must be a text"),
        ({"question": "  "}, "not empty"),
        ({"question": 1}, "`question` must be a text"),
        ({"question": "x" * 100_001}, "too long"),
        ({"question": "Hi", "conversation_id": "nonsense"}, "There is nothing here"),
        ({"question": "Hi", "conversation_id": "01a1fe3b-2bea-7316-849c-459fc97e92d5"}, "There is nothing here"),
        ({"question": "Hi", "speed": 3}, "Unknown arguments: speed"),
        ({"question": "FAULT:400"}, "model"),
    ],
)
async def test_ask_that_fails_is_a_tool_error_in_words(client_with_key, arguments, words):
    async with connected(client_with_key) as session:
        result = await session.call_tool("ask", arguments)
    assert result.is_error
    assert words in result.content[0].text
    assert result.structured_content["error"]["request_id"]


def test_ask_that_is_sent_again_with_its_idempotency_key_is_one_run(client_with_key, fake_model):
    def ask(question):
        arguments = {"name": "ask", "arguments": {"question": question}}
        response = post(client_with_key, "tools/call", arguments, headers={"Idempotency-Key": "once"})
        (data,) = [line for line in response.text.splitlines() if line.startswith("data: ")]
        return json.loads(data.removeprefix("data: "))["result"]

    assert ask("SAY: One")["structuredContent"] == ask("SAY: One")["structuredContent"]
    assert (Run.objects.count(), len(fake_model.chats)) == (1, 1)
    refused = ask("SAY: Two")
    assert refused["isError"]
    assert refused["structuredContent"]["error"]["code"] == "idempotency_mismatch"


async def test_search_with_a_wrong_limit_is_a_tool_error(reader):
    async with connected(reader) as session:
        for limit in (0, 51, "5", 1.5, True):
            result = await session.call_tool("search", {"query": "gate", "limit": limit})
            assert result.is_error
            assert "from 1 to 50" in result.content[0].text


async def test_client_that_goes_leaves_the_run_to_end(client_with_key, agent):
    async with connected(client_with_key, "auto") as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await session.call_tool("ask", {"question": "WORDS:60 DELAY:20"})
    run = await run_in_thread(Run.objects.get)
    assert run.status == "streaming"
    await run_in_thread(wait_until, lambda: Run.objects.get().status == "complete", 10, "the end of the run")


async def test_revoked_key_ends_the_answer_in_words(client_with_key, agent):
    async with connected(client_with_key) as session:
        asking = asyncio.ensure_future(session.call_tool("ask", {"question": "WORDS:900 DELAY:20"}))
        await run_in_thread(wait_until, Conversation.objects.exists, 5, "the run")
        await run_in_thread(lambda: services.revoke_api_key(key=agent.api_keys.get()))
        result = await asyncio.wait_for(asking, 6)
        assert result.is_error
        assert result.structured_content["error"]["code"] == "access_ended"
        with pytest.raises(MCPError, match="valid API key"):
            await session.list_tools()


# --- the door ---------------------------------------------------------------------------------------------------------
def refusal(response: requests.Response) -> tuple[int, str]:
    """The status and our code; the answer is a JSON-RPC error all the same."""
    body = response.json()
    assert (body["jsonrpc"], body["id"]) == ("2.0", None)
    assert body["error"]["message"] == body["error"]["data"]["message"]
    assert body["error"]["data"]["request_id"] == response.headers["X-Request-Id"]
    return response.status_code, body["error"]["data"]["code"]


def test_wrong_key_is_401(client_with_key):
    client_with_key.headers = {"Authorization": "Bearer gilo_0000000000000000000000000000000000"}
    response = post(client_with_key, "initialize", INITIALIZE)
    assert refusal(response) == (401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_another_agent_and_a_missing_one_are_404(client_with_key):
    theirs = make_agent(make_workspace()[0])
    for agent_id in (str(theirs.pk), "01a1fe3b-2bea-7316-849c-459fc97e92d5", "x"):
        client_with_key.agent_id = agent_id
        assert refusal(post(client_with_key, "initialize", INITIALIZE)) == (404, "not_found")


def test_agent_that_is_switched_off_is_403(client_with_key, agent):
    agent.is_serving = False
    agent.save()
    assert refusal(post(client_with_key, "initialize", INITIALIZE)) == (403, "agent_off")


def test_page_of_another_site_is_refused_unless_the_key_lists_it(client_with_key, agent):
    def answer_to(origin):
        return post(client_with_key, "initialize", INITIALIZE, headers={"Origin": origin})

    assert refusal(answer_to("https://evil.example")) == (403, "origin_not_allowed")
    assert refusal(answer_to("null")) == (403, "origin_not_allowed")
    assert answer_to(client_with_key.url).status_code == 200
    services.update_api_key(key=agent.api_keys.get(), changes={"allowed_origins": ["https://tool.example"]})
    assert answer_to("https://tool.example").status_code == 200
    assert refusal(answer_to("https://evil.example")) == (403, "origin_not_allowed")


def test_foreign_host_name_is_refused(client_with_key):
    response = post(client_with_key, "initialize", INITIALIZE, headers={"Host": "rebound.example"})
    assert refusal(response) == (400, "host_not_allowed")


def test_stream_of_the_servers_own_is_405(client_with_key):
    for method in ("GET", "DELETE"):
        response = client_with_key.call(method, f"/api/v1/agents/{client_with_key.agent_id}/mcp")
        assert refusal(response) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "json_invalid")),
        (b"[]", "application/json", (400, "jsonrpc_invalid")),
        (b'{"method": "ping"}', "application/json", (400, "jsonrpc_invalid")),
        (b"{}", "text/plain", (415, "type_mismatch")),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', "application/json", (422, "text_invalid")),
        (b'{"a": "' + b"x" * (2 * 1024 * 1024) + b'"}', "application/json", (413, "message_too_long")),
    ],
)
def test_body_that_is_no_message_is_refused(client_with_key, body, content_type, expected):
    headers = {"Content-Type": content_type, "Accept": "*/*"}
    path = f"/api/v1/agents/{client_with_key.agent_id}/mcp"
    assert refusal(client_with_key.call("POST", path, data=body, headers=headers)) == expected


def test_answer_carries_our_headers_and_keeps_no_session(client_with_key):
    response = post(client_with_key, "initialize", INITIALIZE)
    assert response.json()["result"]["protocolVersion"] == HANDSHAKE
    assert response.headers["X-Request-Id"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "mcp-session-id" not in response.headers


def test_call_is_a_stream_that_proxies_do_not_hold(client_with_key):
    response = post(client_with_key, "tools/call", {"name": "ask", "arguments": {"question": "SAY: Hi"}})
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"
    (data,) = [line for line in response.text.splitlines() if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: "))["result"]["structuredContent"]["text"] == "Hi"


def test_x_api_key_opens_as_well(client_with_key, agent):
    client_with_key.headers = {"X-API-Key": make_key(agent)}
    assert post(client_with_key, "tools/list").status_code == 200
