"""The frame and the general pages: both languages, the policies, no inline code, no query that grows with the rows."""

import re

import pytest
from django.test import Client
from rest_framework.response import Response

from accounts.models import Role
from agents.models import Agent
from agents.services import deploy_agent
from billing.plans import PLANS
from gilo.api_docs import describe_api, read_schema, rendered_once
from gilo.billing_page import SHOWN_PLANS, list_features
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db

PUBLIC_PAGES = ["/", "/docs", "/login", "/signup"]
SIGNED_IN_PAGES = ["/dashboard", "/settings", "/settings/security", "/settings/workspace"]


def sign_in(role=Role.OWNER, **cookies):
    workspace, user = make_workspace(role=role)
    client = Client()
    client.force_login(user)
    client.workspace = workspace
    for name, value in cookies.items():
        client.cookies[name] = value
    return client


def read(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status, response.content[:500]
    return response.content.decode()


@pytest.mark.parametrize(("language", "word"), [("en", "Skip to content"), ("fr", "Aller au contenu")])
@pytest.mark.parametrize("path", PUBLIC_PAGES)
def test_public_page_renders_in_both_languages(client, path, language, word):
    client.cookies["django_language"] = language
    page = read(client, path)
    assert word in page
    assert f'<html lang="{language}"' in page


@pytest.mark.parametrize(("language", "word"), [("en", "Skip to content"), ("fr", "Aller au contenu")])
@pytest.mark.parametrize("path", SIGNED_IN_PAGES)
def test_signed_in_page_renders_in_both_languages(path, language, word):
    page = read(sign_in(django_language=language), path)
    assert word in page
    assert f'<html lang="{language}"' in page


@pytest.mark.parametrize("path", SIGNED_IN_PAGES)
def test_signed_in_page_sends_a_stranger_to_the_sign_in_page(client, path):
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/login?next=")


def assert_nothing_inline(page):
    assert not re.search(r"<style\b", page)
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)\s*=", page)
    for tag in re.findall(r"<script\b[^>]*>", page):
        assert "src=" in tag or 'type="application/json"' in tag, tag
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//(?!localhost)""", page)


@pytest.mark.parametrize("path", [*PUBLIC_PAGES, *SIGNED_IN_PAGES, "/nothing-here"])
def test_page_has_no_inline_code_and_asks_no_other_host(path):
    client = sign_in()
    make_agent(client.workspace)
    if path in PUBLIC_PAGES:
        client.logout()
    response = client.get(path)
    assert_nothing_inline(response.content.decode())
    assert "unsafe" not in response["Content-Security-Policy"]


def test_landing_page_lists_of_each_plan_what_it_allows(client):
    words = read(client, "/")
    features = [feature for plan in SHOWN_PLANS for feature in list_features(PLANS[plan])]
    assert [feature for feature in features if feature not in words] == []
    assert words.count("<li>", words.index('id="prices"')) == len(features)


def test_theme_and_sidebar_come_from_their_cookies(client):
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in read(client, "/")
    client.cookies["theme"] = '"><script>'
    assert 'data-theme="auto"' in read(client, "/")
    assert 'data-sidebar="collapsed"' in read(sign_in(sidebar="collapsed"), "/dashboard")


def test_dashboard_without_agents_teaches_how_to_begin():
    page = read(sign_in(), "/dashboard")
    assert "What should your agent be called?" in page
    assert "Customer support" in page


def test_dashboard_shows_agents_and_counts():
    client = sign_in()
    deploy_agent(agent=make_agent(client.workspace, name="Guide <b>"))
    make_agent(make_workspace()[0], name="Foreign")
    page = read(client, "/dashboard")
    assert "Guide &lt;b&gt;" in page
    assert "Foreign" not in page
    assert "Deployed · v1" in page
    assert "<b>1</b> / 5" in page


def count_queries(client, path, django_assert_max_num_queries):
    with django_assert_max_num_queries(30) as context:
        read(client, path)
    return len(context)


def test_dashboard_costs_the_same_queries_with_one_and_three_agents(django_assert_max_num_queries):
    client = sign_in()
    make_agent(client.workspace)
    read(client, "/dashboard")
    with_one = count_queries(client, "/dashboard", django_assert_max_num_queries)
    make_agent(client.workspace)
    make_agent(client.workspace)
    assert count_queries(client, "/dashboard", django_assert_max_num_queries) == with_one
    assert with_one <= 9


