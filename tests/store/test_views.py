"""The store's pages: what everybody sees, what search engines read, what each role may open, and what a page costs."""

import json
import re
from io import BytesIO

import pytest
from django.test import Client
from PIL import Image

from accounts.models import Role
from agents.services import save_config
from store.access import create_token
from store.models import Listing, ListingDay, Review
from store.moderation import report_listing
from store.remixing import remix_listing
from store.reviews import reply_to_review, save_review
from store.services import publish_listing, unpublish_listing, update_creator
from tests.factories import make_agent, make_user, make_workspace
from tests.store.making import PER_MONTH, make_conversation, make_draft, make_listing, make_purchase

pytestmark = pytest.mark.django_db
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(autouse=True)
def _plan(settings) -> None:
    """These tests make more agents than a plan gives."""
    settings.DEFAULT_PLAN = "unlimited"


def read(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status, response.content[:500]
    return response.content.decode()


def sign_in(role=Role.OWNER, **fields):
    workspace, user = make_workspace(role=role)
    for name, value in fields.items():
        setattr(user, name, value)
    user.save()
    client = Client()
    client.force_login(user)
    client.workspace, client.user = workspace, user
    return client


def shown_names(page):
    return re.findall(r'class="app__name"[^>]*>([^<]+)<', page)


# --- the storefront


def test_storefront_shows_sections_of_public_listings_alone(client):
    workspace, _ = make_workspace()
    make_listing(workspace, name="Open door")
    make_listing(workspace, name="Closed door", visibility="private")
    make_draft(workspace, name="Half a door")
    unpublish_listing(listing=make_listing(workspace, name="No door"))
    page = read(client, "/store")
    assert {"Trending", "Newest"} == set(re.findall(r'-title">([^<]+)</h2>', page)), "nothing is rated yet"
    Listing.objects.update(rating_count=1, rating_sum=5, rating_score=5)
    page = read(client, "/store")
    assert {"Trending", "Top rated", "Newest"} == set(re.findall(r'-title">([^<]+)</h2>', page))
    assert set(shown_names(page)) == {"Open door"}
    assert not re.search("Closed door|Half a door|No door", page)


@pytest.mark.parametrize("query", ["harbour", "harbuor", "harbou", "HARBOUR"])
def test_search_finds_words_mistyped_by_one_letter(client, query):
    workspace, _ = make_workspace()
    make_listing(workspace, name="Tide table", description="Knows every harbour.")
    make_listing(workspace, name="Fridge chef")
    assert shown_names(read(client, f"/store?q={query}")) == ["Tide table"]


def test_search_without_a_result_says_how_to_go_on(client):
    page = read(client, "/store?q=zeppelin")
    assert "Nothing found for “zeppelin”" in page
    assert 'href="/signup"' in page
    assert "Clear the search" in page


def test_storefront_escapes_what_was_typed(client):
    page = read(client, "/store?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&category=%3Cb%3E&sort=x&price=y")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_filters_leave_what_they_name(client):
    workspace, _ = make_workspace()
    make_listing(workspace, name="Gift", category="writing")
    make_listing(workspace, name="Ware", **PER_MONTH)
    assert shown_names(read(client, "/store?price=free")) == ["Gift"]
    paid = read(client, "/store?price=paid")
    assert shown_names(paid) == ["Ware"]
    assert "€9" in paid
    assert shown_names(read(client, "/store?category=writing")) == ["Gift"]


def test_price_is_written_in_the_readers_way(client):
    make_listing(name="Ware", price_kind="month", price=499, currency="eur")
    client.cookies["django_language"] = "fr"
    assert "4,99\xa0€" in read(client, "/store?price=paid")


def following_of(page: str) -> str:
    """The address behind "Show more"."""
    found = re.search(r'hx-get="([^"]+)"[^>]*hx-target="closest', page)
    assert found, page
    return found[1].replace("&amp;", "&")


def test_more_leads_to_the_rest_without_repeating(client, monkeypatch):
    monkeypatch.setattr("store.views.USUAL_LIMIT", 2)
    workspace, _ = make_workspace()
    for number in range(3):
        make_listing(workspace, name=f"Agent {number}")
    first = read(client, "/store?sort=new")
    rest = read(client, following_of(first))
    assert sorted(shown_names(first) + shown_names(rest)) == ["Agent 0", "Agent 1", "Agent 2"]
    assert client.get("/store?cursor=forged").status_code == 400


def test_search_that_leaves_matches_out_says_so_at_its_end(client, monkeypatch):
    monkeypatch.setattr("store.views.USUAL_LIMIT", 2)
    monkeypatch.setattr("store.search._MOST_RANKED", 3)
    workspace, _ = make_workspace()
    for number in range(3):
        make_listing(workspace, name=f"Garden {number}")
    said = "most used agents among all that match"
    address = following_of(read(client, "/store?q=garden"))
    assert said not in read(client, address)
    make_listing(workspace, name="Garden 3")
    first = read(client, "/store?q=garden")
    assert said not in first  # there is more to show
    assert said in read(client, following_of(first))


@pytest.mark.parametrize(
    ("path", "is_indexed"),
    [("/store", True), ("/store?category=writing", True), ("/store?q=x", False), ("/store?sort=new", False)],
)
def test_search_engines_keep_shelves_and_leave_searches(client, path, is_indexed):
    page = read(client, path)
    assert ('name="robots" content="noindex"' not in page) == is_indexed
    assert re.search(r'rel="canonical" href="http://[^/]+/store', page)
    assert 'property="og:title"' in page


def test_a_category_has_its_own_title_and_address(client):
    page = read(client, "/store?category=writing")
    assert "<title>Writing · GiLo store</title>" in page
    assert re.search(r'rel="canonical" href="[^"]+/store\?category=writing"', page)


# --- an agent's page


def structured(page):
    found = re.search(r'<script type="application/ld\+json">(.+?)</script>', page)
    assert found
    return json.loads(found[1])


def test_page_tells_people_and_search_engines_what_the_agent_is(client):
    listing = make_listing(
        agent=make_agent(make_workspace()[0], name="Guide", suggested_questions=("What do you know?",)),
        name="Tide table", tagline="When the sea comes back", features=["Knows every harbour"], **PER_MONTH,
    )  # fmt: skip
    page = read(client, f"/store/{listing.slug}")
    for part in ("When the sea comes back", "Knows every harbour", "What do you know?", "Buy · €9 a month"):
        assert part in page
    for name in ("og:title", "og:image", "og:url", "og:description"):
        assert f'property="{name}"' in page
    assert 'name="twitter:card" content="summary_large_image"' in page
    data = structured(page)
    assert (data["@type"], data["name"]) == ("SoftwareApplication", "Tide table")
    assert (data["offers"]["price"], data["offers"]["priceCurrency"]) == ("9.00", "EUR")
    assert "aggregateRating" not in data


def test_page_escapes_what_its_creator_wrote(client):
    listing = make_listing(
        name=f"Evil {HOSTILE}", tagline=HOSTILE, description=f"{HOSTILE}\n\n[x](javascript:alert(1))",
        features=[HOSTILE], tags=["<i>"], glyph="<",
    )  # fmt: skip
    update_creator(workspace_id=listing.workspace_id, handle="evil", name=HOSTILE, bio=HOSTILE)
    publish_listing(listing=listing, actor=None, changelog=HOSTILE)
    for path in (f"/store/{listing.slug}", f"/store/{listing.slug}/chat", "/store", "/store/creators/evil"):
        page = read(client, path)
        assert "<script>alert" not in page, path
        assert 'href="javascript:' not in page, path
    assert structured(read(client, f"/store/{listing.slug}"))["name"] == f"Evil {HOSTILE}"


def test_private_page_asks_for_the_token_and_stays_out_of_search_engines(client):
    listing = make_listing(name="Hush", visibility="private")
    page = read(client, f"/store/{listing.slug}")
    assert 'id="token-form"' in page
    assert 'id="use"' not in page
    assert 'name="robots" content="noindex"' in page
    assert "application/ld+json" not in page


def test_page_that_is_not_published_is_missing(client):
    draft, gone = make_draft(name="Half"), make_listing(name="Gone")
    unpublish_listing(listing=gone)
    for slug in (draft.slug, gone.slug, "never-was-12345678"):
        for path in (f"/store/{slug}", f"/store/{slug}/chat", f"/store/{slug}/og.png"):
            assert client.get(path).status_code == 404, path


def test_page_shows_the_release_and_not_the_draft(client):
    agent = make_agent(make_workspace()[0], suggested_questions=("As released?",))
    listing = make_listing(agent=agent)
    save_config(agent=agent, actor=None, changes={"suggested_questions": ["As drafted?"]}, expected_version=None)
    for path in (f"/store/{listing.slug}", f"/store/{listing.slug}/chat"):
        page = read(client, path)
        assert "As released?" in page
        assert "As drafted?" not in page


def test_reviews_are_shown_with_their_reply_and_the_spread_of_stars(client):
    listing = make_listing()
    for rating, text in ((5, "Found my keys."), (4, "Nearly found them.")):
        user = make_user(name="Mira")
        make_conversation(listing, user)
        review = save_review(listing=listing, user=user, rating=rating, text=text)
    reply_to_review(review=review, text="Look under the mat.")
    page = read(client, f"/store/{listing.slug}")
    for part in ("Found my keys.", "Nearly found them.", "Look under the mat.", "Mira", "4.5"):
        assert part in page
    assert re.findall(r'<progress class="bar" max="100" value="(\d+)"', page) == ["50", "50", "0", "0", "0"]
    assert structured(page)["aggregateRating"] == {"@type": "AggregateRating", "ratingValue": 4.5, "ratingCount": 2}


def test_more_reviews_lead_to_all_of_them_and_count_no_view(monkeypatch):
    monkeypatch.setattr("store.listing_page.SHOWN_REVIEWS", 2)
    client, listing = Client(headers={"User-Agent": "Mozilla/5.0 Firefox/140"}), make_listing()
    for number in range(5):
        Review.objects.create(listing=listing, user=make_user(), rating=5, text=f"Review {number}")
    texts, address = [], f"/store/{listing.slug}"
    for _ in range(3):
        page = read(client, address)
        texts.append(re.findall(r"Review \d", page))
        address = following_of(page) if len(texts) < 3 else ""
    assert texts == [["Review 4", "Review 3"], ["Review 2", "Review 1"], ["Review 0"]]
    assert "More reviews" not in page
    assert ListingDay.objects.get(listing=listing).views == 1
    assert client.get(f"/store/{listing.slug}?reviews=forged").status_code == 400


def test_creators_page_leads_to_all_reviews(monkeypatch):
    monkeypatch.setattr("store.maker_views.SHOWN_REVIEWS", 1)
    client = sign_in()
    listing = make_listing(client.workspace)
    for number in range(2):
        Review.objects.create(listing=listing, user=make_user(), rating=5, text=f"Review {number}")
    first = read(client, f"/store/mine/{listing.pk}")
    more = re.search(r'href="(\?reviews=[^"#]+)#', first)
    assert more
    rest = read(client, f"/store/mine/{listing.pk}{more[1]}")
    assert ("Review 1" in first, "Review 0" in first) == (True, False)
    assert ("Review 1" in rest, "Review 0" in rest) == (False, True)


def test_review_form_is_for_who_has_used_the_agent():
    reader, listing = sign_in(), make_listing()
    assert 'id="review-form"' not in read(reader, f"/store/{listing.slug}")
    make_conversation(listing, reader.user)
    assert 'id="review-form"' in read(reader, f"/store/{listing.slug}")


def test_purchase_turns_the_buy_button_into_use():
    reader, listing = sign_in(), make_listing(**PER_MONTH)
    assert "data-buy" in read(reader, f"/store/{listing.slug}")
    make_purchase(listing, reader.user)
    page = read(reader, f"/store/{listing.slug}")
    assert "data-buy" not in page
    assert 'id="use"' in page


def test_remix_names_where_it_came_from(client):
    source = make_listing(name="Ancestor", remix_policy="config")
    workspace, user = make_workspace()
    remix = remix_listing(listing=source, actor=user, workspace_id=workspace.pk)
    copy = make_listing(agent=remix.agent, name="Descendant")
    page = read(client, f"/store/{copy.slug}")
    assert "Remixed from" in page
    assert f'href="/store/{source.slug}"' in page


def test_view_counts_for_people_and_not_for_programs(client):
    listing = make_listing()
    client.get(f"/store/{listing.slug}", headers={"User-Agent": "Mozilla/5.0 Firefox/140"})
    client.get(f"/store/{listing.slug}", headers={"User-Agent": "Googlebot/2.1"})
    client.head(f"/store/{listing.slug}", headers={"User-Agent": "Mozilla/5.0 Firefox/140"})
    assert ListingDay.objects.get(listing=listing).views == 1


def test_share_image_is_a_picture_of_the_right_size(client):
    listing = make_listing(
        name="Un nom d'agent vraiment très long, sur plusieurs lignes, et même 漢字", tagline="x" * 120
    )
    response = client.get(f"/store/{listing.slug}/og.png")
    assert response["Content-Type"] == "image/png"
    assert "max-age" in response["Cache-Control"]
    assert Image.open(BytesIO(response.content)).size == (1200, 630)


def test_share_image_shows_the_listings_glyph_and_not_its_letter(client):
    pictures = []
    for glyph in ("compass", "heart", ""):
        listing = make_listing(name="Compass")
        Listing.objects.filter(pk=listing.pk).update(glyph=glyph)
        pictures.append(client.get(f"/store/{listing.slug}/og.png").content)
    icons = [Image.open(BytesIO(picture)).crop((90, 175, 370, 455)).tobytes() for picture in pictures]
    assert len(set(icons)) == 3


# --- creators


def test_creators_page_lists_what_is_public(client):
    workspace, _ = make_workspace()
    make_listing(workspace, name="Open door")
    make_listing(workspace, name="Closed door", visibility="private")
    update_creator(workspace_id=workspace.pk, handle="mira", name="Mira Okafor", bio="Small tools.")
    page = read(client, "/store/creators/mira")
    assert shown_names(page) == ["Open door"]
    assert "Small tools." in page
    assert client.get("/store/creators/nobody").status_code == 404


@pytest.mark.parametrize("path", ["/store/mine", "/store/library", "/store/moderation"])
def test_pages_of_members_send_a_stranger_to_the_sign_in_page(client, path):
    assert client.get(path)["Location"].startswith("/login?next=")


def test_wizard_starts_with_what_the_agent_says_of_itself():
    maker = sign_in()
    agent = make_agent(maker.workspace, name="Tide table", suggested_questions=("When is high water?",))
    page = read(maker, f"/store/publish/{agent.pk}")
    assert 'value="Tide table"' in page
    assert "When is high water?" in page
    assert read(sign_in(), f"/store/publish/{agent.pk}", status=404)
    assert read(sign_in(role=Role.VIEWER), f"/store/publish/{agent.pk}", status=403)


def test_wizard_says_what_an_update_would_change():
    maker = sign_in()
    agent = make_agent(maker.workspace, name="Tide table")
    listing = make_listing(agent=agent)
    assert "The store runs the agent as it is now." in read(maker, f"/store/publish/{agent.pk}")
    save_config(agent=agent, actor=None, changes={"instructions": "Answer in verse."}, expected_version=None)
    for path in (f"/store/publish/{agent.pk}", f"/store/mine/{listing.pk}"):
        page = read(maker, path)
        assert "The agent is 1 version ahead of the store." in page
        assert "Changed: Instructions." in page


def test_dashboard_sums_the_days_of_the_own_listings():
    maker = sign_in()
    listing = make_listing(maker.workspace, name="Mine", **PER_MONTH)
    other = make_listing(name="Foreign")
    day = listing.published_at.date()
    ListingDay.objects.create(listing=listing, day=day, views=40, uses=7, sales=2, revenue=1750)
    ListingDay.objects.create(listing=other, day=day, views=999, uses=999)
    page = read(maker, "/store/mine?metric=revenue")
    assert "Foreign" not in page
    assert "€17.50" in page
    assert "5%" in page  # 2 sales of 40 views
    assert len(re.findall('class="chart__bar"', page)) == 1
    maker.cookies["django_language"] = "fr"
    french = read(maker, "/store/mine?metric=revenue")
    assert "17,50\xa0€" in french
    assert not re.search(r'\s(?:x|y|x1|x2|y1|y2|width|height)="[^"]*,', french)  # coordinates have points


def test_listings_page_shows_tokens_and_reviews_to_answer():
    maker = sign_in()
    listing = make_listing(maker.workspace, name="Mine")
    create_token(listing=listing, actor=None, label="Press <b>")
    user = make_user(name="Jonas")
    make_conversation(listing, user)
    save_review(listing=listing, user=user, rating=3, text="Middling.")
    page = read(maker, f"/store/mine/{listing.pk}")
    assert "Press &lt;b&gt;" in page
    assert "Middling." in page
    assert read(sign_in(), f"/store/mine/{listing.pk}", status=404)


def test_viewer_looks_at_listings_and_changes_nothing():
    viewer = sign_in(role=Role.VIEWER)
    listing = make_listing(viewer.workspace)
    create_token(listing=listing, actor=None, label="Press")
    page = read(viewer, f"/store/mine/{listing.pk}")
    assert "Press" not in page
    assert 'id="unpublish"' not in page


@pytest.mark.parametrize("key", ["", "sk_test_1"])
def test_payouts_are_offered_where_the_server_takes_payments(settings, key):
    settings.BILLING, settings.STRIPE_SECRET_KEY = True, key
    page = read(sign_in(), "/store/mine")
    button = re.search(r'<button[^>]*id="connect"([^>]*)>', page)
    assert button
    assert ("hidden" not in button[1]) == bool(key)
    assert ("This server takes no payments" in page) == (not key)


def test_sales_are_shown_to_owners_alone():
    owner, editor = sign_in(), sign_in(role=Role.EDITOR)
    for maker in (owner, editor):
        listing = make_listing(maker.workspace, **PER_MONTH)
        make_purchase(listing, make_user(name="Aïcha"), paid=900, fee=90)
        page = read(maker, f"/store/mine/{listing.pk}")
        assert ("Aïcha" in page) == (maker is owner)
        assert ("data-refund" in page) == (maker is owner)


def test_page_thanks_the_buyer_who_comes_back_from_the_payment():
    reader, listing = sign_in(), make_listing(**PER_MONTH)
    assert "Your payment is being confirmed" in read(reader, f"/store/{listing.slug}?bought=1")
    make_purchase(listing, reader.user)
    assert "It is yours to use." in read(reader, f"/store/{listing.slug}?bought=1")


def test_library_holds_what_was_used_bought_and_remixed():
    reader = sign_in()
    used, bought = make_listing(name="Used one"), make_listing(name="Bought one", **PER_MONTH)
    make_conversation(used, reader.user)
    make_purchase(bought, reader.user)
    source = make_listing(name="Copied one", remix_policy="config")
    remix_listing(listing=source, actor=reader.user, workspace_id=reader.workspace.pk, name="My copy")
    page = read(reader, "/store/library")
    for part in ("Used one", "Bought one", "My copy", "€9"):
        assert part in page
    assert "Nothing here yet" in read(sign_in(), "/store/library")


def test_queue_is_the_operators_and_shows_what_was_reported():
    listing = make_listing(name="Reported <i>")
    report_listing(listing=listing, reporter=make_user(), reason="spam", text="It sells <b>watches</b>.")
    page = read(sign_in(is_staff=True), "/store/moderation")
    assert "Reported &lt;i&gt;" in page
    assert "It sells &lt;b&gt;watches&lt;/b&gt;." in page
    assert read(sign_in(), "/store/moderation", status=403)


def test_operators_act_on_the_pages_that_others_only_read():
    listing = make_listing()
    paths = {f"/store/{listing.slug}": "data-take-down", f"/store/creators/{listing.creator.handle}": "data-verify"}
    for path, button in paths.items():
        assert button in read(sign_in(is_staff=True), path)
        assert button not in read(sign_in(), path)


# --- what a page costs


def count(client, path, django_assert_max_num_queries):
    with django_assert_max_num_queries(40) as context:
        read(client, path)
    return len(context)


def add_everything(workspace, reader):
    """One more of all that the pages list."""
    listing = make_listing(workspace, remix_policy="config", **PER_MONTH)
    make_conversation(listing, reader)
    make_purchase(listing, reader)
    make_conversation(listing, other := make_user(name="Other"))
    save_review(listing=listing, user=other, rating=4, text="Good.")
    create_token(listing=listing, actor=None, label="Press")
    report_listing(listing=listing, reporter=other, reason="spam")
    make_agent(workspace)
    return listing


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/store", 4),
        ("/store?sort=new", 1),
        ("/store?q=guide", 2),
        ("/store/creators/{handle}", 3),
        ("/store/{slug}", 8),
    ],
)
def test_public_page_costs_the_same_queries_with_one_and_three_rows(client, path, most, django_assert_max_num_queries):
    workspace, _ = make_workspace()
    listing = add_everything(workspace, make_user())
    path = path.format(slug=listing.slug, handle=listing.creator.handle)
    with_one = count(client, path, django_assert_max_num_queries)
    for _ in range(2):
        add_everything(workspace, make_user())
    assert count(client, path, django_assert_max_num_queries) == with_one
    assert with_one <= most


@pytest.mark.parametrize("path", ["/store/mine", "/store/mine/{id}", "/store/library", "/store/moderation"])
def test_members_page_costs_the_same_queries_with_one_and_three_rows(path, django_assert_max_num_queries):
    reader = sign_in(is_staff=True)
    listing = add_everything(reader.workspace, reader.user)
    path = path.format(id=listing.pk)
    read(reader, path)
    with_one = count(reader, path, django_assert_max_num_queries)
    for _ in range(2):
        add_everything(reader.workspace, reader.user)
    assert count(reader, path, django_assert_max_num_queries) == with_one
    assert with_one <= 16
