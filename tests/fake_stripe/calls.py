"""The calls of Stripe's API that GiLo makes, each with the SDK's own description of its parameters."""

import copy
import re
import secrets
from collections.abc import Callable
from typing import Any

from stripe import params as p

from tests.fake_stripe.objects import Billing, Row, is_metered, items_of, listed
from tests.fake_stripe.parameters import Refused

Call = Callable[[Billing, Row, list[str]], Row]
ROUTES: list[tuple[str, re.Pattern[str], Any, Call]] = []


def route(method: str, path: str, kind: Any) -> Callable[[Call], Call]:
    """`*` in the path is an id."""
    pattern = re.compile("/v1/" + path.replace("*", r"([A-Za-z0-9_]+)"))

    def add(call: Call) -> Call:
        ROUTES.append((method, pattern, kind, call))
        return call

    return add


def retrieving(path: str, kind: str, params: Any) -> None:
    @route("GET", f"{path}/*", params)
    def retrieve(state: Billing, given: Row, ids: list[str]) -> Row:
        _no_expansion(given)
        return state.get(kind, ids[0])


def listing(path: str, kind: str, params: Any, *filters: str) -> None:
    @route("GET", path, params)
    def list_rows(state: Billing, given: Row, ids: list[str]) -> Row:
        _no_expansion(given)
        for name in given:
            if name not in {*filters, "limit", "starting_after", "ending_before"}:
                raise AssertionError(f"teach tests/fake_stripe/calls.py to filter {kind} by {name}")
        wanted = {name: given[name] for name in filters if name in given}
        if wanted.get("status") == "all":
            del wanted["status"]
        return listed(state.all(kind, **wanted), f"/v1/{path}", given)


def _no_expansion(given: Row) -> None:
    if "expand" in given:
        raise AssertionError("this fake does not expand objects")


def need(given: Row, *names: str) -> None:
    """What Stripe requires although the SDK's types cannot say so."""
    for name in names:
        if name not in given:
            raise Refused(400, "parameter_missing", f"Missing required param: {name}.", param=name)


def refuse(message: str, param: str, code: str = "parameter_invalid") -> Refused:
    return Refused(400, code, message, param=param)


# --- What is sold ------------------------------------------------------------------------------------------------


@route("POST", "prices", p.PriceCreateParams)
def create_price(state: Billing, given: Row, ids: list[str]) -> Row:
    amounts = [name for name in ("unit_amount", "unit_amount_decimal", "custom_unit_amount") if name in given]
    if len(amounts) != 1:
        raise refuse("You must pass exactly one of unit_amount, unit_amount_decimal, custom_unit_amount", "unit_amount")
    if ("product" in given) == ("product_data" in given):
        raise refuse("You must pass exactly one of product, product_data", "product")
    key = given.get("lookup_key")
    if key and state.all("price", lookup_key=key):
        raise refuse(f"A price already uses the lookup key {key}", "lookup_key", "resource_already_exists")
    return make_price(state, given)


def make_price(state: Billing, given: Row) -> Row:
    product = given.get("product") or state.add("product", "prod", active=True, **given["product_data"])["id"]
    state.get("product", product, "product")
    recurring = given.get("recurring")
    if recurring and recurring.get("meter"):
        state.get("billing.meter", recurring["meter"], "recurring[meter]")
    elif recurring and recurring.get("usage_type") == "metered":
        raise refuse("Metered prices need a meter", "recurring[meter]")
    whole = {"interval_count": 1, "meter": None, "usage_type": "licensed", "trial_period_days": None}
    decimal = given.get("unit_amount_decimal", given.get("unit_amount"))
    return state.add(
        "price", "price", active=True, product=product, currency=given["currency"],
        lookup_key=given.get("lookup_key"), metadata=given.get("metadata", {}),
        unit_amount=given.get("unit_amount"), unit_amount_decimal=str(decimal), nickname=None,
        recurring={**whole, **recurring} if recurring else None, type="recurring" if recurring else "one_time",
        billing_scheme="per_unit",
    )  # fmt: skip


@route("GET", "prices", p.PriceListParams)
def list_prices(state: Billing, given: Row, ids: list[str]) -> Row:
    rows = state.all("price")
    if "lookup_keys" in given:
        if len(given["lookup_keys"]) > 10:
            raise refuse("lookup_keys may have at most 10", "lookup_keys")
        rows = [row for row in rows if row["lookup_key"] in given["lookup_keys"]]
    if "active" in given:
        rows = [row for row in rows if row["active"] == given["active"]]
    return listed(rows, "/v1/prices", given)