def test_quick_create_goes_to_the_builder():
    client = sign_in()
    response = client.post("/dashboard", {"name": "  Support  "})
    agent = Agent.objects.for_workspace(client.workspace).get()
    assert agent.name == "Support"
    assert (response.status_code, response["Location"]) == (302, f"/agents/{agent.pk}")


def test_quick_create_from_a_template_takes_its_configuration():
    client = sign_in(django_language="fr")
    client.post("/dashboard", {"template": "support"})
    agent = Agent.objects.for_workspace(client.workspace).get()
    assert agent.name == "Service client"
    assert "clients" in agent.draft_version.config["instructions"]


@pytest.mark.parametrize("sent", [{}, {"name": "   "}, {"name": "x" * 81}, {"name": "a\x00b"}, {"template": "no such"}])
def test_quick_create_says_what_is_wrong_and_creates_nothing(sent):
    client = sign_in()
    response = client.post("/dashboard", sent)
    assert response.status_code == 422
    assert b'role="alert"' in response.content
    assert not Agent.objects.exists()


def test_quick_create_from_a_missing_template_answers_404():
    assert sign_in().post("/dashboard", {"template": "nothing"}).status_code == 404


def test_viewer_sees_the_dashboard_but_may_not_create():
    client = sign_in(role=Role.VIEWER)
    assert "No agents yet" in read(client, "/dashboard")
    assert client.post("/dashboard", {"name": "Mine"}).status_code == 403
    assert not Agent.objects.exists()


def test_workspace_page_renames_for_owners_only():
    client = sign_in()
    assert client.post("/settings/workspace", {"name": "Atelier Nord"}).status_code == 302
    assert "Atelier Nord" in read(client, "/settings/workspace")
    assert client.post("/settings/workspace", {"name": ""}).status_code == 422
    viewer = sign_in(role=Role.VIEWER)
    assert viewer.post("/settings/workspace", {"name": "Mine"}).status_code == 403
    assert "disabled" in read(viewer, "/settings/workspace")


@pytest.mark.parametrize(("path", "most"), [("/docs", 60_000), ("/", 12_000)])
def test_long_public_pages_travel_compressed(client, path, most):
    response = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert len(response.content) < most


def test_docs_show_every_operation_of_the_schema(client):
    page = read(client, "/docs")
    paths = {operation.path for group in describe_api() for operation in group.operations}
    assert "/api/agents/{agent_id}" in paths
    assert all(path in page for path in paths)
    assert client.get("/api/docs")["Location"] == "/docs"
    schema = client.get("/api/schema?format=json")
    assert paths == set(schema.json()["paths"])


def test_style_guide_exists_in_development_only(settings):
    client = sign_in()
    read(client, "/_styleguide", status=404)
    settings.DEBUG = True
    page = read(client, "/_styleguide")
    assert "Danger, solid" in page
    assert_nothing_inline(page)


def test_unknown_page_answers_404_with_a_way_back(client):
    page = read(client, "/nothing-here", status=404)
    assert 'href="/"' in page


def test_form_without_token_says_that_it_has_expired():
    client = Client(enforce_csrf_checks=True)
    response = client.post("/language", {"language": "fr"}, HTTP_ACCEPT="text/html")
    assert response.status_code == 403
    assert_nothing_inline(response.content.decode())


def test_icon_is_found_where_browsers_look(client):
    assert client.get("/favicon.ico")["Location"].startswith("/static/images/logo")


def test_schema_is_the_same_in_every_language(client):
    """It is made once for all: whoever asks first must not choose the language for the others."""
    read_schema.cache_clear()
    client.cookies["django_language"] = "fr"
    first = read(client, "/api/schema")
    client.cookies["django_language"] = "en"
    read_schema.cache_clear()
    assert read(client, "/api/schema") == first


class Writes:
    """A renderer that counts."""

    media_type, format = "text/x", "x"
    count = 0

    def render(self, data, accepted_media_type=None, renderer_context=None):
        Writes.count += 1
        return data.encode()


def test_schema_is_written_once_and_errors_each_time():
    once = rendered_once(Writes)
    good, bad = ({"response": Response(status=status)} for status in (200, 405))
    asked = [("no", bad), ("schema", good), ("schema", good), ("no", bad), ("schema", good)]
    assert [once().render(data, None, context).decode() for data, context in asked] == [data for data, _ in asked]
    assert Writes.count == 3


def test_schema_takes_no_header_from_its_address(client):
    assert client.get("/api/schema?version=%00%0d%0aX").headers["Content-Disposition"].count("1.0.0") == 1
