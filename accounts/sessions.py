"""Sessions in the database, opened only by keys that could be ours.

A cookie may hold anything, in octal even what no header can hold: PostgreSQL must not be asked for a NUL.
"""

import re
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseSession

_KEY = re.compile(r"[a-z0-9]{8,40}")


def is_session_key(key: str) -> bool:
    """Whether it has the form of the keys that Django makes."""
    return _KEY.fullmatch(key) is not None


class SessionStore(DatabaseSession):
    """What `SESSION_ENGINE` names."""

    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and is_session_key(key)
