"""A2A 1.0, asked by the official SDK's client over real HTTP."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.errors import A2AClientError
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskState,
)
from a2a.utils.errors import (
    ContentTypeNotSupportedError,
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict

from agents import services
from chat.models import Channel, Conversation, Run
from core.async_db import run_in_thread
from tests.chat.conftest import make_client
from tests.factories import make_agent, make_workspace
from tests.processes import wait_until


def address(client) -> str:
    return f"{client.url}/api/v1/agents/{client.agent_id}/a2a"


@pytest.fixture
def server(server, settings):
    settings.SITE_URL = server  # the card names it
    return server


@contextlib.asynccontextmanager
async def connected(client, *, streaming: bool = False) -> AsyncIterator[Any]:
    """The official client, made from the agent's card."""
    async with httpx.AsyncClient(headers=client.headers, timeout=20) as http:
        card = await A2ACardResolver(http, address(client)).get_agent_card()
        yield ClientFactory(ClientConfig(httpx_client=http, streaming=streaming)).create(card)


def message(text: str, **fields: Any) -> SendMessageRequest:
    configuration = fields.pop("configuration", None)
    sent = Message(message_id=str(uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)], **fields)
    return SendMessageRequest(message=sent, configuration=configuration)


async def send(session: Any, text: str, **fields: Any) -> Any:
    """The task that a message ends in."""
    (answer,) = [event async for event in session.send_message(message(text, **fields))]
    return answer.task


