"""An agent's way through the store, of one listing from its publication to its refund; and a private one's tokens."""

import re
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from core.embedded_postgres import EmbeddedPostgres
from tests.e2e.conftest import Visit, Visitor, answer, ask, create_agent, proof, sign_up
from tests.e2e.looks import look_at
from tests.fake_stripe import FakeStripe
from tests.processes import Process, wait_until


@pytest.fixture
def maker(visitor: Visitor, stripe: FakeStripe) -> Visit:
    visit = visitor()
    visit.allowed.append(stripe.url)
    return visit


def test_listing_is_published_found_used_remixed_bought_and_refunded(
    maker: Visit, customer: Visit, site: Process, stripe: FakeStripe
) -> None:
    faults: list[str] = []
    sign_up(maker.page, maker.url, "maker@example.org")
    path = publish(maker, "Tide table", faults)
    use_as_a_stranger(customer, path, faults)
    sign_up(customer.page, customer.url, "stranger@example.org")
    use_and_review(customer, path, faults)
    remix(customer, faults)
    put_a_price_on_it(maker, path, stripe, faults)
    buy(customer, path, stripe, faults)
    refund(maker, customer, path, stripe, faults)
    moderate(customer, path, site, faults)
    assert not faults, "\n".join(faults)


def publish(maker: Visit, name: str, faults: list[str]) -> str:
    """Through the wizard; returns the listing's path."""
    agent_path = create_agent(maker.page, maker.url, name)
    page = maker.open(f"/store/publish/{agent_path.rsplit('/', 1)[1]}")
    page.get_by_label("Tagline").fill("When the sea comes back")
    page.get_by_label("Category").select_option("research")
    faults += look_at(page)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Feature 1").fill("Knows every harbour")
    faults += look_at(page)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#preview-features")).to_have_text("Knows every harbour")
    faults += look_at(page)
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("heading", name="It is in the store")).to_be_visible()
    faults += look_at(page)
    return page.locator("#done-link").inner_text().removeprefix(maker.url)


def use_as_a_stranger(stranger: Visit, path: str, faults: list[str]) -> None:
    page = stranger.open("/store")
    faults += look_at(page)
    search = page.get_by_label("Search the store")
    search.press_sequentially("zeppelin")
    expect(page.get_by_text("Nothing found for")).to_be_visible()
    faults += look_at(page)
    search.fill("har")
    expect(page).to_have_url(re.compile(r"\?q=har$"))
    search.press_sequentially("buor")  # mistyped
    expect(page).to_have_url(re.compile(r"\?q=harbuor$"))
    expect(page.locator("#announcer")).to_contain_text("shown")
    faults += look_at(page)
    page.get_by_role("link", name=re.compile("Tide table")).first.click()
    expect(page).to_have_url(f"{stranger.url}{path}")
    faults += look_at(page)
    page.get_by_role("link", name="Use").click()
    expect(page.locator("html[data-ready]")).to_be_attached()
    expect(page.locator("#remaining")).to_contain_text("left")
    ask(page, "When is high water?")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    faults += look_at(page)
    before = page.locator("#remaining").inner_text()
    page.reload()  # the conversation is kept
    expect(answer(page)).to_have_attribute("data-state", "complete")
    assert before == page.locator("#remaining").inner_text()


def use_and_review(customer: Visit, path: str, faults: list[str]) -> None:
    page = customer.open(f"{path}/chat?ask=And%20low%20water%3F")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    customer.open(path)
    faults += look_at(page)
    page.get_by_label("4 stars").check(force=True)
    page.get_by_label("Review optional").fill("Never wet feet again.")
    page.get_by_role("button", name="Post review").click()
    expect(page.locator(".reviews")).to_contain_text("Never wet feet again.")


def remix(customer: Visit, faults: list[str]) -> None:
    page = customer.page
    page.get_by_role("button", name="Remix").click()
    faults += look_at(page)
    page.get_by_label("Name of your copy").fill("My tides")
    page.get_by_role("dialog").get_by_role("button", name="Remix").click()
    page.wait_for_url(re.compile(r"/agents/[0-9a-f-]{36}"))
    expect(page.get_by_label("Name of the agent")).to_have_value("My tides")
    customer.open("/store/library")
    expect(page.get_by_text("My tides")).to_be_visible()


def put_a_price_on_it(maker: Visit, path: str, stripe: FakeStripe, faults: list[str]) -> None:
    page = maker.open("/store/mine")
    faults += look_at(page)
    page.get_by_role("button", name="Connect Stripe").click()
    page.wait_for_url(f"{stripe.url}/setup/**")
    page.get_by_role("button", name="Confirm").click()
    deliver(stripe, maker)
    maker.open("/store/mine")
    reload_until(page, page.locator("#payouts-state", has_text="takes payments"))
    page.get_by_role("link", name="Tide table").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("link", name="Visibility").click()
    page.locator("[name='price.kind'][value=pack]").check(force=True)
    page.get_by_label("Amount").fill("5")
    page.get_by_label("Messages in a pack").fill("20")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#save-state")).to_have_text("Saved")


