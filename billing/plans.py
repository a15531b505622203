"""What each plan allows and costs: the one table that limits, pages and API read. None means no limit."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.ratelimit import DAY_SECONDS, MINUTE_SECONDS, Window

UNLIMITED = "unlimited"
MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan. `price_usd` is a month's; requests are those of a whole workspace.

    With `has_overage`, a workspace may allow itself requests beyond the day's quota, at `billing.metering.PRICES`.
    """

    id: str
    name: str | Promise
    price_usd: int
    requests_per_minute: int | None
    requests_per_day: int | None
    agents: int | None
    knowledge_bytes: int | None = None
    members: int | None = None
    has_overage: bool = False


PLANS: dict[str, Plan] = {
    plan.id: plan
    for plan in (
        Plan(
            "free",
            "Free",
            0,
            requests_per_minute=60,
            requests_per_day=1_000,
            agents=5,
            knowledge_bytes=100 * MB,
            members=1,
        ),
        Plan(
            "pro",
            "Pro",
            29,
            requests_per_minute=300,
            requests_per_day=10_000,
            agents=20,
            knowledge_bytes=2 * 1024 * MB,
            members=3,
            has_overage=True,
        ),
        Plan(
            "team",
            "Team",
            99,
            requests_per_minute=1_000,
            requests_per_day=None,
            agents=50,
            knowledge_bytes=20 * 1024 * MB,
            members=25,
        ),
        # of one's own server: its operator pays for everything anyway
        Plan(
            UNLIMITED,
            _("Unlimited"),
            0,
            requests_per_minute=None,
            requests_per_day=None,
            agents=None,
        ),
    )
}


def plan_of(plan_id: str) -> Plan:
    """A workspace's plan by the name stored with it; "" and names that are no longer sold mean the default.

    Where billing is switched off (GILO_BILLING), everybody has everything.
    """
    if not settings.BILLING:
        return PLANS[UNLIMITED]
    return PLANS.get(plan_id) or PLANS[settings.DEFAULT_PLAN]


def windows_of(plan_id: str) -> tuple[Window, ...]:
    """The rate limits of a plan, ready for `RateLimiter.hit`."""
    return _windows(plan_of(plan_id))


@cache
def _windows(plan: Plan) -> tuple[Window, ...]:
    windows = []
    if plan.requests_per_minute is not None:
        windows.append(Window("minute", MINUTE_SECONDS, plan.requests_per_minute))
    if plan.requests_per_day is not None:
        windows.append(Window("day", DAY_SECONDS, plan.requests_per_day))
    return tuple(windows)
