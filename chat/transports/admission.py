"""Rate limits at the doors: each request is counted once, for its workspace and for its visitor.

`admit` is called where a key is authorised, `admit_member` where a member enters the playground (both in
chat.transports.doors), so no door forgets them. What it decided belongs to the request's context; whoever writes the
answer's head asks `current_decision`.
"""

from contextvars import ContextVar
from datetime import datetime
from uuid import UUID

from django.conf import settings

from agents.keys import KeyIdentity
from billing.plans import plan_of, windows_of
from core.async_db import fetch_all
from core.ids import first_uuid7
from core.ratelimit import DAY_SECONDS, MINUTE_SECONDS, UNLIMITED, Decision, RateLimited, RateLimiter, Window

# A page's visitor is nobody in particular: one of them must not use up the minute of all.
VISITOR_WINDOWS = (Window("minute", MINUTE_SECONDS, 20),)
# The ids of runs begin with their time, so an index of each agent's runs finds the day's.
_TODAY_QUERY = """
SELECT count(*) FROM agents_agent agent JOIN chat_run run ON run.agent_id = agent.id AND run.id >= %s AND {kind}
WHERE agent.workspace_id = %s
"""
_BY_KEY_TODAY = _TODAY_QUERY.format(kind="run.api_key_id IS NOT NULL AND NOT run.is_platform_paid")
_IN_PLAYGROUND_TODAY = _TODAY_QUERY.format(kind="run.api_key_id IS NULL")

limiter = RateLimiter(settings.REDIS_URL)
_decision: ContextVar[Decision | None] = ContextVar("rate_decision", default=None)


def current_decision() -> Decision | None:
    """How this request's tightest window stands; None before a key was let in."""
    return _decision.get()


async def admit(identity: KeyIdentity) -> bool:
    """Count one request; raises RateLimited, which says which window is full.

    True when it is let in beyond the plan's day, because the workspace pays for that (`billing.metering`).
    """
    visitor = UNLIMITED
    if identity.end_user:
        visitor = await limiter.hit(f"visitor:{identity.key_id}:{identity.end_user}", VISITOR_WINDOWS)
        if not visitor.allowed:
            raise RateLimited(visitor)
    if identity.is_platform_paid:  # its grant holds what the operator allows; the creator's quota is not touched
        _decision.set(visitor)
        return False
    decision = await limiter.hit(identity.workspace, windows_of(identity.plan), _count_today)
    is_over = _is_day_full(decision) and identity.wants_overage and plan_of(identity.plan).has_overage
    if is_over:
        decision = await limiter.hit(identity.workspace, windows_of(identity.plan)[:-1])
    _decision.set(_tighter(decision, visitor))
    if not decision.allowed:
        raise RateLimited(decision)
    return is_over


async def admit_member(workspace_id: UUID, plan: str) -> None:
    """Count one question of a member; raises RateLimited.

    Playgrounds have as much as the plan gives to programs, counted by itself: trying an agent out takes nothing from
    those who use it, and no login is a way around the plan.
    """
    decision = await limiter.hit(f"playground:{workspace_id}", windows_of(plan), _count_playground_today)
    _decision.set(decision)
    if not decision.allowed:
        raise RateLimited(decision)


def _is_day_full(decision: Decision) -> bool:
    return not decision.allowed and decision.window is not None and decision.window.seconds == DAY_SECONDS


def _tighter(decision: Decision, other: Decision) -> Decision:
    """The one with fewer requests left, which is what a client has to know."""
    if other.window is None or (decision.window is not None and decision.remaining <= other.remaining):
        return decision
    return other


async def _count_today(subject: str, since: datetime) -> int:
    return await _count(_BY_KEY_TODAY, subject, since)


async def _count_playground_today(subject: str, since: datetime) -> int:
    return await _count(_IN_PLAYGROUND_TODAY, subject.removeprefix("playground:"), since)


async def _count(query: str, workspace_id: str, since: datetime) -> int:
    rows = await fetch_all(query, [first_uuid7(since), UUID(workspace_id)])
    return int(rows[0][0])
