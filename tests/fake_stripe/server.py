"""Stripe over real HTTP, in a thread: keys, idempotency, errors and faults; and the people who pay."""

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests
from stripe import WebhookSignature

from tests.fake_stripe.calls import ROUTES, visible
from tests.fake_stripe.objects import MONTH, Billing, Row, items_of
from tests.fake_stripe.parameters import Refused, check, read_form

KEY = "sk_test_fake"
WEBHOOK_SECRET = "whsec_fake"


@dataclass
class Recorded:
    """One request as it came."""

    method: str
    path: str
    given: Row
    idempotency_key: str
    account: str


@dataclass
class FakeStripe:
    """The server. `faults` are statuses (429, 500) or "hang up", each for one of the next requests; "down" for all."""

    url: str = ""
    state: Billing = field(default_factory=Billing)
    after_set_up: Billing | None = None  # what a fixture keeps for the next test
    requests: list[Recorded] = field(default_factory=list)
    faults: list[int | str] = field(default_factory=list)
    is_down: bool = False
    holds: dict[str, threading.Event] = field(default_factory=dict)  # path → what its next answer waits for

    def start(self) -> None:
        fake = self

        class Handler(_Handler):
            stripe = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.state.site = self.url
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        self.state, self.requests, self.faults, self.is_down = Billing(), [], [], False
        self.state.site, self.holds = self.url or self.state.site, {}
        self._answers: dict[str, tuple[Any, int, Row]] = {}
        self._lock = threading.RLock()

    def __post_init__(self) -> None:
        self.reset()

    def answer(self, method: str, url: str, body: str, headers: Any) -> tuple[int, Row]:
        """What Stripe answers: (status, body). One request after the other."""
        with self._lock:
            try:
                return 200, self._answer(method, url, body, headers)
            except Refused as refused:
                return refused.status, refused.body

    def _answer(self, method: str, url: str, body: str, headers: Any) -> Row:
        if headers.get("Authorization") != f"Bearer {KEY}":
            raise Refused(401, "", "Invalid API Key provided", type="invalid_request_error")
        parts = urlsplit(url)
        given = read_form(body if method == "POST" else parts.query)
        key, account = headers.get("Idempotency-Key", ""), headers.get("Stripe-Account", "")
        self.requests.append(Recorded(method, parts.path, given, key, account))
        if method == "GET" or not key:
            return self._run(method, parts.path, given, account)
        fingerprint = (method, parts.path, json.dumps(given, sort_keys=True), account)
        if key in self._answers:
            known, status, answer = self._answers[key]
            if known != fingerprint:
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                )
                raise Refused(400, "", message, type="idempotency_error")
            if status != 200:
                refused = Refused(status, "", "")
                refused.body = answer
                raise refused
            return answer
        try:
            answer = self._run(method, parts.path, given, account)
        except Refused as refused:
            self._answers[key] = (fingerprint, refused.status, refused.body)
            raise
        self._answers[key] = (fingerprint, 200, answer)
        return answer

    def _run(self, method: str, path: str, given: Row, account: str) -> Row:
        for wanted, pattern, kind, call in ROUTES:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                typed = check(given, kind)
                if path == "/v1/balance":
                    typed["_account"] = account
                if account:
                    self.state.get("account", account)
                return json.loads(json.dumps(visible(call(self.state, typed, list(match.groups()))), default=str))
        raise Refused(404, "", f"Unrecognized request URL ({method}: {path}).")

    # --- Webhooks ---------------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Row]:
        """Everything that happened, oldest first."""
        return self.state.events

    def take_events(self, *types: str) -> list[Row]:
        """The events so far, of these types; the list is empty afterwards, as if delivered."""
        taken = [event for event in self.state.events if not types or event["type"] in types]
        self.state.events = []
        return taken

    def sign(self, event: Row, *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> tuple[bytes, str]:
        """The webhook's body and its Stripe-Signature."""
        body = json.dumps(visible(event))
        return body.encode(), WebhookSignature.generate_signature_header(body, secret, at or int(time.time()))

    def deliver(self, address: str) -> list[int]:
        """Send what happened so far to a webhook's address; returns how it answered each."""
        statuses = []
        for event in self.take_events():
            body, signature = self.sign(event)
            headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
            statuses.append(requests.post(address, body, headers=headers, timeout=30).status_code)
        return statuses

    # --- People -----------------------------------------------------------------------------------------------------

    def complete_checkout(self, session_id: str) -> Row:
        """The buyer pays on Stripe's page."""
        with self._lock:
            session = self.state.get("checkout.session", session_id)
            assert session["status"] == "open", session["status"]
            if session["customer"] is None and session["mode"] == "subscription":
                session["customer"] = self.state.add("customer", "cus", email=session.get("customer_email"))["id"]
            subscribe = self._subscribe if session["mode"] == "subscription" else self._pay
            subscribe(session)
            session |= {"status": "complete", "url": None}
            self.state.emit("checkout.session.completed", session)
            return session

    def _subscribe(self, session: Row) -> None:
        data = session.get("subscription_data", {})
        subscription = self.state.make_subscription(session["customer"], session["_items"], data)
        session |= {"subscription": subscription["id"], "payment_status": "paid"}
        self.state.make_invoice(subscription, paid=True, total=0 if subscription["trial_end"] else None)
        self.state.emit("customer.subscription.created", subscription)

    def _pay(self, session: Row) -> None:
        data = session.get("payment_intent_data", {})
        intent = self.state.make_payment(
            session["amount_total"], session["currency"], session["customer"],
            fee=data.get("application_fee_amount"), metadata=data.get("metadata", {}),
            destination=data.get("transfer_data", {}).get("destination"),
        )  # fmt: skip
        session |= {"payment_intent": intent["id"], "payment_status": "paid"}

    def confirm_portal(self, session_id: str) -> Row:
        """The customer confirms the change that the portal's page asks about."""
        flow = self.state.get("billing_portal.session", session_id)["flow_data"]["subscription_update_confirm"]
        subscription = self.state.get("subscription", flow["subscription"])
        for change in flow["items"]:
            item = next(item for item in items_of(subscription) if item["id"] == change["id"])
            item["price"] = self.state.get("price", change["price"])
        self.state.emit("customer.subscription.updated", subscription)
        return subscription

    def renew(self, subscription_id: str, *, paid: bool = True) -> Row:
        """A period ends and the next invoice comes, which is paid or not. Returns the invoice."""
        with self._lock:
            subscription = self.state.get("subscription", subscription_id)
            for item in items_of(subscription):
                item["current_period_start"] = item["current_period_end"]
                item["current_period_end"] += MONTH
            invoice = self.state.make_invoice(subscription, paid=paid)
            subscription["status"] = "active" if paid else "past_due"
            if not paid:
                self.state.emit("invoice.payment_failed", invoice)
            self.state.emit("customer.subscription.updated", subscription)
            return invoice

    def fail_payment(self, subscription_id: str) -> Row:
        return self.renew(subscription_id, paid=False)

    def pay(self, invoice_id: str) -> Row:
        """The customer pays an open invoice, with another card."""
        with self._lock:
            invoice = self.state.get("invoice", invoice_id)
            self.state.pay_invoice(invoice)
            subscription = self.state.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
            still_open = [
                row for row in self.state.all("invoice", status="open")
                if row["parent"]["subscription_details"]["subscription"] == subscription["id"]
            ]  # fmt: skip
            subscription["status"] = "past_due" if still_open else "active"
            self.state.emit("customer.subscription.updated", subscription)
            return invoice

    def cancel(self, subscription_id: str) -> Row:
        """The subscription ends now."""
        subscription = self.state.get("subscription", subscription_id)
        subscription |= {"status": "canceled", "canceled_at": self.state.now, "ended_at": self.state.now}
        self.state.emit("customer.subscription.deleted", subscription)
        return subscription

    def refund(self, payment_intent_id: str, amount: int | None = None) -> Row:
        """Somebody refunds in Stripe's dashboard, with the fee and the seller's part."""
        charge = self.state.get("charge", self.state.get("payment_intent", payment_intent_id)["latest_charge"])
        return self.state.refund_charge(charge, amount, fee=True, reverse=bool(charge["transfer"]), metadata={})

    def dispute(self, payment_intent_id: str, *, status: str = "needs_response") -> Row:
        """The buyer's bank takes a payment back; with a `warning_...` status it only asks."""
        charge = self.state.get("charge", self.state.get("payment_intent", payment_intent_id)["latest_charge"])
        is_inquiry = status.startswith("warning_")
        dispute = self.state.add(
            "dispute", "du", amount=charge["amount"] - charge["amount_refunded"], balance_transactions=[],
            charge=charge["id"], currency=charge["currency"], enhanced_eligibility_types=[], evidence={},
            evidence_details={"due_by": self.state.now + 7 * 86_400, "has_evidence": False, "past_due": False,
                              "submission_count": 0, "enhanced_eligibility": {}},
            is_charge_refundable=is_inquiry, payment_intent=payment_intent_id, payment_method_details=None,
            reason="product_not_received", status=status,
        )  # fmt: skip
        charge["disputed"] = True
        self.state.emit("charge.dispute.created", dispute)
        if not is_inquiry:
            self.state.emit("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def decide_dispute(self, dispute_id: str, status: str) -> Row:
        """Somebody decides: "won", "lost" or "warning_closed"."""
        dispute = self.state.get("dispute", dispute_id)
        dispute["status"] = status
        self.state.emit("charge.dispute.closed", dispute)
        if status == "won":
            self.state.emit("charge.dispute.funds_reinstated", dispute)
        return dispute

    def finish_onboarding(self, account_id: str) -> Row:
        """The seller has told Stripe everything: payments and payouts are open."""
        account = self.state.get("account", account_id)
        account |= {"charges_enabled": True, "payouts_enabled": True, "details_submitted": True}
        self.state.emit("account.updated", account, account=account_id)
        return account


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stripe: FakeStripe

    def _serve(self) -> None:
        if not self.path.startswith("/v1/"):
            self._show_page(*self.path.strip("/").split("/"))
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        fault = "hang up" if self.stripe.is_down else self.stripe.faults.pop(0) if self.stripe.faults else 0
        if fault == "hang up":
            self.close_connection = True
            return
        if fault:
            kind = "rate_limit_error" if fault == 429 else "api_error"
            status, answer = int(fault), {"error": {"type": kind, "message": "A fault of the test's making."}}
        else:
            status, answer = self.stripe.answer(self.command, self.path, body, self.headers)
        content = json.dumps(answer).encode()
        if hold := self.stripe.holds.pop(urlsplit(self.path).path, None):
            hold.wait(30)
        head = (
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            f"Request-Id: req_{secrets.token_hex(6)}\r\nStripe-Should-Retry: {'true' if fault else 'false'}\r\n\r\n"
        )
        self.wfile.write(head.encode() + content)

    def _show_page(self, kind: str, id: str, *_: str) -> None:
        """Stripe's page for people: one button, and back to where they came from."""
        fake, head = self.stripe, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
        content = (
            b"<!doctype html><title>Stripe</title><h1>Stripe</h1><form method=post><button>Confirm</button></form>"
        )
        if self.command == "POST":
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if kind == "pay":
                target = fake.complete_checkout(id)["success_url"]
            elif kind == "portal":
                fake.confirm_portal(id)
                flow = fake.state.get("billing_portal.session", id)["flow_data"]
                target = flow["after_completion"]["redirect"]["return_url"]
            else:
                fake.finish_onboarding(id)
                target = self.headers.get("Referer", "/")
            head, content = f"HTTP/1.1 303 See Other\r\nLocation: {target}\r\n", b""
        self.wfile.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass
