"""An agent's own page: on, off, under its own host, and never in the way of another page."""

import re

import pytest
import requests
from django.test import Client
from django.urls import get_resolver, resolve

from agents.deployment import update_deployment
from agents.models import Agent
from integrations.hosted import slug_of_host
from tests.factories import make_agent, make_workspace
from tests.live import LiveServer
from tests.routes import all_routes
from tests.test_tenancy import without_request_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_workspace()[0], name="Kettle support", welcome_message="Ask about kettles.")


def switch(agent: Agent, *, is_on: bool) -> None:
    update_deployment(agent=agent, actor=None, hosted_enabled=is_on)


def test_page_shows_the_agent_and_what_link_previews_read(live, agent):
    switch(agent, is_on=True)
    answer = requests.get(f"{live}/{agent.slug}", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Set-Cookie" not in answer.headers
    for part in ('property="og:title" content="Kettle support"', 'property="og:url"', "Ask about kettles."):
        assert part in answer.text


def test_page_is_shown_to_search_engines_when_its_owner_wants_it(live, agent):
    update_deployment(agent=agent, actor=None, hosted_enabled=True, hosted_indexed=True)
    answer = requests.get(f"{live}/{agent.slug}", timeout=30)
    assert "X-Robots-Tag" not in answer.headers
    assert "noindex" not in answer.text


def test_page_that_is_off_answers_like_one_that_never_was(live, agent):
    missing = requests.get(f"{live}/no-such-page", timeout=30)
    never = requests.get(f"{live}/{agent.slug}", timeout=30)
    switch(agent, is_on=True)
    switch(agent, is_on=False)
    off = requests.get(f"{live}/{agent.slug}", timeout=30)
    switch(agent, is_on=True)
    update_deployment(agent=agent, actor=None, is_serving=False)
    refused = requests.get(f"{live}/{agent.slug}", timeout=30)
    for answer in (never, off, refused):
        assert answer.status_code == missing.status_code == 404
        assert without_request_id(answer) == without_request_id(missing)


def test_session_is_opened_under_the_pages_own_key(live, agent):
    switch(agent, is_on=True)
    page = requests.get(f"{live}/{agent.slug}", timeout=30).text
    key = re.search(r'"key": "([0-9a-f-]{36})"', page)
    assert key
    answer = requests.post(
        f"{live}/api/v1/visitor-sessions", json={"key": key[1]}, headers={"Origin": live}, timeout=30
    )
    assert answer.status_code == 201


def test_hosted_page_is_the_last_route_and_takes_no_other_path():
    patterns = get_resolver().url_patterns
    assert getattr(patterns[-1], "name", "") == "hosted-page"
    for route in all_routes():
        if route.kind in {"page", "api"} and route.template != "/{slug}" and "{" not in route.template:
            assert resolve(route.template).url_name != "hosted-page", route.template


@pytest.mark.parametrize(
    ("host", "slug"),
    [
        ("guide.agents.example.com", "guide"),
        ("GUIDE.agents.example.com:8000", "guide"),
        ("agents.example.com", ""),
        ("guide.agents.example.com.evil.example", ""),
        ("localhost", ""),
    ],
)
def test_slug_of_host_reads_hosts_below_the_domain(settings, host, slug):
    settings.HOSTED_DOMAIN = "agents.example.com"
    assert slug_of_host(host) == slug


def test_host_of_an_agent_serves_its_page_and_nothing_else(settings, agent):
    settings.HOSTED_DOMAIN = "agents.example.com"
    settings.ALLOWED_HOSTS = [".agents.example.com"]
    settings.SITE_URL = "https://gilo.example.com"
    switch(agent, is_on=True)
    with LiveServer() as server:
        headers = {"Host": f"{agent.slug}.agents.example.com"}
        page = requests.get(f"{server.url}/", headers=headers, timeout=30)
        assert page.status_code == 200
        assert f'href="https://{agent.slug}.agents.example.com"' in page.text
        for path in ("/login", "/dashboard", "/api/agents", "/docs"):
            assert requests.get(server.url + path, headers=headers, timeout=30).status_code == 404


def test_host_of_nobody_is_a_missing_page(settings):
    settings.HOSTED_DOMAIN = "agents.example.com"
    settings.ALLOWED_HOSTS = [".agents.example.com"]
    assert Client().get("/", headers={"host": "nobody.agents.example.com"}).status_code == 404