def buy(customer: Visit, path: str, stripe: FakeStripe, faults: list[str]) -> None:
    page = customer.open(path)
    faults += look_at(page)
    page.locator("[data-buy]").first.click()
    page.wait_for_url(f"{stripe.url}/pay/**")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(f"{customer.url}{path}?bought=1")
    deliver(stripe, customer)
    reload_until(page, page.get_by_role("link", name="Use"))
    page.get_by_role("link", name="Use").click()
    ask(page, "When is the spring tide?")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    customer.open("/store/library")
    expect(page.locator("main")).to_contain_text("1 / 20")
    faults += look_at(page)


def refund(maker: Visit, customer: Visit, path: str, stripe: FakeStripe, faults: list[str]) -> None:
    page = maker.open("/store/mine")
    page.get_by_role("link", name="Tide table").click()
    expect(page.locator("#sales")).to_contain_text("stranger")
    faults += look_at(page)
    page.locator("[data-refund]").click()
    page.get_by_role("dialog").get_by_role("button", name="Refund").click()
    expect(page.locator("#sales tbody")).to_contain_text("Refunded")
    assert stripe.state.all("charge")[0]["refunded"] is True
    customer.allowed.append("402 (Payment Required)")
    customer.open(f"{path}/chat")
    expect(customer.page.get_by_role("heading", name="This agent is paid for")).to_be_visible()
    faults += look_at(customer.page)


def moderate(operator: Visit, path: str, site: Process, faults: list[str]) -> None:
    """The same person reports the listing and, having been made the operator, decides on it."""
    page = operator.open(path)
    page.get_by_role("button", name="Report", exact=True).click()
    faults += look_at(page)
    page.get_by_role("dialog").get_by_role("button", name="Send").click()
    expect(page.locator(".toast")).to_contain_text("Thank you")
    server = EmbeddedPostgres(site.data_dir / "postgres")
    with psycopg.connect(host=str(server.sockets), user="postgres", dbname="gilo") as connection:
        connection.execute("UPDATE accounts_user SET is_staff = true WHERE email = 'stranger@example.org'")
    operator.open("/store/moderation")
    faults += look_at(page)
    page.get_by_role("button", name="Take the listing down").click()
    faults += look_at(page)
    page.get_by_role("dialog").get_by_label("Reason").fill("The moon says no.")
    page.get_by_role("dialog").get_by_role("button", name="Decide").click()
    expect(page.get_by_role("heading", name="Taken down")).to_be_visible()
    faults += look_at(page)


def deliver(stripe: FakeStripe, visit: Visit) -> None:
    """Stripe tells the server what has happened."""
    assert set(stripe.deliver(f"{visit.url}/api/webhooks/stripe")) == {200}


def reload_until(page: Page, shown: Locator) -> None:
    """Until the job has applied what Stripe told."""

    def is_shown() -> bool:
        page.reload()
        return shown.is_visible()

    wait_until(is_shown, 30, lambda: page.locator("main").inner_text())


def post(visit: Visit, path: str, **body: str) -> dict[str, Any]:
    """What one of our own pages would send."""
    answered = visit.page.request.post(f"{visit.url}{path}", data=body, **proof(visit.page, visit.url))
    assert answered.ok, answered.text()
    made: dict[str, Any] = answered.json()
    return made


def test_private_agent_opens_with_the_token_of_its_link_and_no_longer_once_revoked(
    maker: Visit, visitor: Visitor
) -> None:
    sign_up(maker.page, maker.url, "secretive@example.org")
    agent_id = create_agent(maker.page, maker.url, "Tide secrets").rpartition("/")[2]
    draft = post(maker, "/api/store/mine", agent_id=agent_id, name="Tide secrets", category="research")
    post(maker, f"/api/store/mine/{draft['id']}/publish")
    path = f"/store/{draft['slug']}"
    page = maker.open(path)
    page.get_by_role("link", name="Manage").click()
    page.wait_for_url(re.compile("/store/mine/"))
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("link", name="Visibility").click()
    page.get_by_label("Private").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#save-state")).to_have_text("Saved")
    page.go_back()
    page.wait_for_url(re.compile("/store/mine/"))
    page.get_by_label("Label").fill("Press")
    page.get_by_role("button", name="Create a token").click()
    link = page.locator("#token-link")
    expect(link).to_contain_text("#token=")

    guest = visitor()
    guest.allowed.append("403 (Forbidden)")
    guest.open(re.sub(r"^http://[^/]+", "", link.inner_text()))
    expect(guest.page).to_have_url(f"{guest.url}{path}")  # the token is out of the address
    guest.page.get_by_role("button", name="Open").click()
    expect(guest.page.locator("#gate")).to_be_hidden()
    ask(guest.page, "Hello?")
    expect(answer(guest.page)).to_have_attribute("data-state", "complete")

    page.reload()
    page.get_by_role("button", name="Revoke Press").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("button", name="Revoke Press")).to_have_count(0)
    guest.page.reload()
    expect(guest.page.get_by_role("heading", name="This token does not work")).to_be_visible()