retrieving("prices", "price", p.PriceRetrieveParams)


@route("POST", "billing/meters", p.billing.MeterCreateParams)
def create_meter(state: Billing, given: Row, ids: list[str]) -> Row:
    if state.all("billing.meter", event_name=given["event_name"], status="active"):
        raise refuse("There is already an active meter for this event name", "event_name", "resource_already_exists")
    return state.add("billing.meter", "mtr", status="active", **given)


listing("billing/meters", "billing.meter", p.billing.MeterListParams, "status")


@route("POST", "billing/meter_events", p.billing.MeterEventCreateParams)
def create_meter_event(state: Billing, given: Row, ids: list[str]) -> Row:
    meters = state.all("billing.meter", event_name=given["event_name"], status="active")
    if not meters:
        raise refuse(f"No active meter found for event name {given['event_name']}", "event_name", "no_meter")
    identifier = given.get("identifier") or secrets.token_hex(12)
    if len(identifier) > 100:
        raise refuse("identifier is longer than 100 characters", "identifier")
    if identifier in state.meter_events:
        raise refuse(f"An event already exists with identifier {identifier}.", "identifier")
    at = given.get("timestamp", state.now)
    if not state.now - 35 * 86_400 <= at <= state.now + 300:
        raise refuse("timestamp must be within the past 35 days, or up to 5 minutes in the future", "timestamp")
    payload = given["payload"]
    need(payload, "stripe_customer_id", "value")
    if not payload["value"].isdigit():
        raise refuse("value must be a whole number", "payload[value]")
    state.get("customer", payload["stripe_customer_id"], "payload[stripe_customer_id]")
    made = {"object": "billing.meter_event", "created": state.now, "livemode": False, **given}
    state.meter_events[identifier] = made | {"identifier": identifier, "timestamp": at}
    return state.meter_events[identifier]


# --- Customers, and the pages that they are sent to ---------------------------------------------------------------


@route("POST", "customers", p.CustomerCreateParams)
def create_customer(state: Billing, given: Row, ids: list[str]) -> Row:
    row = state.add("customer", "cus", **{"email": None, "name": None, "address": None, **given})
    state.emit("customer.created", row)
    return row


@route("POST", "customers/*", p.CustomerUpdateParams)
def update_customer(state: Billing, given: Row, ids: list[str]) -> Row:
    row = state.get("customer", ids[0])
    row.update(given)
    state.emit("customer.updated", row)
    return row


retrieving("customers", "customer", p.CustomerRetrieveParams)


@route("POST", "checkout/sessions", p.checkout.SessionCreateParams)
def create_checkout(state: Billing, given: Row, ids: list[str]) -> Row:
    need(given, "mode", "success_url", "line_items")
    is_subscription = given["mode"] == "subscription"
    if "customer" in given:
        customer = state.get("customer", given["customer"], "customer")
        if "customer_email" in given:
            raise refuse("You may only specify one of customer, customer_email", "customer_email")
        update = given.get("customer_update", {})
        if (
            given.get("automatic_tax", {}).get("enabled")
            and not customer["address"]
            and update.get("address") != "auto"
        ):
            raise refuse("Automatic tax needs the customer's address", "automatic_tax", "customer_tax_location_invalid")
        if given.get("tax_id_collection", {}).get("enabled") and update.get("name") != "auto":
            raise refuse("Tax ID collection requires customer_update[name] = auto", "customer_update")
    elif "customer_update" in given:
        raise refuse("customer_update can only be used with customer", "customer_update")
    wrong = "payment_intent_data" if is_subscription else "subscription_data"
    if wrong in given:
        raise refuse(f"You can not pass {wrong} in {given['mode']} mode", wrong)
    items = [_read_line(state, line, is_subscription, number) for number, line in enumerate(given["line_items"])]
    total = sum((item["price"]["unit_amount"] or 0) * item.get("quantity", 0) for item in items)
    _check_destination(state, given.get("payment_intent_data") or given.get("subscription_data") or {}, total)
    kept = {name: value for name, value in given.items() if name not in {"line_items", "metadata"}}
    row = state.add(
        "checkout.session", "cs_test",
        **{"customer": None, "subscription": None, "payment_intent": None, "client_reference_id": None, **kept},
        metadata=given.get("metadata", {}), status="open", payment_status="unpaid", amount_total=total,
        currency=items[0]["price"]["currency"],
        _items=items,
    )  # fmt: skip
    row["url"] = f"{state.site}/pay/{row['id']}"
    return row