def call(client, method: str, params: object = None, **headers: str) -> requests.Response:
    """One call by hand."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
    return requests.post(
        address(client), json=body, headers={"A2A-Version": "1.0", **client.headers, **headers}, timeout=20
    )


# --- the card ---------------------------------------------------------------------------------------------------------
async def test_card_tells_what_the_agent_is(server, client_with_key, agent):
    await run_in_thread(lambda: services.update_agent(agent=agent, description="Knows the harbour."))
    async with httpx.AsyncClient(headers=client_with_key.headers) as http:
        card = await A2ACardResolver(http, address(client_with_key)).get_agent_card()
    assert (card.name, card.description, card.version) == ("Guide", "Knows the harbour.", "1")
    (interface,) = card.supported_interfaces
    assert (interface.url, interface.protocol_binding, interface.protocol_version) == (
        address(client_with_key), "JSONRPC", "1.0",
    )  # fmt: skip
    assert card.capabilities.streaming
    assert not card.capabilities.push_notifications
    assert card.security_schemes["apiKey"].http_auth_security_scheme.scheme == "Bearer"
    assert [skill.id for skill in card.skills] == ["ask"]


def test_card_is_public_once_the_agent_is_deployed_and_only_while_it_is_switched_on(client_with_key, agent):
    card = f"{address(client_with_key)}/.well-known/agent-card.json"
    missing = card.replace(str(agent.pk), str(uuid4()))

    def refusal(url):
        response = requests.get(url, headers={"X-Request-Id": "same-request"}, timeout=20)
        return response.status_code, response.content

    assert refusal(card) == refusal(missing)
    assert refusal(card)[0] == 401
    services.deploy_agent(agent=agent)
    public = requests.get(card, timeout=20)
    assert public.status_code == 200
    assert "instructions" not in public.text
    agent.refresh_from_db()
    agent.is_serving = False
    agent.save()
    assert refusal(card) == refusal(missing)


def test_card_of_another_agent_is_404(client_with_key):
    client_with_key.agent_id = str(make_agent(make_workspace()[0]).pk)
    response = requests.get(
        f"{address(client_with_key)}/.well-known/agent-card.json", headers=client_with_key.headers, timeout=20
    )
    assert response.status_code == 404


# --- tasks ------------------------------------------------------------------------------------------------------------
async def test_message_is_answered_by_a_completed_task(client_with_key, fake_model):
    async with connected(client_with_key) as session:
        first = await send(session, "SAY: One")
        second = await send(session, "SAY: Two", context_id=first.context_id)
    assert first.status.state == TaskState.TASK_STATE_COMPLETED
    (artifact,) = first.artifacts
    assert (artifact.artifact_id, artifact.parts[0].text) == ("answer", "One")
    assert second.context_id == first.context_id
    assert second.id != first.id
    assert [one["content"] for one in fake_model.chats[1]["messages"]][1:] == ["SAY: One", "One", "SAY: Two"]
    run = await run_in_thread(lambda: Run.objects.select_related("conversation").latest("id"))
    assert (str(run.pk), str(run.conversation_id)) == (second.id, second.context_id)
    assert run.conversation.channel == Channel.A2A


async def test_parts_of_a_message_are_one_text(client_with_key, fake_model):
    request = message("Hello")
    request.message.parts.append(Part(text="SAY: Hi"))
    async with connected(client_with_key) as session:
        async for _ in session.send_message(request):
            pass
    assert fake_model.chats[0]["messages"][-1]["content"] == "Hello\nSAY: Hi"


async def test_stream_tells_task_pieces_and_end(client_with_key):
    async with connected(client_with_key, streaming=True) as session:
        events = [event async for event in session.send_message(message("WORDS:20 DELAY:20"))]
    assert events[0].task.status.state == TaskState.TASK_STATE_WORKING
    pieces = [event.artifact_update for event in events if event.HasField("artifact_update")]
    assert len(pieces) > 1
    assert [piece.append for piece in pieces] == [False] + [True] * (len(pieces) - 1)
    assert "".join(piece.artifact.parts[0].text for piece in pieces) == "".join(f"word{n} " for n in range(20))
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    assert {piece.task_id for piece in pieces} == {events[0].task.id} == {events[-1].status_update.task_id}


async def test_task_can_be_asked_for_with_its_conversation(client_with_key):
    async with connected(client_with_key) as session:
        sent = await send(session, "SAY: One")
        plain = await session.get_task(GetTaskRequest(id=sent.id))
        told = await session.get_task(GetTaskRequest(id=sent.id, history_length=5))
        newest = await session.get_task(GetTaskRequest(id=sent.id, history_length=1))
    assert (plain.status.state, plain.artifacts[0].parts[0].text) == (TaskState.TASK_STATE_COMPLETED, "One")
    assert len(plain.history) == 0
    run = await run_in_thread(lambda: Run.objects.get(pk=sent.id))
    assert plain.status.timestamp.ToDatetime(UTC) == run.finished_at, "when it came to be so, not when one asks"
    assert [(one.role, one.parts[0].text) for one in told.history] == [
        (Role.ROLE_USER, "SAY: One"), (Role.ROLE_AGENT, "One"),
    ]  # fmt: skip
    assert [one.parts[0].text for one in newest.history] == ["One"]


async def test_tasks_are_listed_newest_first_and_in_pages(client_with_key, server, agent):
    async with connected(client_with_key) as session:
        first = await send(session, "SAY: One")
        second = await send(session, "SAY: Two", context_id=first.context_id)
        third = await send(session, "FAULT:400")
        page = await session.list_tasks(ListTasksRequest(page_size=2))
        rest = await session.list_tasks(ListTasksRequest(page_size=2, page_token=page.next_page_token))
        of_one = await session.list_tasks(ListTasksRequest(context_id=first.context_id, include_artifacts=True))
        failed = await session.list_tasks(ListTasksRequest(status=TaskState.TASK_STATE_FAILED))
        with pytest.raises(InvalidParamsError, match="page token"):
            await session.list_tasks(ListTasksRequest(page_token="x"))
    assert [task.id for task in (*page.tasks, *rest.tasks)] == [third.id, second.id, first.id]
    assert (page.total_size, rest.total_size, rest.next_page_token) == (3, 3, "")
    assert not any(task.artifacts for task in page.tasks)
    assert [task.artifacts[0].parts[0].text for task in of_one.tasks] == ["Two", "One"]
    assert [task.id for task in failed.tasks] == [third.id]
    async with connected(await run_in_thread(make_client, server, agent)) as session:
        assert (await session.list_tasks(ListTasksRequest())).total_size == 0


async def test_task_that_is_not_waited_for_is_joined_and_followed_to_its_end(client_with_key):
    async with connected(client_with_key, streaming=True) as session:
        working = await begin(client_with_key, "WORDS:150 DELAY:20")
        await run_in_thread(wait_until, lambda: Run.objects.get().answer.content, 5, "the first text")
        events = [event async for event in session.subscribe(SubscribeToTaskRequest(id=working.id))]
        with pytest.raises(UnsupportedOperationError):
            async for _ in session.subscribe(SubscribeToTaskRequest(id=working.id)):
                pass
    begun = events[0].task
    assert begun.status.state == working.status.state == TaskState.TASK_STATE_WORKING
    rest = [event.artifact_update for event in events if event.HasField("artifact_update")]
    assert all(piece.append for piece in rest)
    text = begun.artifacts[0].parts[0].text + "".join(piece.artifact.parts[0].text for piece in rest)
    assert text == "".join(f"word{n} " for n in range(150))
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def begin(client, text: str) -> Any:
    """A task that goes on by itself."""
    async with connected(client) as session:
        return await send(session, text, configuration=SendMessageConfiguration(return_immediately=True))


async def test_cancelled_task_keeps_what_was_written(client_with_key, fake_model):
    working = await begin(client_with_key, "WORDS:900 DELAY:20")
    await run_in_thread(wait_until, lambda: Run.objects.get().answer.content, 5, "the first text")
    async with connected(client_with_key) as session:
        cancelled = await session.cancel_task(CancelTaskRequest(id=working.id))
        assert cancelled.status.state == TaskState.TASK_STATE_CANCELED
        assert cancelled.artifacts[0].parts[0].text.startswith("word0 ")
        with pytest.raises(TaskNotCancelableError):
            await session.cancel_task(CancelTaskRequest(id=working.id))
    await run_in_thread(wait_until, lambda: fake_model.aborted == 1, 5, "the end of the model call")


async def test_failed_task_says_why(client_with_key):
    async with connected(client_with_key) as session:
        task = await send(session, "FAULT:400")
    async with connected(client_with_key, streaming=True) as session:
        events = [event async for event in session.send_message(message("FAULT:400"))]
    end = events[-1].status_update.status
    assert task.status.state == end.state == TaskState.TASK_STATE_FAILED
    assert task.status.message.parts[0].text == end.message.parts[0].text != ""


async def test_half_an_answer_is_a_failed_task_that_keeps_it(client_with_key):
    async with connected(client_with_key) as session:
        task = await send(session, "FAULT:drop WORDS:20")
    assert task.status.state == TaskState.TASK_STATE_FAILED
    assert task.artifacts[0].parts[0].text.startswith("word0")


async def test_revoked_key_ends_the_stream_in_words(client_with_key, agent):
    async with connected(client_with_key, streaming=True) as session:
        events = []
        async for event in session.send_message(message("WORDS:900 DELAY:20")):
            if not events:
                await run_in_thread(lambda: services.revoke_api_key(key=agent.api_keys.get()))
            events.append(event)
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_FAILED
    assert "access ended" in events[-1].status_update.status.message.parts[0].text


# --- what is refused --------------------------------------------------------------------------------------------------
async def test_unknown_task_and_another_keys_task_are_not_found(client_with_key, server, agent):
    async with connected(client_with_key) as session:
        mine = await send(session, "SAY: One")
    other = await run_in_thread(make_client, server, agent)
    async with connected(other) as session:
        for task_id in (mine.id, str(uuid4()), "x", ""):
            with pytest.raises(TaskNotFoundError):
                await session.get_task(GetTaskRequest(id=task_id))
            with pytest.raises(TaskNotFoundError):
                await session.cancel_task(CancelTaskRequest(id=task_id))
        with pytest.raises(InvalidParamsError, match="no such context"):
            await send(session, "Hi", context_id=mine.context_id)
        with pytest.raises(TaskNotFoundError):
            await send(session, "Hi", task_id=mine.id)


async def test_second_message_to_a_task_is_refused(client_with_key):
    async with connected(client_with_key) as session:
        task = await send(session, "SAY: One")
        with pytest.raises(UnsupportedOperationError, match="without its id"):
            await send(session, "More", task_id=task.id, context_id=task.context_id)


async def test_what_is_not_text_is_refused(client_with_key):
    request = message("Look")
    request.message.parts.append(Part(raw=b"\x89PNG", media_type="image/png"))
    async with connected(client_with_key) as session:
        with pytest.raises(ContentTypeNotSupportedError):
            async for _ in session.send_message(request):
                pass
        with pytest.raises(ContentTypeNotSupportedError):
            await send(session, "Hi", configuration=SendMessageConfiguration(accepted_output_modes=["image/png"]))


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -32602),
        ({"message": []}, -32602),
        ({"message": {"role": "ROLE_USER", "parts": []}}, -32602),
        ({"message": {"role": "ROLE_USER", "parts": ["x"]}}, -32602),
        ({"message": {"role": "ROLE_USER", "parts": [{"text": 1}]}}, -32602),
        ({"message": {"role": "ROLE_AGENT", "parts": [{"text": "x"}]}}, -32602),
        ({"message": {"role": "ROLE_USER", "parts": [{"text": "x" * 100_001}]}}, -32602),
        ({"message": {"role": "ROLE_USER", "parts": [{"text": "x"}], "contextId": 3}}, -32602),
        ({"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}, "configuration": {"historyLength": -1}}, -32602),
    ],
)
def test_message_that_cannot_be_read_is_an_invalid_parameter(client_with_key, params, code):
    for method in ("SendMessage", "SendStreamingMessage"):
        response = call(client_with_key, method, params)
        body = response.json()
        assert (response.status_code, body["id"], body["error"]["code"]) == (200, 7, code)
        assert body["error"]["data"][0]["metadata"]["requestId"] == response.headers["X-Request-Id"]
    assert Conversation.objects.count() == 0


def test_methods_that_are_not_there_say_so(client_with_key):
    codes = {
        "message/send": -32601,
        "CreateTaskPushNotificationConfig": -32003,
        "GetExtendedAgentCard": -32007,
    }
    for method, code in codes.items():
        assert call(client_with_key, method).json()["error"]["code"] == code, method
    push = {"taskPushNotificationConfig": {"url": "https://example.com/"}}
    sent = {"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}, "configuration": push}
    assert call(client_with_key, "SendMessage", sent).json()["error"]["code"] == -32003


def test_another_version_of_the_protocol_is_refused(client_with_key):
    for version, code in (("", -32009), ("0.3", -32009), ("1.0", -32001), ("1.1", -32001)):
        assert call(client_with_key, "GetTask", {"id": "x"}, **{"A2A-Version": version}).json()["error"]["code"] == code


def test_key_without_the_scope_is_403(client_with_key, agent):
    _, key = services.create_api_key(agent=agent, actor=None, name="k", scopes=["knowledge"])
    client_with_key.headers = {"Authorization": f"Bearer {key}"}
    sent = {"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}}
    response = call(client_with_key, "SendMessage", sent)
    assert (response.status_code, response.json()["error"]["data"]["code"]) == (403, "scope_missing")


def test_wrong_key_another_agent_and_a_foreign_page_are_refused(client_with_key):
    theirs = str(make_agent(make_workspace()[0]).pk)
    assert call(client_with_key, "GetTask", Origin="https://evil.example").status_code == 403
    mine, client_with_key.agent_id = client_with_key.agent_id, theirs
    assert call(client_with_key, "GetTask").status_code == 404
    client_with_key.agent_id, client_with_key.headers = mine, {"Authorization": "Bearer gilo_wrong"}
    response = call(client_with_key, "GetTask")
    assert (response.status_code, response.json()["error"]["data"]["code"]) == (401, "not_authenticated")


async def test_official_client_with_a_wrong_key_hears_of_it(client_with_key, agent):
    await run_in_thread(lambda: services.deploy_agent(agent=agent))  # the card is public, the agent is not
    client_with_key.headers = {"Authorization": "Bearer gilo_wrong"}
    async with connected(client_with_key) as session:
        with pytest.raises(A2AClientError, match="401"):
            await send(session, "Hi")


def test_idempotency_key_gives_the_same_task(client_with_key):
    sent = {"message": {"role": "ROLE_USER", "parts": [{"text": "SAY: One"}]}}
    tasks = [
        call(client_with_key, "SendMessage", sent, **{"Idempotency-Key": "once"}).json()["result"]["task"]
        for _ in range(2)
    ]
    assert tasks[0]["id"] == tasks[1]["id"]
    assert Run.objects.count() == 1


async def test_sources_are_an_artifact_of_data(client_with_key, agent):
    async with connected(client_with_key) as session:
        task = await send(session, "SAY: One [1]")
        run = await run_in_thread(lambda: Run.objects.select_related("answer").get())
        run.answer.citations = [{"index": 1, "filename": "guide.md"}]
        await run_in_thread(run.answer.save)
        answer, sources = (await session.get_task(GetTaskRequest(id=task.id))).artifacts
    assert answer.artifact_id == "answer"
    assert MessageToDict(sources.parts[0].data) == {"citations": [{"index": 1.0, "filename": "guide.md"}]}
