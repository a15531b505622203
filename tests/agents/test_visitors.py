"""Visitors' sessions: who a token makes somebody, and what makes nobody anybody."""

import base64
import json
import time
from dataclasses import replace
from uuid import uuid4

import jwt
import pytest
from asgiref.sync import sync_to_async

from agents import keys, visitors
from agents.errors import AgentOff, IdentityInvalid, IdentityRequired
from agents.models import Agent, ApiKey, KeyKind
from agents.visitor_tokens import VISITOR_PREFIX, read_visitor_token, write_visitor_token
from core.async_db import close_pool
from core.crypto import encrypt
from tests.factories import make_agent, make_key, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "s" * 40


@pytest.fixture(autouse=True)
async def clean_pool(monkeypatch):
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0.0)
    keys.forget_keys()
    yield
    await close_pool()


@pytest.fixture
async def identity():
    @sync_to_async
    def make():
        token = make_key(make_agent(make_workspace()[0]))
        ApiKey.objects.update(kind=KeyKind.WIDGET, identity_secret=encrypt(SECRET))
        return token

    return await keys.resolve_page_key(await make())


def sign(secret=SECRET, algorithm="HS256", **claims):
    return jwt.encode({"sub": "42", "exp": int(time.time()) + 600, **claims}, secret, algorithm=algorithm)


async def test_anonymous_visitor_gets_a_number_and_keeps_it_by_the_token(identity):
    session = visitors.open_visitor_session(identity)
    assert session.token.startswith(VISITOR_PREFIX) and not session.is_verified
    resolved = await keys.resolve_key(session.token)
    assert (resolved.key_id, resolved.end_user, resolved.channel) == (identity.key_id, session.end_user, "widget")
    again = visitors.open_visitor_session(identity, visitor=session.token)
    assert again.end_user == session.end_user
    other = visitors.open_visitor_session(identity)
    assert other.end_user != session.end_user


async def test_a_bare_name_makes_nobody_anybody(identity):
    known = visitors.open_visitor_session(identity).end_user
    for claimed in (known, known.partition(":")[2], "user:42", "42", f"{VISITOR_PREFIX}{known}", "\x00", "é"):
        assert visitors.open_visitor_session(identity, visitor=claimed).end_user not in {known, "user:42"}


async def test_token_of_another_key_or_of_a_verified_visitor_recognises_nobody(identity):
    foreign = visitors.open_visitor_session(replace(identity, key_id=uuid4()))
    assert visitors.open_visitor_session(identity, visitor=foreign.token).end_user != foreign.end_user
    verified = visitors.open_visitor_session(identity, identity_token=sign())
    assert visitors.open_visitor_session(identity, visitor=verified.token).end_user.startswith("visitor:")


async def test_signed_identity_names_the_visitor(identity):
    session = visitors.open_visitor_session(identity, identity_token=sign(sub="42"))
    assert (session.end_user, session.is_verified) == ("user:42", True)
    assert (await keys.resolve_key(session.token)).end_user == "user:42"


async def test_longest_name_fits_the_token(identity):
    session = visitors.open_visitor_session(identity, identity_token=sign(sub="漢" * 190))
    assert (await keys.resolve_key(session.token)).end_user == "user:" + "漢" * 190


def forge(header, claims, signature=b""):
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


