"""Policies of pages: who passes, who is asked to sign in, who is told no."""

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import include, path

from accounts.models import Membership, Role, Workspace
from accounts.permissions import ACTIONS
from core.errors import Conflict, TooManyRequests
from core.policy import PUBLIC, SIGNED_IN, with_policy

pytestmark = pytest.mark.django_db


@with_policy({"GET": "agent.view", "POST": "agent.delete"})
def acting(request):
    return HttpResponse(str(request.principal.workspace_id))


@with_policy(PUBLIC)
def failing(request):
    raise Conflict() if "conflict" in request.GET else TooManyRequests(retry_after=7)


@with_policy(SIGNED_IN)
def own(request):
    return HttpResponse("own")


urlpatterns = [
    path("acting", acting),
    path("api/acting", acting),
    path("failing", failing),
    path("own", own),
    path("", include("gilo.urls")),
]
here = override_settings(ROOT_URLCONF=__name__)


@here
def test_page_asks_visitors_to_sign_in_and_answers_programs_401(client):
    assert client.get("/acting?x=1")["Location"] == "/login?next=%2Facting%3Fx%3D1"
    response = client.get("/api/acting")
    assert response.status_code == 401 and response["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "not_authenticated"


@here
@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "BREW"])
def test_page_answers_a_method_that_it_has_no_policy_for_with_405(client, user, method):
    for _ in ("a visitor", "a member"):
        response = client.generic(method, "/acting")
        assert (response.status_code, response["Allow"]) == (405, "GET, POST")
        client.force_login(user)


@here
@pytest.mark.parametrize(("role", "allowed"), [(Role.OWNER, 200), (Role.EDITOR, 403), (Role.VIEWER, 403)])
def test_page_refuses_roles_by_the_table(client, user, role, allowed):
    client.force_login(user)
    Membership.objects.update(role=role)
    assert client.get("/acting").status_code == 200
    response = client.post("/acting")
    assert response.status_code == allowed
    if allowed == 403:
        assert b"<h1" in response.content
        assert client.post("/api/acting").json()["error"]["code"] == "permission_denied"


@here
def test_workspace_is_oldest_then_session_then_header(client, user):
    client.force_login(user)
    oldest = Membership.objects.get(user=user).workspace_id
    second, third = (Workspace.objects.create(name=name) for name in "ab")
    foreign = Workspace.objects.create(name="foreign")
    for team in (second, third):
        Membership.objects.create(workspace=team, user=user, role=Role.VIEWER)
    assert client.get("/acting").content.decode() == str(oldest)
    session = client.session
    session["workspace_id"] = str(second.pk)
    session.save()
    assert client.get("/acting").content.decode() == str(second.pk)
    assert client.get("/acting", HTTP_X_WORKSPACE_ID=str(third.pk)).content.decode() == str(third.pk)
    answers = [client.get("/api/acting", HTTP_X_WORKSPACE_ID=str(value)) for value in (foreign.pk, "x")]
    assert [answer.status_code for answer in answers] == [404, 404]
    Membership.objects.filter(workspace=second).delete()
    assert client.get("/acting").content.decode() == str(oldest)  # the remembered one is not ours any more


@here
def test_principal_costs_one_query(client, user, django_assert_num_queries):
    client.force_login(user)
    for number in range(3):
        Membership.objects.create(workspace=Workspace.objects.create(name=str(number)), user=user)
        with django_assert_num_queries(3):  # session, user, principal
            assert client.get("/acting").status_code == 200
    with django_assert_num_queries(0):
        Client().get("/acting")


@here
def test_errors_are_pages_for_people_and_json_for_programs(client):
    page = client.get("/failing", HTTP_ACCEPT="text/html")
    assert page.status_code == 429 and page["Retry-After"] == "7" and b"<h1" in page.content
    answer = client.get("/failing?conflict", HTTP_ACCEPT="application/json")
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "conflict"


@here
def test_user_without_workspace_passes_signed_in_only(client, user):
    client.force_login(user)
    Membership.objects.all().delete()
    assert client.get("/own").status_code == 200
    assert client.get("/acting").status_code == 403  # a redirect to the sign-in page would never end
    assert client.get("/api/acting").status_code == 403
    assert client.get("/api/agents").status_code == 403
    assert client.get("/api/auth/me").status_code == 200


def test_every_action_of_the_table_lets_the_owner_pass():
    assert all(Role.OWNER in roles for roles in ACTIONS.values())


def test_own_routes_all_declare_a_policy():
    from accounts.urls import api_urlpatterns
    from accounts.urls import urlpatterns as pages

    for route in [*pages, *api_urlpatterns]:
        view = route.callback
        assert getattr(view, "policy", None) or getattr(view.cls, "policy", None), route
