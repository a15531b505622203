"""What Stripe charges for: the prices of plans, and of what is used beyond them, told by their lookup keys.

`set_up` makes them, and changes nothing where they are there already (`manage.py stripe_setup`).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings

from billing.errors import PlanNotSold
from billing.models import Meter
from billing.plans import PLANS
from billing.stripe import ask, id_of

if TYPE_CHECKING:
    import stripe

CURRENCY = "usd"
SOLD_PLANS = ("pro", "team")
PLAN_METADATA = "gilo_plan"  # on prices: which plan one buys with it, though its lookup key has moved to a newer one
PORTAL_METADATA = "gilo_portal"
PLANS_PORTAL, BUYERS_PORTAL = "plans", "buyers"


@dataclass(frozen=True, slots=True)
class MeterPrice:
    """What one unit of a meter costs. `event_name` names the meter in Stripe; cents may be fractions, as text."""

    meter: str
    event_name: str
    name: str
    cents: str


METERS = (
    MeterPrice(Meter.CONVERSATIONS, "gilo_conversations", "Conversations beyond the plan", "1"),
    MeterPrice(Meter.REQUESTS, "gilo_requests", "API requests beyond the plan", "0.1"),
)


def lookup_key(plan_id: str) -> str:
    """The key by which Stripe knows a plan's monthly price."""
    return f"gilo_{plan_id}_monthly"


def find_price(plan_id: str) -> str:
    """The id of the plan's price. Raises PlanNotSold when Stripe has none."""
    key = lookup_key(plan_id)
    price = settings.STRIPE_PRICES.get(plan_id) or _find_prices([key]).get(key)
    if price is None:
        raise PlanNotSold()
    return price


def find_meter_prices() -> list[str]:
    """The ids of the prices of what is used beyond the plan; fewer when Stripe was not set up for them."""
    return list(_find_prices([meter.event_name for meter in METERS]).values())


def _find_prices(keys: list[str]) -> dict[str, str]:
    found = ask(lambda client: client.v1.prices.list({"lookup_keys": keys, "active": True}))
    return {str(price.lookup_key): price.id for price in found.data}


def plan_of_price(price: "stripe.Price") -> str:
    """The plan that one has with this price; "" when it is none of ours (a meter's, another product's)."""
    for plan_id in SOLD_PLANS:
        if price.id == settings.STRIPE_PRICES.get(plan_id) or price.lookup_key == lookup_key(plan_id):
            return plan_id
    named = price.metadata.to_dict().get(PLAN_METADATA, "") if price.metadata else ""
    return named if named in SOLD_PLANS else ""


def set_up() -> list[str]:
    """Make what is missing in Stripe: products, prices, meters, the portal's choices. Returns what was made."""
    made: list[str] = []
    for plan_id in SOLD_PLANS:
        _ensure_plan(plan_id, made)
    for meter in METERS:
        _ensure_meter(meter, made)
    _ensure_portals(made)
    return made


def _ensure_plan(plan_id: str, made: list[str]) -> None:
    key, plan = lookup_key(plan_id), PLANS[plan_id]
    if settings.STRIPE_PRICES.get(plan_id) or key in _find_prices([key]):
        return
    ask(
        lambda client: client.v1.prices.create(
            {
                "lookup_key": key,
                "currency": CURRENCY,
                "unit_amount": plan.price_usd * 100,
                "recurring": {"interval": "month"},
                "product_data": {"name": f"GiLo {plan.name}"},
                "metadata": {PLAN_METADATA: plan_id},
            }
        )
    )
    made.append(key)


def _ensure_meter(wanted: MeterPrice, made: list[str]) -> None:
    meters = ask(lambda client: list(client.v1.billing.meters.list({"status": "active"}).auto_paging_iter()))
    meter = next((meter.id for meter in meters if meter.event_name == wanted.event_name), "")
    if not meter:
        meter = ask(
            lambda client: client.v1.billing.meters.create(
                {
                    "display_name": wanted.name,
                    "event_name": wanted.event_name,
                    "default_aggregation": {"formula": "sum"},
                    "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
                    "value_settings": {"event_payload_key": "value"},
                }
            )
        ).id
        made.append(f"meter {wanted.event_name}")
    if wanted.event_name not in _find_prices([wanted.event_name]):
        _make_meter_price(wanted, meter)
        made.append(wanted.event_name)


def _make_meter_price(wanted: MeterPrice, meter: str) -> None:
    ask(
        lambda client: client.v1.prices.create(
            {
                "lookup_key": wanted.event_name,
                "currency": CURRENCY,
                "unit_amount_decimal": Decimal(wanted.cents),
                "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
                "product_data": {"name": f"GiLo: {wanted.name}"},
            }
        )
    )


def find_portal(kind: str = PLANS_PORTAL) -> str:
    """The id of the portal's configuration that `set_up` made; "" for the account's default."""
    found = ask(lambda client: client.v1.billing_portal.configurations.list({"active": True, "limit": 100}))
    ours = (one.id for one in found.data if one.metadata and one.metadata.to_dict().get(PORTAL_METADATA) == kind)
    return next(ours, "")


def _ensure_portals(made: list[str]) -> None:
    """One portal where plans are changed, and one without plans for the buyers of agents."""
    if not find_portal():
        prices = ask(lambda client: [client.v1.prices.retrieve(find_price(plan_id)) for plan_id in SOLD_PLANS])
        products = [{"product": id_of(price.product), "prices": [price.id]} for price in prices]
        change = {
            "enabled": True,
            "default_allowed_updates": ["price", "promotion_code"],
            "proration_behavior": "create_prorations",
            "products": products,
        }
        _make_portal(PLANS_PORTAL, {"subscription_update": change})
        made.append("portal of plans")
    if not find_portal(BUYERS_PORTAL):
        _make_portal(BUYERS_PORTAL, {})
        made.append("portal of buyers")


def _make_portal(kind: str, features: dict[str, Any]) -> None:
    params: Any = {
        "metadata": {PORTAL_METADATA: kind},
        "features": {
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "customer_update": {"enabled": True, "allowed_updates": ["name", "email", "address", "tax_id"]},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            **features,
        },
    }
    ask(lambda client: client.v1.billing_portal.configurations.create(params))