CLAIMS = {"sub": "42", "exp": 4_000_000_000}
FORGED = {
    "another secret": lambda: sign(secret="t" * 40),
    "no signature": lambda: forge({"alg": "none", "typ": "JWT"}, CLAIMS),
    "signature cut off": lambda: sign().rpartition(".")[0] + ".",
    "another algorithm": lambda: sign(algorithm="HS512", secret=SECRET * 2),
    "RS256 header": lambda: forge({"alg": "RS256"}, CLAIMS, b"x" * 256),
    "expired": lambda: sign(exp=int(time.time()) - 120),
    "lives too long": lambda: sign(exp=int(time.time()) + 25 * 3600),
    "without exp": lambda: jwt.encode({"sub": "42"}, SECRET),
    "without sub": lambda: jwt.encode({"exp": int(time.time()) + 60}, SECRET),
    "issued tomorrow": lambda: sign(iat=int(time.time()) + 86_000),
    "not yet valid": lambda: sign(nbf=int(time.time()) + 86_000),
    "exp as text": lambda: sign(exp="tomorrow"),
    "exp without end": lambda: sign(exp=float("inf")),
    "exp no number": lambda: sign(exp=float("nan")),
    "sub as number": lambda: jwt.encode({"sub": 42, "exp": int(time.time()) + 60}, SECRET),
    "sub empty": lambda: sign(sub=""),
    "sub blank": lambda: sign(sub="  "),
    "sub too long": lambda: sign(sub="x" * 191),
    "sub with NUL": lambda: sign(sub="a\x00b"),
    "sub surrogate": lambda: sign(sub="\ud800"),
    "sub with line break": lambda: sign(sub="a\nb"),
    "too long": lambda: sign(extra="x" * 5000),
    "a bare user id": lambda: "42",
    "two dots": lambda: "..",
    "not ASCII": lambda: "é.é.é",
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_or_expired_identity_is_refused(identity, name):
    with pytest.raises(IdentityInvalid):
        visitors.open_visitor_session(identity, identity_token=FORGED[name]())


async def test_identity_without_a_secret_on_our_side_is_refused(identity):
    with pytest.raises(IdentityInvalid):
        visitors.open_visitor_session(replace(identity, identity_secret=""), identity_token=sign())


async def test_clocks_may_differ_by_a_little(identity):
    now = int(time.time())
    assert visitors.open_visitor_session(identity, identity_token=sign(iat=now + 30, exp=now - 30)).is_verified


async def test_key_that_requires_identity_lets_nobody_else_in(identity):
    anonymous = visitors.open_visitor_session(identity)
    await ApiKey.objects.aupdate(requires_identity=True)
    strict = await keys.look_up_key_id(identity.key_id)
    for identity_token in (None, ""):
        with pytest.raises(IdentityRequired):
            visitors.open_visitor_session(strict, visitor=anonymous.token, identity_token=identity_token)
    with pytest.raises(IdentityRequired):
        await keys.resolve_key(anonymous.token)
    assert visitors.open_visitor_session(strict, identity_token=sign()).is_verified


async def test_new_identity_secret_ends_verified_sessions_only(identity):
    verified = visitors.open_visitor_session(identity, identity_token=sign())
    anonymous = visitors.open_visitor_session(identity)
    await ApiKey.objects.aupdate(identity_secret=encrypt("n" * 40))
    assert await keys.resolve_key(verified.token) is None
    assert await keys.resolve_key(anonymous.token)


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
async def test_session_ends_with_its_key(identity, field):
    session = visitors.open_visitor_session(identity)
    await ApiKey.objects.aupdate(**{field: "2026-01-01T00:00:00Z"})
    assert await keys.resolve_key(session.token) is None


async def test_session_of_an_agent_that_is_off_is_refused(identity):
    session = visitors.open_visitor_session(identity)
    await Agent.objects.aupdate(is_serving=False)
    with pytest.raises(AgentOff):
        await keys.resolve_key(session.token)


async def test_session_ends_after_a_day_but_still_says_who_it_was(identity, monkeypatch):
    session = visitors.open_visitor_session(identity)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 24 * 3600 + 1)
    assert await keys.resolve_key(session.token) is None
    assert visitors.open_visitor_session(identity, visitor=session.token).end_user == session.end_user
    monkeypatch.setattr(time, "time", lambda: now + 182 * 24 * 3600)
    assert visitors.open_visitor_session(identity, visitor=session.token).end_user != session.end_user


async def test_tampered_tokens_are_nothing(identity):
    text = visitors.open_visitor_session(identity).token
    body, _, signature = text.removeprefix(VISITOR_PREFIX).rpartition(".")
    token = read_visitor_token(text)
    stolen = write_visitor_token(replace(token, end_user="user:42")).rpartition(".")[0]
    for forged in (
        f"{VISITOR_PREFIX}{body}.{signature[::-1]}",
        f"{stolen}.{signature}",
        f"{VISITOR_PREFIX}{body}",
        VISITOR_PREFIX,
        VISITOR_PREFIX + "x" * 10_000,
        VISITOR_PREFIX + "é.é",
        text.upper(),
    ):
        assert read_visitor_token(forged) is None
        assert await keys.resolve_key(forged) is None
