"""Argon2, a few at a time.

One hash takes a hundred megabytes and all processors for a tenth of a second, and whoever guesses at passwords makes us
do it. Who has to wait for a turn keeps no database connection from others meanwhile.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection

AT_ONCE = max(1, (os.cpu_count() or 1) // 2)  # in this process
_turns = threading.BoundedSemaphore(AT_ONCE)


class Argon2InTurns(Argon2PasswordHasher):
    """Django's own, under the same name in what is stored."""

    def encode(self, *args: Any, **options: Any) -> str:
        with _turn():
            return super().encode(*args, **options)

    def verify(self, *args: Any, **options: Any) -> bool:
        with _turn():
            return super().verify(*args, **options)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(blocking=False):
        if not connection.in_atomic_block:
            connection.close()
        _turns.acquire()
    try:
        yield
    finally:
        _turns.release()