def _read_line(state: Billing, line: Row, is_subscription: bool, number: int) -> Row:
    param = f"line_items[{number}]"
    if ("price" in line) == ("price_data" in line):
        raise refuse("Pass exactly one of price, price_data", param)
    if "price" in line:
        price = state.get("price", line["price"], f"{param}[price]")
    else:
        need(line["price_data"], "currency", "unit_amount")
        price = make_price(state, line["price_data"])
    if not is_subscription and price["recurring"]:
        raise refuse("You specified payment mode but passed a recurring price", param)
    if is_metered(price) and "quantity" in line:
        raise refuse("Quantity should not be specified where usage_type is metered", f"{param}[quantity]")
    if not is_metered(price) and "quantity" not in line:
        raise refuse("Quantity is required", f"{param}[quantity]", "parameter_missing")
    return {"price": price, **({"quantity": line["quantity"]} if "quantity" in line else {})}


def _check_destination(state: Billing, data: Row, total: int) -> None:
    if "trial_period_days" in data and data["trial_period_days"] < 1:
        raise refuse("trial_period_days must be at least 1", "subscription_data[trial_period_days]")
    fee, percent = data.get("application_fee_amount"), data.get("application_fee_percent")
    destination = data.get("transfer_data", {}).get("destination")
    if (fee is not None or percent is not None) and not destination:
        raise refuse("An application fee needs a destination account", "transfer_data")
    if fee is not None and not 0 < fee <= total:
        raise refuse("The fee must be above 0 and at most the total", "payment_intent_data[application_fee_amount]")
    if percent is not None and not 0 <= percent <= 100:
        raise refuse("application_fee_percent must be from 0 to 100", "subscription_data[application_fee_percent]")
    if destination and not state.get("account", destination, "transfer_data[destination]")["charges_enabled"]:
        raise refuse("The account cannot take payments yet", "transfer_data", "insufficient_capabilities_for_transfer")


listing(
    "checkout/sessions",
    "checkout.session",
    p.checkout.SessionListParams,
    "customer",
    "status",
    "payment_intent",
    "subscription",
)
retrieving("checkout/sessions", "checkout.session", p.checkout.SessionRetrieveParams)


@route("POST", "checkout/sessions/*/expire", p.checkout.SessionExpireParams)
def expire_checkout(state: Billing, given: Row, ids: list[str]) -> Row:
    row = state.get("checkout.session", ids[0])
    if row["status"] != "open":
        raise refuse("Only open sessions can be expired", "id")
    row |= {"status": "expired", "url": None}
    state.emit("checkout.session.expired", row)
    return row


@route("POST", "billing_portal/configurations", p.billing_portal.ConfigurationCreateParams)
def create_portal_configuration(state: Billing, given: Row, ids: list[str]) -> Row:
    update = given["features"].get("subscription_update", {})
    if update.get("enabled"):
        need(update, "default_allowed_updates", "products")
    return state.add("billing_portal.configuration", "bpc", **{"active": True, "is_default": False, **given})


listing(
    "billing_portal/configurations", "billing_portal.configuration", p.billing_portal.ConfigurationListParams, "active"
)


@route("POST", "billing_portal/sessions", p.billing_portal.SessionCreateParams)
def create_portal(state: Billing, given: Row, ids: list[str]) -> Row:
    need(given, "customer")
    state.get("customer", given["customer"], "customer")
    if "configuration" in given:
        state.get("billing_portal.configuration", given["configuration"], "configuration")
    flow = given.get("flow_data", {})
    if flow.get("type") == "subscription_update_confirm":
        need(flow, "subscription_update_confirm")
        change = flow["subscription_update_confirm"]
        subscription = state.get("subscription", change["subscription"], "flow_data")
        for item in change["items"]:
            state.get("price", item["price"], "flow_data")
            if item["id"] not in [known["id"] for known in items_of(subscription)]:
                raise refuse(f"No such subscription item: {item['id']}", "flow_data", "resource_missing")
    row = state.add("billing_portal.session", "bps", **given)
    row["url"] = f"{state.site}/portal/{row['id']}"
    return row


# --- Subscriptions and invoices ------------------------------------------------------------------------------------

