"""Money in the browser: from free to Pro to the end of a grace, with nothing lost; an agent bought and refunded."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.embedded_postgres import EmbeddedPostgres
from tests.e2e.conftest import Visit, create_agent, sign_up
from tests.e2e.test_pages import find_violations
from tests.fake_stripe import KEY, WEBHOOK_SECRET, FakeStripe
from tests.processes import Process, running


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    server = FakeStripe()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: Any, stripe: FakeStripe) -> Iterator[Process]:
    """A server that sells plans, set up as its operator does it."""
    data_dir = tmp_path_factory.mktemp("billing") / "data"
    environment = {
        "GILO_DEFAULT_PLAN": "free", "GILO_SEED_DEMO": "0", "STRIPE_SECRET_KEY": KEY, "STRIPE_API_BASE": stripe.url,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "GILO_TRIAL_DAYS": "0",
    }  # fmt: skip
    with running(data_dir, env=environment, is_first_start=False) as process:
        setup = Process(data_dir, "stripe_setup", env=environment)
        assert setup.popen.wait(60) == 0
        yield process
    EmbeddedPostgres(data_dir / "postgres").stop()


def address_of(shop: Process) -> str:
    """As Stripe knows it, to lead back to."""
    return f"http://localhost:{shop.port}"


Open = Callable[[], Page]


@pytest.fixture
def open_window(browser: Browser, shop: Process, stripe: FakeStripe) -> Iterator[Open]:
    """A person's own browser; every error in it fails the test at its end."""
    visits: list[Visit] = []

    def start() -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB", reduced_motion="reduce")
        visit = Visit(context, context.new_page(), address_of(shop), allowed=[stripe.url])  # Stripe's pages
        visits.append(visit)
        return visit.watch(visit.page)

    yield start
    for visit in visits:
        visit.context.close()
    for visit in visits:
        visit.check()


def wait_for_plan(page: Page, plan: str) -> None:
    """Until the job has applied what Stripe told."""
    deadline = time.monotonic() + 30
    while plan not in page.locator("#current-title").inner_text():
        assert time.monotonic() < deadline, page.locator("#billing-page").inner_text()
        time.sleep(0.2)
        page.reload()


def test_plan_is_bought_raised_lost_and_nothing_with_it(open_window: Open, shop: Process, stripe: FakeStripe) -> None:
    site = address_of(shop)
    webhook = f"{site}/api/webhooks/stripe"
    page = open_window()
    sign_up(page, site, "buyer@example.org")
    agent = create_agent(page, site, "Kept")

    page.goto(f"{site}/settings/billing")
    expect(page.locator("#current-title")).to_have_text("Free plan")
    assert find_violations(page) == []
    page.locator("[data-checkout=pro]").click()
    page.wait_for_url(f"{stripe.url}/pay/**")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(f"{site}/settings/billing?checkout=done")
    expect(page.locator("#billing-new")).to_be_visible()
    assert set(stripe.deliver(webhook)) == {200}
    wait_for_plan(page, "Pro plan")
    expect(page.locator("#billing-page .quota", has_text="Agents")).to_contain_text("/ 20")
    expect(page.get_by_role("row")).to_have_count(2)  # the head, and the first invoice
    expect(page.locator("table")).to_contain_text("$29.00")
    assert find_violations(page) == []

    subscription = stripe.state.all("subscription")[0]
    invoice = stripe.fail_payment(subscription["id"])
    assert set(stripe.deliver(webhook)) == {200}
    expect_after_reload(page, "#billing-grace")
    expect(page.locator("#current-title")).to_have_text("Pro plan")
    page.emulate_media(color_scheme="dark")
    assert find_violations(page) == []

    invoice["status_transitions"]["finalized_at"] -= 8 * 86_400  # the days of grace go by
    stripe.state.emit("customer.subscription.updated", subscription)
    assert set(stripe.deliver(webhook)) == {200}
    wait_for_plan(page, "Free plan")
    expect(page.locator("#billing-grace")).to_contain_text("Nothing is deleted")
    page.goto(f"{site}{agent}")
    expect(page.get_by_text("Kept").first).to_be_visible()

    stripe.pay(invoice["id"])
    assert set(stripe.deliver(webhook)) == {200}
    page.goto(f"{site}/settings/billing")
    wait_for_plan(page, "Pro plan")
    page.locator("[data-checkout=team]").click()
    page.wait_for_url(f"{stripe.url}/portal/**")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(f"{site}/settings/billing*")
    assert set(stripe.deliver(webhook)) == {200}
    wait_for_plan(page, "Team plan")


def expect_after_reload(page: Page, selector: str) -> None:
    deadline = time.monotonic() + 30
    while not page.locator(selector).is_visible():
        assert time.monotonic() < deadline, selector
        time.sleep(0.2)
        page.reload()


CALL = """async ([path, body]) => {
  const token = /csrftoken=([^;]+)/.exec(document.cookie)[1];
  const headers = {"Content-Type": "application/json", "X-CSRFToken": token};
  const answer = await fetch(path, {method: "POST", headers, body: JSON.stringify(body)});
  return {status: answer.status, ...await answer.json()};
}"""


def test_agent_is_bought_and_refunded(open_window: Open, shop: Process, stripe: FakeStripe) -> None:
    site = address_of(shop)
    webhook = f"{site}/api/webhooks/stripe"
    seller, buyer = open_window(), open_window()
    sign_up(seller, site, "seller@example.org")
    agent_id = create_agent(seller, site, "Tax guide").rpartition("/")[2]

    price = {"kind": "pack", "amount": 500, "currency": "usd", "pack_messages": 20}
    draft = seller.evaluate(
        CALL, ["/api/store/mine", {"agent_id": agent_id, "name": "Tax guide", "category": "business", "price": price}]
    )
    assert draft["status"] == "draft", draft
    seller.goto(f"{site}/store/mine")
    seller.locator("#connect").click()
    seller.wait_for_url(f"{stripe.url}/setup/**")
    seller.get_by_role("button", name="Confirm").click()
    assert set(stripe.deliver(webhook)) == {200}
    seller.goto(f"{site}/store/mine")
    expect_after_reload(seller, "#payouts-state:has-text('takes payments')")
    released = seller.evaluate(CALL, [f"/api/store/mine/{draft['id']}/publish", {}])
    assert released.get("number") == 1, released

    sign_up(buyer, site, "reader@example.org")
    buyer.goto(f"{site}/store/{draft['slug']}")
    buyer.locator("[data-buy]").first.click()
    buyer.wait_for_url(f"{stripe.url}/pay/**")
    buyer.get_by_role("button", name="Confirm").click()
    buyer.wait_for_url(f"{site}/store/{draft['slug']}?bought=1")
    assert set(stripe.deliver(webhook)) == {200}
    buyer.goto(f"{site}/store/library")
    expect_after_reload(buyer, "#bought-title")
    expect(buyer.locator("main")).to_contain_text("0 / 20")

    seller.goto(f"{site}/store/mine/{draft['id']}")
    expect(seller.locator("#sales")).to_contain_text("reader")
    seller.locator("[data-refund]").click()
    seller.locator("dialog[open] .btn--danger").click()
    expect(seller.locator("#sales tbody")).to_contain_text("Refunded")
    buyer.goto(f"{site}/store/{draft['slug']}")
    expect(buyer.locator("[data-buy]").first).to_be_visible()
    assert stripe.state.all("charge")[0]["refunded"] is True
