"""An agent towards the outside: on and off, its page, its addresses."""

import re

import pytest

from accounts.models import Role
from agents.deployment import MAX_SLUG, RESERVED_SLUGS, describe_urls
from agents.models import Agent, ApiKey, KeyKind
from agents.services import deploy_agent
from tests.factories import make_agent, make_workspace
from tests.routes import all_routes

pytestmark = pytest.mark.django_db


@pytest.fixture
def builder(builder, agent):
    builder.path = f"/api/agents/{agent.pk}/deployment"
    return builder


def change(client, **fields):
    return client.patch(client.path, fields, content_type="application/json")


def test_deployment_tells_what_answers_and_where(builder, agent, settings):
    told = builder.get(builder.path).json()
    assert (told["status"], told["is_serving"], told["live_version"], told["draft_version"]) == ("draft", True, None, 1)
    assert told["urls"]["chat"] == f"{settings.SITE_URL}/api/v1/agents/{agent.pk}/chat"
    assert told["hosted"]["enabled"] is False
    assert told["slug"] in told["hosted"]["url"]
    deploy_agent(agent=agent)
    assert builder.get(builder.path).json()["live_version"] == 1


def test_every_address_exists(agent, settings):
    served = {route.template for route in all_routes()} | {"/api/v1"}
    for name, url in describe_urls(agent).items():
        path = re.sub(r"^\w+://[^/]+", "", url).replace(str(agent.pk), "{agent_id}")
        assert path in served, name


def test_agent_is_switched_off_and_on(builder, agent):
    assert change(builder, is_serving=False).json()["is_serving"] is False
    assert Agent.objects.get().is_serving is False
    assert change(builder, is_serving=True).json()["is_serving"] is True


def test_page_comes_and_goes_with_its_key(builder, agent):
    assert change(builder, hosted_enabled=True).json()["hosted"]["enabled"] is True
    first = ApiKey.objects.get(kind=KeyKind.HOSTED)
    change(builder, hosted_enabled=True)
    assert ApiKey.objects.count() == 1
    assert change(builder, hosted_enabled=False).json()["hosted"]["enabled"] is False
    first.refresh_from_db()
    assert first.revoked_at is not None
    change(builder, hosted_enabled=True)
    assert ApiKey.objects.get(revoked_at=None).replaces == first


def test_page_is_kept_from_search_engines_until_its_owner_shows_it(builder, agent):
    assert change(builder, hosted_enabled=True).json()["hosted"]["indexed"] is False
    assert change(builder, hosted_indexed=True).json()["hosted"]["indexed"] is True
    assert change(builder, is_serving=False).json()["hosted"]["indexed"] is True


def test_slug_is_changed_and_kept_apart_from_others(builder, agent):
    other = make_agent(make_workspace()[0])
    assert change(builder, slug="my-shop").json()["slug"] == "my-shop"
    response = change(builder, slug=other.slug, is_serving=False)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "slug_taken")
    agent.refresh_from_db()
    assert (agent.slug, agent.is_serving) == ("my-shop", True)
    assert change(builder, slug="my-shop").status_code == 200


@pytest.mark.parametrize(
    "slug",
    ["", "ab", "My-Shop", "my shop", "-shop", "shop-", "my--shop", "my_shop", "café", "a" * 64, "a/b", "xn--", 5],
)
def test_slug_that_is_no_name_is_refused(builder, slug):
    assert change(builder, slug=slug).status_code == 422
    assert Agent.objects.get().slug != slug


@pytest.mark.parametrize("slug", ["api", "login", "dashboard", "widget", "www"])
def test_reserved_slug_is_refused(builder, slug):
    response = change(builder, slug=slug)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "slug_reserved")


def test_first_words_of_all_routes_are_reserved():
    words = {route.template.split("/")[1] for route in all_routes()}
    could_be_slugs = {word for word in words if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", word) and len(word) > 2}
    assert could_be_slugs - RESERVED_SLUGS == set()


def test_slugs_that_we_make_fit_a_host_name():
    agent = make_agent(make_workspace()[0], name="x" * 80)
    assert len(agent.slug) <= MAX_SLUG


@pytest.mark.parametrize("field", ["status", "live_version", "hosted", "urls", "workspace", "id"])
def test_what_is_told_only_cannot_be_set(builder, field):
    assert change(builder, **{field: "x"}).status_code == 422


@pytest.mark.parametrize(("role", "expected"), [(Role.OWNER, 200), (Role.EDITOR, 200), (Role.VIEWER, 403)])
def test_roles_decide_who_switches(client, role, expected):
    workspace, user = make_workspace(role=role)
    client.path = f"/api/agents/{make_agent(workspace).pk}/deployment"
    client.force_login(user)
    assert client.get(client.path).status_code == 200
    assert change(client, is_serving=False).status_code == expected
    assert Agent.objects.get().is_serving is (expected == 403)


def test_deployment_costs_a_fixed_number_of_queries(builder, django_assert_num_queries):
    with django_assert_num_queries(5):  # session, user, membership, agent, the page's key
        builder.get(builder.path)
