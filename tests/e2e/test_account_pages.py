"""The pages of signing in and of one's own account: accessible in light and dark, and within a phone's width."""

import re
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PASSWORD, Visitor, sign_up
from tests.e2e.looks import PHONE, look_at
from tests.processes import Process

OPEN = (
    "/login/cancelled", "/login/error", "/login/suspended", "/confirm-email", "/confirm-email/abc",
    "/password/reset/sent", "/password/reset/done", "/password/reset/key/1-abc",
)  # fmt: skip
OWN = ("password", "emails", "connections", "confirm")  # below /settings/security


def look(page: Page, title: str = "") -> list[str]:
    """What is wrong with the page that is shown, whose title holds this."""
    page.wait_for_load_state("load")
    assert title in page.title()
    return look_at(page)


def test_account_pages_are_accessible_and_fit_a_phone(visitor: Visitor, site: Process) -> None:
    visit = visitor(width=PHONE)
    visit.allowed.append("401 (Unauthorized)")  # the page that says so
    found = [problem for path in OPEN for problem in look(visit.open(path))]
    email = "two-steps@example.org"
    sign_up(visit.page, visit.url, email)
    page = visit.open("/settings/security/totp")
    expect(page.locator(".toast")).to_contain_text("verified")  # says why it cannot be turned on yet
    found += look(visit.open(confirmation_path(site, email)), "Confirm your e-mail address")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_load_state("load")
    found += [problem for name in OWN for problem in look(visit.open(f"/settings/security/{name}"))]
    page = visit.open("/settings/security/totp")
    confirm(page)
    found += look(page, "Turn on two-step sign-in")
    secret = page.locator("form code").inner_text()
    page.locator("input[name=code]").fill(code_of(secret))
    page.get_by_role("button", name="Turn on").click()
    page.wait_for_url("**/recovery-codes")
    found += look(page, "Recovery codes")
    found += look(visit.open("/settings/security/recovery-codes/new"))
    found += look(visit.open("/settings/security/totp/off"))
    found += look(visit.open("/settings/security"), "Security")
    found += look(visit.open("/logout"), "Sign out")
    page.locator("main form [type=submit]").click()
    visit.open("/login")
    page.locator("input[name=login]").fill(email)
    confirm(page)
    page.wait_for_url("**/login/code*")
    found += look(page)
    assert not found, "\n".join(found)


def confirmation_path(site: Process, email: str) -> str:
    """The link in the mail that was sent to this address."""
    mails = [path.read_text(encoding="utf-8") for path in (site.data_dir / "mail").iterdir()]
    mail = next(mail for mail in mails if f"To: {email}" in mail)
    return re.search(r"/confirm-email/[-:\w]+", mail)[0]  # type: ignore[index]


def confirm(page: Page) -> None:
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("input[type=password]").press("Enter")
    page.wait_for_load_state("load")


def code_of(secret: str) -> str:
    """What an authenticator app shows now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))
