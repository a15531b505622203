"""Time-ordered identifiers: UUID version 7 (RFC 9562), so that primary keys are inserted in index order."""

import os
import time
from datetime import datetime
from uuid import UUID, SafeUUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_A = (1 << 12) - 1
_RANDOM_B = (1 << 62) - 1
_RANDOM_BYTES = 10
_DRAWN_AT_ONCE = 64

_pool: list[bytes] = []


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    # What `UUID(int=...)` does, without its checks of what others pass: they take longer than all the rest.
    made = object.__new__(UUID)
    object.__setattr__(made, "int", _new_number())
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


def uuid7_hex() -> str:
    """A new UUIDv7 as 32 hexadecimal digits."""
    return f"{_new_number():032x}"


def first_uuid7(at: datetime) -> UUID:
    """The least UUIDv7 of this moment (aware): ids made from then on are not below it."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | _VERSION_7 | _VARIANT)


def milliseconds_of(made_id: UUID) -> int:
    """When a UUIDv7 was made, in Unix milliseconds."""
    return made_id.int >> 80


def _new_number() -> int:
    random = int.from_bytes(_draw(), "big")
    high, low = (random >> 62) & _RANDOM_A, random & _RANDOM_B
    return time.time_ns() // 1_000_000 << 80 | _VERSION_7 | high << 64 | _VARIANT | low


def _draw() -> bytes:
    # A system call for each id costs more than the id: many are drawn at once. `pop` hands each to one thread only.
    try:
        return _pool.pop()
    except IndexError:
        drawn = os.urandom(_RANDOM_BYTES * _DRAWN_AT_ONCE)
        first, *others = [drawn[at : at + _RANDOM_BYTES] for at in range(0, len(drawn), _RANDOM_BYTES)]
        _pool.extend(others)
        return first


os.register_at_fork(after_in_child=_pool.clear)