retrieving("subscriptions", "subscription", p.SubscriptionRetrieveParams)


@route("GET", "subscriptions", p.SubscriptionListParams)
def list_subscriptions(state: Billing, given: Row, ids: list[str]) -> Row:
    rows = state.all("subscription", **({"customer": given["customer"]} if "customer" in given else {}))
    status = given.get("status")
    if status != "all":
        rows = [row for row in rows if (row["status"] == status if status else row["status"] != "canceled")]
    return listed(rows, "/v1/subscriptions", given)


@route("DELETE", "subscriptions/*", p.SubscriptionCancelParams)
def cancel_subscription(state: Billing, given: Row, ids: list[str]) -> Row:
    row = state.get("subscription", ids[0])
    if row["status"] == "canceled":
        raise Refused(404, "resource_missing", f"No such subscription: {ids[0]}", param="id")
    row |= {"status": "canceled", "canceled_at": state.now, "ended_at": state.now}
    state.emit("customer.subscription.deleted", row)
    return row


@route("POST", "subscriptions/*", p.SubscriptionUpdateParams)
def update_subscription(state: Billing, given: Row, ids: list[str]) -> Row:
    row = state.get("subscription", ids[0])
    row.update({name: given[name] for name in ("cancel_at_period_end", "metadata") if name in given})
    state.emit("customer.subscription.updated", row)
    return row


retrieving("invoices", "invoice", p.InvoiceRetrieveParams)


@route("GET", "invoices", p.InvoiceListParams)
def list_invoices(state: Billing, given: Row, ids: list[str]) -> Row:
    rows = state.all("invoice", **{name: given[name] for name in ("customer", "status") if name in given})
    if "subscription" in given:
        rows = [row for row in rows if row["parent"]["subscription_details"]["subscription"] == given["subscription"]]
    return listed(rows, "/v1/invoices", given)


@route("GET", "invoice_payments", p.InvoicePaymentListParams)
def list_invoice_payments(state: Billing, given: Row, ids: list[str]) -> Row:
    rows = state.all("invoice_payment", **{name: given[name] for name in ("invoice", "status") if name in given})
    if "payment" in given:
        need(given["payment"], "type")
        rows = [row for row in rows if row["payment"]["payment_intent"] == given["payment"].get("payment_intent")]
    return listed(rows, "/v1/invoice_payments", given)


@route("GET", "events", p.EventListParams)
def list_events(state: Billing, given: Row, ids: list[str]) -> Row:
    created = given.get("created", {})
    since = created.get("gte", 0) if isinstance(created, dict) else created
    rows = [event for event in state.events if event["created"] >= since]
    if "type" in given:
        rows = [event for event in rows if event["type"] == given["type"]]
    return listed(rows[::-1], "/v1/events", given)


# --- Payments for others: Connect ----------------------------------------------------------------------------------

retrieving("payment_intents", "payment_intent", p.PaymentIntentRetrieveParams)
retrieving("charges", "charge", p.ChargeRetrieveParams)


@route("GET", "charges", p.ChargeListParams)
def list_charges(state: Billing, given: Row, ids: list[str]) -> Row:
    if not set(given.pop("expand", ["data.application_fee"])) <= {"data.application_fee"}:
        raise AssertionError("this fake expands the fees of charges alone")
    wanted = {name: given[name] for name in ("payment_intent", "customer") if name in given}
    found = listed(state.all("charge", **wanted), "/v1/charges", given)
    fees = state.rows["application_fee"]
    found["data"] = [{**row, "application_fee": fees.get(row["application_fee"] or "")} for row in found["data"]]
    return found


retrieving("application_fees", "application_fee", p.ApplicationFeeRetrieveParams)
listing("application_fees", "application_fee", p.ApplicationFeeListParams, "charge")
listing("transfers", "transfer", p.TransferListParams, "destination")
retrieving("transfers", "transfer", p.TransferRetrieveParams)
listing("disputes", "dispute", p.DisputeListParams, "charge", "payment_intent")
retrieving("disputes", "dispute", p.DisputeRetrieveParams)


@route("POST", "transfers/*/reversals", p.TransferReversalCreateParams)
def create_reversal(state: Billing, given: Row, ids: list[str]) -> Row:
    transfer = state.get("transfer", ids[0])
    amount = given.get("amount", transfer["amount"] - transfer["amount_reversed"])
    return state.reverse(transfer, amount, given.get("metadata", {}), fee=given.get("refund_application_fee", False))


