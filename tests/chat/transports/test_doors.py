import uuid

import pytest
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from accounts.models import Membership, Role, User
from agents.services import save_config
from chat.models import Conversation
from tests.chat.serving import Client, read_events
from tests.factories import make_agent, make_user, make_workspace


def sign_in(server: str, workspace, user: User) -> Client:
    """A member's browser session, as the page's script uses it."""
    browser = Browser()
    browser.force_login(user)
    session_id = browser.cookies["sessionid"].value
    headers = {
        "Cookie": f"sessionid={session_id}; csrftoken={'t' * 32}",
        "X-CSRFToken": "t" * 32,
        "X-Workspace-Id": str(workspace.pk),
    }
    return Client(server, headers=headers, prefix="/api")


@pytest.fixture
def member(server):
    workspace, user = make_workspace()
    client = sign_in(server, workspace, user)
    client.agent_id = str(make_agent(workspace, knowledge_enabled=False).pk)
    yield client, workspace, user
    client.session.close()


def test_member_chats_with_the_draft_in_the_playground(member, fake_model):
    client, workspace, user = member
    first = client.ask("SAY: One")
    agent = workspace.agents.get()
    save_config(agent=agent, actor=user, changes={"instructions": "Changed."}, expected_version=None)
    client.ask("SAY: Two", conversation_id=first["conversation_id"])
    assert fake_model.chats[1]["messages"][0]["content"] == "Changed."
    conversation = Conversation.objects.get()
    assert (conversation.channel, conversation.user) == ("playground", user)


def test_member_reloads_in_mid_stream_in_two_tabs(member):
    client, _, _ = member
    with client.streaming("WORDS:40 DELAY:20") as events:
        started = next(events).data
    page = client.call("GET", f"/api/conversations/{started['conversation_id']}/messages").json()["data"]
    assert (page[1]["status"], page[1]["run"]["id"]) == ("streaming", started["run_id"])
    whole = "".join(f"word{number} " for number in range(40))
    for _tab in range(2):
        assert client.events(started["run_id"])[-1].data["content"] == whole
    page = client.call("GET", f"/api/conversations/{started['conversation_id']}/messages").json()["data"]
    assert (page[1]["status"], page[1]["content"]) == ("complete", whole)


def test_member_streams_on_two_devices_at_once(member, server, monkeypatch):
    """Each device has a session of its own: the access check must know both."""
    monkeypatch.setattr("chat.upkeep.ACCESS_SECONDS", 0.1)
    client, workspace, user = member
    other = sign_in(server, workspace, user)
    other.agent_id = client.agent_id
    with client.streaming("WORDS:150 DELAY:20") as here, other.streaming("WORDS:150 DELAY:20") as there:
        assert [list(events)[-1].name for events in (here, there)] == ["run.finished", "run.finished"]
    other.session.close()


def test_member_without_the_csrf_token_is_refused(member):
    client, _, _ = member
    del client.headers["X-CSRFToken"]
    assert client.post_chat().status_code == 403
    assert Conversation.objects.count() == 0


@pytest.mark.parametrize("path", ["/api/agents/{agent}/chat", "/api/runs/{run}/cancel"])
def test_nobody_is_401(server, path, member):
    nobody = Client(server)
    response = nobody.call("POST", path.format(agent=member[0].agent_id, run=uuid.uuid4()), json={"message": "Hi"})
    assert response.status_code == 401
    assert nobody.call("GET", f"/api/runs/{uuid.uuid4()}/events").status_code == 401
    nobody.session.close()


def test_api_key_does_not_open_the_members_doors(client_with_key):
    client_with_key.prefix = "/api"
    assert client_with_key.post_chat().status_code == 401


def test_members_foreign_ids_are_missing(member, server):
    client, workspace, _ = member
    mine = client.ask()
    client.agent_id, own = str(make_agent(make_workspace()[0]).pk), client.agent_id
    assert client.post_chat().status_code == 404
    colleague = make_user()
    Membership.objects.create(workspace=workspace, user=colleague, role=Role.EDITOR)
    other = sign_in(server, workspace, colleague)
    other.agent_id = own
    assert other.ask()["status"] == "complete"
    assert other.post_chat(conversation_id=mine["conversation_id"]).status_code == 404
    assert other.call("GET", f"/api/runs/{mine['run_id']}/events").status_code == 404
    assert other.cancel(mine["run_id"]).status_code == 404
    other.session.close()


def test_who_follows_anothers_run_is_cut_off_alone(member, server):
    """One account on two devices: the run belongs to the one, the other only reads it."""
    client, workspace, user = member
    other = sign_in(server, workspace, user)
    with client.streaming("WORDS:900 DELAY:20") as events:
        run = next(events).data["run_id"]
        with other.call("GET", f"/api/runs/{run}/events", stream=True) as response:
            followed = read_events(response)
            next(followed)
            Session.objects.filter(session_key=other.headers["Cookie"][len("sessionid=") :].partition(";")[0]).delete()
            last = list(followed)[-1]
        client.cancel(run)
        assert list(events)[-1].name == "run.finished"
    assert (last.name, last.data["error"]["code"]) == ("error", "access_ended")
    other.session.close()


@pytest.mark.parametrize("end", ["suspended", "removed", "signed out", "password changed"])
def test_member_who_loses_access_in_mid_stream_is_cut_off(member, end):
    client, workspace, user = member
    with client.streaming("WORDS:600 DELAY:20") as events:
        next(events)
        if end == "suspended":
            User.objects.filter(pk=user.pk).update(is_active=False)
        elif end == "removed":
            Membership.objects.filter(user=user, workspace=workspace).delete()
        elif end == "password changed":
            user.set_password("quite-another-one-7")
            user.save()
        else:
            Session.objects.all().delete()
        last = list(events)[-1]
    assert (last.name, last.data["error"]["code"]) == ("error", "access_ended")
