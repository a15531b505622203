"""The knowledge API: shapes, tenancy, roles, query counts."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Membership, Role
from knowledge.models import Chunk, Document
from knowledge.processing import process_next
from knowledge.retrieval import search
from tests import factories
from tests.knowledge import files

pytestmark = pytest.mark.django_db
ROUTES = [
    ("get", "knowledge", None),
    ("post", "knowledge", "file"),
    ("post", "knowledge/search", {"query": "x"}),
    ("get", "knowledge/{document}", None),
    ("delete", "knowledge/{document}", None),
    ("get", "knowledge/{document}/chunks", None),
    ("post", "knowledge/{document}/retry", {}),
]


def call(client, method, path, body):
    if body == "file":
        return client.post(path, {"file": SimpleUploadedFile("a.txt", b"text")})
    return client.generic(method.upper(), path, json.dumps(body or {}), "application/json")


def test_uploaded_text_is_found_by_search(learn, member, agent):
    document = learn("fox.txt", b"The quick brown fox jumps over the lazy dog near Lisbon.")
    assert (document.status, document.chunk_count, document.error_code) == ("ready", 1, "")
    path = f"/api/agents/{agent.pk}/knowledge/search"
    found = member.post(path, {"query": "Where does the fox jump?"}, "application/json")
    assert found.status_code == 200, found.content
    (passage,) = found.json()["data"]
    assert passage["filename"] == "fox.txt"
    assert passage["document_id"] == str(document.pk)
    assert "Lisbon" in passage["content"]
    assert 0 < passage["score"] <= 1


def test_upload_answers_202_with_the_document(upload, member, agent):
    response = upload("two.pdf", files.make_pdf("Page one text", "Page two words"))
    assert response.status_code == 202
    document = response.json()
    assert document | {"id": "", "created_at": ""} == {
        "id": "", "name": "two.pdf", "size": document["size"], "mime_type": "application/pdf", "status": "queued",
        "error": None, "pages": None, "chunks": 0, "progress": 0.0, "next_attempt_at": None, "created_at": "",
    }  # fmt: skip
    while process_next():
        pass
    ready = member.get(f"/api/agents/{agent.pk}/knowledge/{document['id']}").json()
    assert (ready["status"], ready["pages"], ready["chunks"], ready["progress"]) == ("ready", 2, 2, 1.0)
    chunks = member.get(f"/api/agents/{agent.pk}/knowledge/{document['id']}/chunks").json()
    assert [(chunk["position"], chunk["page"], chunk["content"]) for chunk in chunks["data"]] == [
        (0, 1, "Page one text"),
        (1, 2, "Page two words"),
    ]
    assert chunks["next"] is None


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_foreign_agent_and_document_answer_as_missing_ones(learn, member, method, path, body):
    other = factories.make_agent(factories.make_workspace()[0])
    foreign = Document.objects.create(
        workspace_id=other.workspace_id,
        agent=other,
        name="f",
        mime_type="text/plain",
        size=1,
        sha256="",
        storage_key="f",
    )
    missing = "00000000-0000-7000-8000-000000000000"
    answers = [
        call(member, method, f"/api/agents/{agent_id}/" + path.format(document=document_id), body)
        for agent_id, document_id in ((other.pk, foreign.pk), (missing, missing))
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    bodies = [{**answer.json()["error"], "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert Document.objects.count() == 1


@pytest.mark.parametrize(("method", "path", "body"), [route for route in ROUTES if "{document}" in route[1]])
def test_document_of_another_agent_is_missing_under_this_one(learn, member, workspace, agent, method, path, body):
    document = learn("a.txt", b"text of the first agent")
    second = factories.make_agent(workspace, name="Second")
    answer = call(member, method, f"/api/agents/{second.pk}/" + path.format(document=document.pk), body)
    assert answer.status_code == 404
    assert Document.objects.filter(pk=document.pk).exists()


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_strangers_are_refused_and_viewers_only_read(agent, workspace, method, path, body):
    document = Document.objects.create(
        workspace=workspace, agent=agent, name="a", mime_type="text/plain", size=1, sha256="", storage_key="a"
    )
    address = f"/api/agents/{agent.pk}/" + path.format(document=document.pk)
    assert call(Client(), method, address, body).status_code in {401, 403}
    viewer = factories.make_user()
    Membership.objects.create(workspace=workspace, user=viewer, role=Role.VIEWER)
    client = Client(headers={"X-Workspace-Id": str(workspace.pk)})
    client.force_login(viewer)
    reads = method == "get" or path.endswith("search")
    assert call(client, method, address, body).status_code == (200 if reads else 403)
    assert Document.objects.get().status == "queued"


@pytest.mark.parametrize("count", [1, 3])
def test_list_costs_the_same_queries_for_any_number(member, agent, upload, django_assert_num_queries, count):
    for number in range(count):
        upload(f"{number}.txt", b"some text")
    with django_assert_num_queries(5):  # session, user, membership, agent, documents
        page = member.get(f"/api/agents/{agent.pk}/knowledge").json()
    assert [row["name"] for row in page["data"]] == [f"{number}.txt" for number in reversed(range(count))]


@pytest.mark.parametrize("count", [1, 3])
def test_search_costs_five_queries(learn, agent, django_assert_num_queries, count):
    for number in range(count):
        learn(f"{number}.txt", b"The zebra is striped.")
    with django_assert_num_queries(5):  # languages, term counts, words, vectors, passages
        assert len(search(agent.pk, "zebra")) == count


def test_chunks_come_in_pages(learn, member, agent):
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 400 for number in range(5))
    document = learn("long.txt", text.encode())
    path = f"/api/agents/{agent.pk}/knowledge/{document.pk}/chunks"
    first = member.get(path, {"limit": 2}).json()
    second = member.get(path, {"limit": 2, "cursor": first["next"]}).json()
    assert [row["position"] for row in first["data"] + second["data"]] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "body", [{}, {"query": ""}, {"query": "x", "limit": 0}, {"query": "x", "limit": 10**9}, {"query": "x", "extra": 1}]
)
def test_search_refuses_what_is_out_of_range(member, agent, body):
    assert member.post(f"/api/agents/{agent.pk}/knowledge/search", body, "application/json").status_code == 422


def test_search_stays_within_the_agent(learn, member, workspace, agent):
    other = factories.make_agent(workspace, name="Other")
    learn("mine.txt", b"The zebra is striped.")
    learn("theirs.txt", b"The zebra is also here.", to=other)
    assert [passage.filename for passage in search(agent.pk, "zebra")] == ["mine.txt"]


def test_search_in_documents_of_two_languages(learn, agent):
    learn(
        "fr.txt", "Les salariés ont droit à cinq semaines de congés payés par an, et le salaire est maintenu.".encode()
    )
    learn("en.txt", b"The employees have the right to a lunch break, and it is not paid by the company.")
    assert search(agent.pk, "congé payé", mode="words")[0].filename == "fr.txt"
    assert search(agent.pk, "breaks for an employee", mode="words")[0].filename == "en.txt"
    assert search(agent.pk, "???", mode="words") == []


def test_retry_takes_up_a_document_that_failed_for_a_passing_reason(learn, upload, member, agent):
    document = learn("a.txt", b"some text")
    path = f"/api/agents/{agent.pk}/knowledge/{document.pk}/retry"
    assert member.post(path).status_code == 409
    Document.objects.filter(pk=document.pk).update(status="failed", error_code="internal_error", attempts=5)
    response = member.post(path)
    assert (response.status_code, response.json()["status"], response.json()["error"]) == (202, "queued", None)
    while process_next():
        pass
    document.refresh_from_db()
    assert document.status == "ready"
    assert Chunk.objects.count() == 1
