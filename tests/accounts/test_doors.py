"""The raw ASGI door with real sessions and tokens, on the event loop."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.doors import authenticate_scope, check_still_allowed
from accounts.errors import CrossSiteRefused
from accounts.models import Membership, Role, User, Workspace
from core.async_db import close_pool
from core.errors import NotFound
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "testserver"


@pytest.fixture(autouse=True)
async def pool_of_this_loop():
    yield
    await close_pool()


def make_scope(kind="http", method="GET", **headers):
    pairs = [(b"host", HOST.encode())]
    pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": "/api/agents/x/chat", "query_string": b"", "headers": pairs, "scheme": "http"}
    return {**scope, "method": method} if kind == "http" else scope


@pytest.fixture
def cookies(user):
    """A browser's cookies after a real sign-in, and its CSRF token."""
    client = Client()
    client.get("/login")
    assert client.post("/login", {"login": user.email, "password": PASSWORD}).status_code == 302
    jar = {name: morsel.value for name, morsel in client.cookies.items()}
    return "; ".join(f"{name}={value}" for name, value in jar.items()), jar["csrftoken"]


async def test_bearer_names_member(user, tokens):
    principal = await authenticate_scope(make_scope(method="POST", authorization=f"Bearer {tokens['access']}"))
    assert (principal.user_id, principal.role) == (user.pk, Role.OWNER)
    assert await check_still_allowed([principal]) == [True]


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "Bearer gilo_abc"])
async def test_bearer_invalid_is_nobody(value, db):
    assert await authenticate_scope(make_scope(authorization=value)) is None


async def test_refresh_token_does_not_open(tokens):
    assert await authenticate_scope(make_scope(authorization=f"Bearer {tokens['refresh']}")) is None


async def test_cookie_reads_without_and_writes_with_csrf_token(user, cookies):
    cookie, token = cookies
    assert (await authenticate_scope(make_scope(cookie=cookie))).user_id == user.pk
    with pytest.raises(CrossSiteRefused):
        await authenticate_scope(make_scope(method="POST", cookie=cookie))
    allowed = await authenticate_scope(make_scope(method="POST", cookie=cookie, x_csrftoken=token))
    assert allowed.user_id == user.pk


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://evil@x"])
async def test_cookie_from_foreign_origin_is_refused(cookies, origin):
    cookie, token = cookies
    with pytest.raises(CrossSiteRefused):
        await authenticate_scope(make_scope(method="POST", cookie=cookie, x_csrftoken=token, origin=origin))
    with pytest.raises(CrossSiteRefused):
        await authenticate_scope(make_scope("websocket", cookie=cookie, origin=origin))


async def test_websocket_needs_own_origin(user, cookies):
    cookie, _ = cookies
    with pytest.raises(CrossSiteRefused):
        await authenticate_scope(make_scope("websocket", cookie=cookie))
    principal = await authenticate_scope(make_scope("websocket", cookie=cookie, origin=f"http://{HOST}"))
    assert principal.user_id == user.pk


async def test_no_credentials_is_nobody(db):
    assert await authenticate_scope(make_scope()) is None
    for key in ("unknown", "unknownunknown", r'"\000aaaaaaaaaaaaaaa"'):
        assert await authenticate_scope(make_scope(cookie=f"sessionid={key}")) is None


async def test_workspace_header_chooses_own_and_hides_foreign(user, tokens):
    team = await Workspace.objects.acreate(name="Team")
    await Membership.objects.acreate(workspace=team, user=user, role=Role.VIEWER)
    foreign = await Workspace.objects.acreate(name="Foreign")
    bearer = f"Bearer {tokens['access']}"
    chosen = await authenticate_scope(make_scope(authorization=bearer, x_workspace_id=str(team.pk)))
    assert (chosen.workspace_id, chosen.role) == (team.pk, Role.VIEWER)
    for value in (str(foreign.pk), "nonsense", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(NotFound):
            await authenticate_scope(make_scope(authorization=bearer, x_workspace_id=value))


async def test_revoked_member_suspended_user_and_ended_session_are_out(user, tokens):
    scope = make_scope(authorization=f"Bearer {tokens['access']}")
    principal = await authenticate_scope(scope)

    await User.objects.filter(pk=user.pk).aupdate(is_active=False)
    assert await check_still_allowed([principal]) == [False]
    assert await authenticate_scope(scope) is None
    await User.objects.filter(pk=user.pk).aupdate(is_active=True)
    assert await check_still_allowed([principal]) == [True]

    membership = await Membership.objects.aget(user=user)
    await membership.adelete()
    assert await check_still_allowed([principal]) == [False]
    assert await authenticate_scope(scope) is None
    await membership.asave(force_insert=True)

    await Session.objects.aupdate(expire_date=timezone.now() - timedelta(seconds=1))
    assert await check_still_allowed([principal]) == [False]
    assert await authenticate_scope(scope) is None


async def test_password_change_ends_streams_and_tokens(user, tokens, cookies):
    bearer = make_scope(authorization=f"Bearer {tokens['access']}")
    browser = make_scope(cookie=cookies[0])
    principals = [await authenticate_scope(bearer), await authenticate_scope(browser)]
    user.set_password("quite-another-one-7")
    await sync_to_async(user.save)()
    assert await check_still_allowed(principals) == [False, False]
    assert [await authenticate_scope(scope) for scope in (bearer, browser)] == [None, None]


async def test_key_principal_lives_as_long_as_the_key(user):
    from accounts.permissions import Principal
    from core.ids import uuid7

    workspace = await Workspace.objects.aget()
    unknown = Principal(workspace_id=workspace.pk, api_key_id=uuid7(), agent_id=uuid7())
    assert await check_still_allowed([unknown]) == [False]


async def test_other_users_token_never_opens_another_session(user, tokens):
    other = await sync_to_async(services.register_user)(email="eve@example.com", password=PASSWORD)
    principal = await authenticate_scope(make_scope(authorization=f"Bearer {tokens['access']}"))
    assert principal.user_id != other.pk