listing("payouts", "payout", p.PayoutListParams, "status")


@route("POST", "refunds", p.RefundCreateParams)
def create_refund(state: Billing, given: Row, ids: list[str]) -> Row:
    if ("charge" in given) == ("payment_intent" in given):
        raise refuse("One of charge, payment_intent is needed", "payment_intent", "parameter_missing")
    id = given.get("charge") or state.get("payment_intent", given["payment_intent"], "payment_intent")["latest_charge"]
    return state.refund_charge(
        state.get("charge", id, "charge"), given.get("amount"), fee=given.get("refund_application_fee", False),
        reverse=given.get("reverse_transfer", False), metadata=given.get("metadata", {}),
    )  # fmt: skip


@route("POST", "accounts", p.AccountCreateParams)
def create_account(state: Billing, given: Row, ids: list[str]) -> Row:
    if "type" in given and "controller" in given:
        raise refuse("You may not provide both type and controller", "controller")
    fields = {"charges_enabled": False, "payouts_enabled": False, "details_submitted": False, "country": "US", **given}
    return state.add("account", "acct", **fields)


retrieving("accounts", "account", p.AccountRetrieveParams)


@route("POST", "account_links", p.AccountLinkCreateParams)
def create_account_link(state: Billing, given: Row, ids: list[str]) -> Row:
    state.get("account", given["account"], "account")
    need(given, "refresh_url", "return_url")
    url = f"{state.site}/setup/{given['account']}/{secrets.token_hex(6)}"
    return {"object": "account_link", "created": state.now, "expires_at": state.now + 300, "url": url}


@route("POST", "accounts/*/login_links", p.AccountLoginLinkCreateParams)
def create_login_link(state: Billing, given: Row, ids: list[str]) -> Row:
    if not state.get("account", ids[0])["details_submitted"]:
        raise refuse("Cannot create a login link for an account that has not completed onboarding", "account")
    return {"object": "login_link", "created": state.now, "url": f"{state.site}/express/{ids[0]}"}


@route("GET", "balance", p.BalanceRetrieveParams)
def retrieve_balance(state: Billing, given: Row, ids: list[str]) -> Row:
    """Of the connected account that the request names: what its transfers brought, less fees and reversals."""
    account = given["_account"]
    transfers = state.all("transfer", destination=account)
    fees = sum(row["amount"] - row["amount_refunded"] for row in state.all("application_fee", account=account))
    amount = sum(row["amount"] - row["amount_reversed"] for row in transfers) - fees
    currency = transfers[0]["currency"] if transfers else "usd"
    pending = [{"amount": amount, "currency": currency, "source_types": {"card": amount}}]
    return {"object": "balance", "livemode": False, "available": [{**pending[0], "amount": 0}], "pending": pending}


# --- Where events go -----------------------------------------------------------------------------------------------

listing("webhook_endpoints", "webhook_endpoint", p.WebhookEndpointListParams)


@route("POST", "webhook_endpoints", p.WebhookEndpointCreateParams)
def create_endpoint(state: Billing, given: Row, ids: list[str]) -> Row:
    _check_address(given)
    fields = {"application": None, "api_version": None, "description": None, "status": "enabled", **given}
    row = state.add("webhook_endpoint", "we", **{"_connect" if name == "connect" else name: value
                                                 for name, value in fields.items()})  # fmt: skip
    return {**row, "secret": f"whsec_{row['id'].removeprefix('we_')}"}  # told this once


@route("POST", "webhook_endpoints/*", p.WebhookEndpointUpdateParams)
def update_endpoint(state: Billing, given: Row, ids: list[str]) -> Row:
    _check_address(given)
    row = state.get("webhook_endpoint", ids[0])
    if "disabled" in given:
        row["status"] = "disabled" if given.pop("disabled") else "enabled"
    row.update(given)
    return row


def _check_address(given: Row) -> None:
    if not given.get("url", "https://").startswith("https://"):
        raise refuse("Invalid URL: URL must be publicly accessible over HTTPS", "url", "url_invalid")


def visible(row: Any) -> Any:
    """An object as it is sent: without what only this fake knows."""
    if isinstance(row, dict):
        return {name: visible(value) for name, value in row.items() if not name.startswith("_")}
    return [visible(item) for item in row] if isinstance(row, list) else copy.copy(row)
