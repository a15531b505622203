"""Remixes: what goes along, what never does, and where a copy comes from after many generations."""

from dataclasses import fields

import pytest
from django.core.files.storage import default_storage

from accounts.models import Membership, Workspace
from agents.config import AgentConfig
from agents.models import Agent
from agents.services import delete_agent, save_config
from billing.errors import QuotaExceeded
from billing.models import QuotaUse
from knowledge.copying import copy_documents
from knowledge.models import AgentTerm, Chunk, ChunkTerms, ChunkVector, Document
from knowledge.retrieval import search
from store.models import Listing, ListingDay, Remix, RemixPolicy
from store.remixing import COPIED, DROPPED, copy_config, find_lineage, remix_listing
from store.services import create_listing, publish_listing
from tests.factories import make_agent, make_user, make_workspace
from tests.store.making import LOOK, PER_MONTH, make_document, make_listing, make_purchase
from tests.store.visiting import sign_in

pytestmark = pytest.mark.django_db
OPEN = {"remix_policy": RemixPolicy.CONFIG}
WITH_DOCUMENTS = {"remix_policy": RemixPolicy.KNOWLEDGE}


def remix(listing: Listing, workspace: Workspace | None = None, **fields: str) -> Remix:
    workspace = workspace or make_workspace()[0]
    actor = Membership.objects.filter(workspace=workspace).latest("created_at").user
    return remix_listing(listing=listing, actor=actor, workspace_id=workspace.pk, **fields)


def config_of(agent: Agent) -> AgentConfig:
    assert agent.draft_version
    return AgentConfig.from_json(agent.draft_version.config)


def list_chunks(agent: Agent) -> list[str]:
    return list(Chunk.objects.filter(agent=agent).order_by("content").values_list("content", flat=True))


def test_every_field_of_a_configuration_is_copied_or_dropped_on_purpose():
    assert {field.name for field in fields(AgentConfig)} == COPIED | DROPPED


def test_a_creators_own_model_and_endpoint_stay_with_the_creator():
    own = AgentConfig(endpoint_id="0190", model="secret-model", instructions="Be kind.")
    assert copy_config(own) == AgentConfig(instructions="Be kind.")
    assert copy_config(AgentConfig(model="gpt-4.1-mini")).model == "gpt-4.1-mini"


def test_a_remix_is_what_was_published_and_counts():
    listing = make_listing(name="Kettle guide", **OPEN)
    save_config(agent=listing.agent, actor=None, changes={"instructions": "Not yet."}, expected_version=None)
    make_document(listing.agent, "A document")
    user = make_user()
    answer = sign_in(user).post(f"/api/store/listings/{listing.slug}/remix", {}, content_type="application/json")
    assert answer.status_code == 201
    copy = Agent.objects.get(pk=answer.json()["agent_id"])
    assert copy.workspace == user.workspaces.get()
    assert copy.name == "Kettle guide"
    assert "Not yet" not in config_of(copy).instructions
    assert not Document.objects.filter(agent=copy).exists()
    listing.refresh_from_db()
    assert listing.remix_count == 1
    assert ListingDay.objects.get(listing=listing).remixes == 1
    assert copy.remix.release_number == 1


def test_documents_go_along_where_the_creator_allows_it_with_all_that_finds_them():
    agent = make_agent(make_workspace()[0])
    released = make_document(agent, "The blue kettle boils in two minutes.")
    ChunkVector.objects.create(
        chunk=Chunk.objects.get(document=released), agent=agent, document=released, window=0,
        embedding_model="test", embedding=[1.0] * 8,
    )  # fmt: skip
    listing = make_listing(agent=agent, **WITH_DOCUMENTS)
    make_document(agent, "A later secret.")
    copy = remix(listing).agent
    assert list_chunks(copy) == ["The blue kettle boils in two minutes."]
    document = Document.objects.get(agent=copy)
    with default_storage.open(document.storage_key) as file:
        assert file.read() == b"The blue kettle boils in two minutes."
    assert document.storage_key != released.storage_key
    assert document.workspace_id == copy.workspace_id
    assert ChunkVector.objects.get(agent=copy).chunk_id == Chunk.objects.get(agent=copy).pk
    assert [passage.content for passage in search(copy.pk, "blue kettle", mode="words")] == list_chunks(copy)
    terms = dict(AgentTerm.objects.filter(agent=copy).values_list("term", "chunks"))
    assert set(terms.values()) == {1}
    assert len(terms) == 1 + len(ChunkTerms.objects.get(agent=copy).terms.indices())
    assert QuotaUse.objects.get(workspace=copy.workspace, resource="knowledge").used == released.size


