"""Our rate limits under the names that OpenAI's clients read."""

import math

from core.ratelimit import Decision


def rate_headers(limit: int, remaining: int, reset_seconds: float) -> dict[str, str]:
    """The headers of one window of requests: its size, what is left of it, and how long until it is whole again.

    The time is written as OpenAI writes it ("120ms", "7s", "6m0s", "23h59m1s") and is never said too short.
    """
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(max(0, remaining)),
        "x-ratelimit-reset-requests": _duration(max(0.0, reset_seconds)),
    }


def describe_limits(decision: Decision) -> dict[str, str]:
    """The headers of a request that was counted; none where nothing limits."""
    if decision.window is None:
        return {}
    return rate_headers(decision.window.limit, decision.remaining, decision.reset_after)


def _duration(seconds: float) -> str:
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
