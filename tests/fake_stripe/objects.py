"""Stripe's objects, as far as somebody reads them, and the state that they are in."""

import copy
import secrets
import time
from typing import Any

from tests.fake_stripe.parameters import Refused

Row = dict[str, Any]
MONTH = 30 * 86_400
COLLECTIONS = (
    "product", "price", "customer", "checkout.session", "billing_portal.session", "billing_portal.configuration",
    "subscription", "invoice", "billing.meter", "payment_intent", "charge", "refund", "transfer", "application_fee",
    "account", "invoice_payment", "payout", "dispute", "webhook_endpoint",
)  # fmt: skip


class State:
    """Everything that this Stripe knows."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in COLLECTIONS}
        self.events: list[Row] = []
        self.meter_events: dict[str, Row] = {}
        self.skipped = 0  # seconds that the clock is ahead
        self.empty_accounts: set[str] = set()  # from which nothing can be taken back
        self.site = "https://stripe.test"  # where the pages for people are

    @property
    def now(self) -> int:
        return int(time.time()) + self.skipped

    def add(self, kind: str, prefix: str, **fields: Any) -> Row:
        row = {"id": f"{prefix}_{secrets.token_hex(10)}", "object": kind, "created": self.now, "livemode": False}
        row |= {"metadata": {}} | fields
        self.rows[kind][row["id"]] = row
        return row

    def get(self, kind: str, id: str, param: str = "id") -> Row:
        try:
            return self.rows[kind][id]
        except KeyError:
            raise Refused(404, "resource_missing", f"No such {kind}: '{id}'", param=param) from None

    def all(self, kind: str, **conditions: Any) -> list[Row]:
        """The rows that have these values, newest first, as Stripe lists them."""
        rows = self.rows[kind].values()
        return [row for row in rows if all(row.get(name) == value for name, value in conditions.items())][::-1]

    def emit(self, type: str, row: Row, account: str = "") -> Row:
        """Note that something happened, with the object as it is now."""
        event = {
            "id": f"evt_{secrets.token_hex(12)}", "object": "event", "api_version": "2026-10-28.endive",
            "created": self.now, "data": {"object": copy.deepcopy(row)}, "livemode": False, "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None}, "type": type,
        }  # fmt: skip
        if account:
            event["account"] = account
        self.events.append(event)
        return event


def listed(rows: list[Row], url: str, given: Row) -> Row:
    """One page of rows."""
    limit = given.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refused(400, "parameter_invalid_integer", "limit must be between 1 and 100", param="limit")
    if after := given.get("starting_after"):
        ids = [row["id"] for row in rows]
        if after not in ids:
            raise Refused(404, "resource_missing", f"No such object: {after}", param="starting_after")
        rows = rows[ids.index(after) + 1 :]
    return {"object": "list", "url": url, "has_more": len(rows) > limit, "data": rows[:limit]}


class Billing(State):
    """What happens by itself: subscriptions make invoices, payments make charges, transfers and fees."""

    def make_subscription(self, customer: str, items: list[Row], data: Row) -> Row:
        trial = data.get("trial_period_days")
        end = self.now + (trial * 86_400 if trial else MONTH)
        subscription = self.add(
            "subscription", "sub", customer=customer, status="trialing" if trial else "active",
            metadata=data.get("metadata", {}), cancel_at=None, cancel_at_period_end=False, canceled_at=None,
            ended_at=None, trial_start=self.now if trial else None, trial_end=end if trial else None,
            currency=items[0]["price"]["currency"],
            start_date=self.now, billing_cycle_anchor=end, latest_invoice=None,
            application_fee_percent=data.get("application_fee_percent"), transfer_data=data.get("transfer_data"),
        )  # fmt: skip
        rows = [self._make_item(subscription["id"], item, end) for item in items]
        subscription["items"] = {"object": "list", "data": rows, "has_more": False, "url": "/v1/subscription_items"}
        return subscription

    def _make_item(self, subscription: str, item: Row, end: int) -> Row:
        made = {
            "id": f"si_{secrets.token_hex(7)}", "object": "subscription_item", "created": self.now, "metadata": {},
            "price": item["price"], "subscription": subscription, "current_period_start": self.now,
            "current_period_end": end,
        }  # fmt: skip
        return made if is_metered(item["price"]) else {**made, "quantity": item.get("quantity", 1)}

    def make_invoice(self, subscription: Row, *, paid: bool, total: int | None = None) -> Row:
        """The subscription's next invoice, finalized, and tried to collect."""
        if total is None:
            total = sum(
                (item["price"]["unit_amount"] or 0) * item.get("quantity", 0) for item in items_of(subscription)
            )
        number = f"GILO-{len(self.rows['invoice']) + 1:04}"
        invoice = self.add(
            "invoice", "in", customer=subscription["customer"], number=number, status="open", total=total,
            amount_due=total, amount_paid=0, amount_remaining=total, attempted=True, attempt_count=1,
            currency=subscription["currency"],
            hosted_invoice_url=f"https://invoice.stripe.test/{number}", auto_advance=True,
            invoice_pdf=f"https://invoice.stripe.test/{number}.pdf",
            parent={
                "type": "subscription_details", "quote_details": None,
                "subscription_details": {
                    "subscription": subscription["id"], "metadata": copy.deepcopy(subscription["metadata"]),
                },
            },
            status_transitions={
                "finalized_at": self.now, "paid_at": None, "voided_at": None, "marked_uncollectible_at": None,
            },
            period_start=self.now, period_end=self.now,
        )  # fmt: skip
        subscription["latest_invoice"] = invoice["id"]
        self.emit("invoice.created", invoice)
        self.emit("invoice.finalized", invoice)
        if paid:
            self.pay_invoice(invoice)
        return invoice

    def pay_invoice(self, invoice: Row) -> None:
        subscription = self.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
        if invoice["total"]:
            percent = subscription["application_fee_percent"]
            fee = None if percent is None else round(invoice["total"] * percent / 100)
            intent = self.make_payment(
                invoice["total"], invoice["currency"], invoice["customer"], fee=fee,
                destination=(subscription["transfer_data"] or {}).get("destination"), metadata={},
            )  # fmt: skip
            self.add(
                "invoice_payment", "inpay", invoice=invoice["id"], status="paid", is_default=True,
                amount_paid=invoice["total"], amount_requested=invoice["total"], currency=invoice["currency"],
                payment={"type": "payment_intent", "payment_intent": intent["id"]},
            )  # fmt: skip
        invoice |= {"status": "paid", "amount_paid": invoice["total"], "amount_remaining": 0}
        invoice["status_transitions"]["paid_at"] = self.now
        self.emit("invoice.paid", invoice)
        self.emit("invoice.payment_succeeded", invoice)

    def make_payment(
        self,
        amount: int,
        currency: str,
        customer: str | None,
        *,
        fee: int | None,
        destination: str | None,
        metadata: Row,
    ) -> Row:
        """A payment that succeeded: intent and charge, and for somebody else's sale the transfer and our fee."""
        intent = self.add(
            "payment_intent", "pi", amount=amount, amount_received=amount, currency=currency, customer=customer,
            status="succeeded", metadata=metadata, application_fee_amount=fee,
            transfer_data={"destination": destination} if destination else None,
        )  # fmt: skip
        charge = self.add(
            "charge", "ch", amount=amount, amount_captured=amount, amount_refunded=0, captured=True, currency=currency,
            customer=customer, metadata=copy.deepcopy(metadata), paid=True, payment_intent=intent["id"], refunded=False,
            status="succeeded", application_fee_amount=fee, application_fee=None, transfer=None,
            transfer_data=intent["transfer_data"], disputed=False,
        )  # fmt: skip
        intent["latest_charge"] = charge["id"]
        if destination:
            transfer = self.add(
                "transfer", "tr", amount=amount, amount_reversed=0, currency=currency, destination=destination,
                reversed=False, source_transaction=charge["id"],
                reversals={"object": "list", "data": [], "has_more": False, "url": "/v1/transfers/reversals"},
            )  # fmt: skip
            charge["transfer"] = transfer["id"]
        if fee:
            made = self.add(
                "application_fee", "fee", amount=fee, amount_refunded=0, charge=charge["id"], currency=currency,
                account=destination, refunded=False,
            )  # fmt: skip
            charge["application_fee"] = made["id"]
        self.emit("payment_intent.succeeded", intent)
        self.emit("charge.succeeded", charge)
        return intent

    def refund_charge(self, charge: Row, amount: int | None, *, fee: bool, reverse: bool, metadata: Row) -> Row:
        """Money back to the buyer; on wish the fee to the seller, and the seller's part to us."""
        left = charge["amount"] - charge["amount_refunded"]
        amount = left if amount is None else amount
        if not left:
            raise Refused(400, "charge_already_refunded", f"Charge {charge['id']} has already been refunded.")
        if amount > left or amount < 1:
            raise Refused(400, "amount_too_large", "Refund amount is greater than unrefunded amount on charge")
        if self.all("dispute", charge=charge["id"], is_charge_refundable=False):
            raise Refused(
                400, "charge_disputed", f"Charge {charge['id']} has been charged back; cannot issue a refund."
            )
        refund = self.add(
            "refund", "re", amount=amount, charge=charge["id"], currency=charge["currency"], metadata=metadata,
            payment_intent=charge["payment_intent"], reason=None, status="succeeded",
        )  # fmt: skip
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        if reverse:
            if not charge["transfer"]:
                raise Refused(
                    400, "parameter_invalid", "The charge has no transfer to reverse", param="reverse_transfer"
                )
            self.reverse(self.get("transfer", charge["transfer"]), amount, {})
        if fee:
            self._refund_fee(charge, charge["amount_refunded"])
        self.emit("charge.refunded", charge)
        return refund

    def _refund_fee(self, charge: Row, amount: int) -> None:
        """Of the fee the part that this amount is of the charge."""
        if charge["application_fee"]:
            row = self.get("application_fee", charge["application_fee"])
            row["amount_refunded"] = round(row["amount"] * amount / charge["amount"])
            row["refunded"] = row["amount_refunded"] == row["amount"]

    def reverse(self, transfer: Row, amount: int, metadata: Row, *, fee: bool = False) -> Row:
        """The seller's part back to us; on wish with our fee to the seller."""
        if not 0 < amount <= transfer["amount"] - transfer["amount_reversed"]:
            raise Refused(
                400, "parameter_invalid", "Reversal amount is greater than the unreversed amount", param="amount"
            )
        if transfer["destination"] in self.empty_accounts:
            raise Refused(400, "balance_insufficient", "Insufficient funds in the connected account")
        reversal = {
            "id": f"trr_{len(transfer['reversals']['data'])}_{transfer['id']}", "object": "transfer_reversal",
            "amount": amount, "created": self.now, "currency": transfer["currency"], "metadata": metadata,
            "transfer": transfer["id"],
        }  # fmt: skip
        transfer["reversals"]["data"].insert(0, reversal)
        transfer["amount_reversed"] += amount
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
        if fee:
            self._refund_fee(self.get("charge", transfer["source_transaction"]), transfer["amount_reversed"])
        return reversal


def items_of(subscription: Row) -> list[Row]:
    return list(subscription["items"]["data"])


def is_metered(price: Row) -> bool:
    return bool(price["recurring"]) and price["recurring"]["usage_type"] == "metered"
