"""When a failed delivery is tried again, and when an endpoint is given up."""

import random
from datetime import timedelta

RETRY_DELAYS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
GIVE_UP_AFTER = timedelta(days=5)  # of nothing but failures: the endpoint is switched off
LONGEST_PAUSE = timedelta(hours=24)  # whatever Retry-After asks for
_JITTER = 0.1


def retry_delay(attempts: int, retry_after: float | None = None) -> timedelta | None:
    """How long to wait after this many failed attempts, give or take a tenth; None when it was the last.

    A receiver that asks for more time (`retry_after`, seconds) gets it, up to LONGEST_PAUSE.
    """
    if attempts > len(RETRY_DELAYS):
        return None
    delay = RETRY_DELAYS[attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
    return max(delay, pause_of(retry_after))


def pause_of(retry_after: float | None) -> timedelta:
    """How long a receiver wants to be left alone, within reason."""
    return min(timedelta(seconds=retry_after or 0), LONGEST_PAUSE)