def test_what_is_deleted_in_one_copy_stays_in_the_other():
    agent = make_agent(make_workspace()[0])
    make_document(agent, "Shared words.")
    copy = remix(make_listing(agent=agent, **WITH_DOCUMENTS)).agent
    delete_agent(agent=agent)
    assert list_chunks(copy) == ["Shared words."]
    assert default_storage.exists(Document.objects.get(agent=copy).storage_key)


def test_documents_that_do_not_fit_leave_nothing_behind(settings):
    agent = make_agent(make_workspace()[0])
    make_document(agent, "Too much.").save()
    Document.objects.filter(agent=agent).update(size=10**15)
    listing = make_listing(agent=agent, **WITH_DOCUMENTS)
    workspace = make_workspace()[0]
    with pytest.raises(QuotaExceeded):
        remix(listing, workspace)
    assert not Agent.objects.filter(workspace=workspace).exists()
    assert Listing.objects.get(pk=listing.pk).remix_count == 0


def test_a_workspace_that_has_all_its_agents_gets_no_copy():
    listing = make_listing(**OPEN)
    workspace = make_workspace()[0]
    for _ in range(5):
        make_agent(workspace)
    with pytest.raises(QuotaExceeded):
        remix(listing, workspace)


def test_a_file_that_cannot_be_read_leaves_no_copied_file():
    agent, target = (make_agent(make_workspace()[0]) for _ in range(2))
    make_document(agent, "First.")
    lost = make_document(agent, "Second.")
    default_storage.delete(lost.storage_key)
    documents = list(Document.objects.filter(agent=agent).values_list("pk", flat=True))
    with pytest.raises(FileNotFoundError):
        copy_documents(source=agent, target=target, documents=documents)
    folder = f"documents/{target.workspace_id}"
    assert not default_storage.exists(folder) or default_storage.listdir(folder)[1] == []
    assert not Document.objects.filter(agent=target).exists()


@pytest.mark.parametrize(
    ("fields", "code"),
    [({}, "remix_not_allowed"), ({**OPEN, **PER_MONTH}, "purchase_required"),
     ({**OPEN, "visibility": "private"}, "remix_not_allowed")],
)  # fmt: skip
def test_nobody_copies_what_is_closed_to_them(fields, code):
    listing = make_listing(**fields)
    client = sign_in(make_user())
    answer = client.post(f"/api/store/listings/{listing.slug}/remix", {}, content_type="application/json")
    assert answer.json()["error"]["code"] == code
    assert Remix.objects.count() == 0


def test_a_buyer_may_remix_and_the_creator_always():
    listing = make_listing(**OPEN, **PER_MONTH)
    workspace, buyer = make_workspace()
    make_purchase(listing, buyer)
    assert remix(listing, workspace).agent.workspace == workspace
    closed = make_listing()
    assert remix(closed, closed.workspace).agent.workspace == closed.workspace
    assert Listing.objects.get(pk=closed.pk).remix_count == 0


def publish_remix(agent: Agent, name: str) -> Listing:
    listing = create_listing(agent=agent, name=name, category="support", **LOOK, **OPEN)
    publish_listing(listing=listing, actor=None)
    return Listing.objects.get(pk=listing.pk)


def grow(generations: int) -> list[Listing]:
    """Listings, each a remix of the one before."""
    line = [make_listing(name="Generation 0", **OPEN)]
    for number in range(1, generations + 1):
        line.append(publish_remix(remix(line[-1]).agent, f"Generation {number}"))
    return line


def test_a_lineage_is_known_over_five_generations_in_one_query(django_assert_num_queries):
    line = grow(5)
    youngest = Remix.objects.get(agent=line[-1].agent)
    with django_assert_num_queries(1):
        lineage = find_lineage(youngest.pk)
    assert [row["name"] for row in lineage] == [f"Generation {number}" for number in (4, 3, 2, 1, 0)]
    assert [row["generation"] for row in lineage] == [1, 2, 3, 4, 5]
    assert [row["slug"] for row in lineage] == [listing.slug for listing in reversed(line[:-1])]
    assert lineage[0]["handle"] == line[4].creator.handle


def test_a_lineage_outlives_those_in_it():
    line = grow(3)
    delete_agent(agent=line[0].agent)  # the first of all
    delete_agent(agent=line[1].agent)  # one in between
    page = sign_in(make_user()).get(f"/api/store/listings/{line[3].slug}").json()
    assert page["remixed_from"] == {
        "name": "Generation 2", "handle": line[2].creator.handle, "slug": line[2].slug
    }  # fmt: skip
    assert [(row["name"], row["slug"]) for row in page["lineage"]] == [
        ("Generation 2", line[2].slug),
        ("Generation 1", None),
    ]
