"""How the long-running commands end: the first SIGINT or SIGTERM asks, the second one insists."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_leaving = threading.Event()


def is_leaving() -> bool:
    """Whether this process was asked to stop and still serves, so that a load balancer can turn to others."""
    return _leaving.is_set()


def announce_leaving() -> None:
    """From now on `is_leaving`: health answers 503, answers close their connections."""
    _leaving.set()


class Shutdown:
    """Inside the block, signals call `ask` (set by whoever serves) instead of killing the process.

    While nobody serves yet, the first signal raises KeyboardInterrupt, so that what was started is stopped again.
    """

    def __init__(self) -> None:
        self.requested = False
        self.insisted = False
        self.ask: Callable[[], None] | None = None
        self.insist: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            self.insisted = True
            if self.insist:
                self.insist()
            return
        self.requested = True
        if self.ask is None:
            raise KeyboardInterrupt
        self.ask()


def end_process(code: int = 0) -> None:
    """End now, without waiting for threads: a job that would not end must not keep the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def end_within(seconds: float) -> None:
    """Let the interpreter end by itself, but not wait longer for threads: a pool's may hang on somebody's server."""
    timer = threading.Timer(seconds, end_process)
    timer.daemon = True
    timer.start()
