"""A plan in the browser: from free to Pro by Checkout, to the end of a grace, with nothing lost."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit, create_agent, sign_up
from tests.e2e.looks import look_at
from tests.fake_stripe import FakeStripe
from tests.processes import wait_until


def wait_for_plan(page: Page, plan: str) -> None:
    """Until the job has applied what Stripe told."""
    expect_after_reload(page, f"#current-title:has-text('{plan}')")


def expect_after_reload(page: Page, selector: str) -> None:
    def is_there() -> bool:
        page.reload()
        return page.locator(selector).is_visible()

    wait_until(is_there, 30, lambda: f"{selector} in {page.locator('#billing-page').inner_text()}")


def test_plan_is_bought_raised_lost_and_nothing_with_it(customer: Visit, stripe: FakeStripe) -> None:
    site, page = customer.url, customer.page
    faults: list[str] = []
    webhook = f"{site}/api/webhooks/stripe"
    sign_up(page, site, "buyer@example.org")
    agent = create_agent(page, site, "Kept")

    page.goto(f"{site}/settings/billing")
    expect(page.locator("#current-title")).to_have_text("Free plan")
    faults += look_at(page)
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
    faults += look_at(page)

    subscription = stripe.state.all("subscription")[0]
    invoice = stripe.fail_payment(subscription["id"])
    assert set(stripe.deliver(webhook)) == {200}
    expect_after_reload(page, "#billing-grace")
    expect(page.locator("#current-title")).to_have_text("Pro plan")
    faults += look_at(page)

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
    assert not faults, "\n".join(faults)
