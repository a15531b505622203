"""What calls to users' servers may take from everybody else, while a view waits for their answer."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection

from llm.errors import TooManyProbes

PROBES_PER_WORKSPACE = 2
MOST_PROBES = 12  # in this process, each in a thread of its own
LISTINGS_PER_WORKSPACE = 2
MOST_LISTINGS = 8  # in this process, each of several threads
_RETRY_SECONDS = 10


class Slots:
    """How many calls wait at once in this process: so many for one workspace, so many in all."""

    def __init__(self, per_workspace: int, total: int) -> None:
        self._per_workspace, self._total = per_workspace, total
        self._lock = threading.Lock()
        self._taken: Counter[UUID] = Counter()

    @contextmanager
    def take(self, workspace_id: UUID) -> Iterator[bool]:
        """Whether there was a slot; it is held inside the block."""
        is_taken = self._try(workspace_id)
        try:
            yield is_taken
        finally:
            if is_taken:
                self._give_back(workspace_id)

    def _try(self, workspace_id: UUID) -> bool:
        with self._lock:
            if self._taken[workspace_id] >= self._per_workspace or self._taken.total() >= self._total:
                return False
            self._taken[workspace_id] += 1
            return True

    def _give_back(self, workspace_id: UUID) -> None:
        with self._lock:
            self._taken -= Counter([workspace_id])  # forgets a workspace that holds none


probes = Slots(PROBES_PER_WORKSPACE, MOST_PROBES)
listings = Slots(LISTINGS_PER_WORKSPACE, MOST_LISTINGS)


@contextmanager
def probing(workspace_id: UUID) -> Iterator[None]:
    """A probe of this workspace's goes on inside the block. Raises TooManyProbes; gives the connection back."""
    with probes.take(workspace_id) as is_taken:
        if not is_taken:
            raise TooManyProbes(retry_after=_RETRY_SECONDS)
        release_connection()
        yield


def release_connection() -> None:
    """Give this thread's connection back to the pool: nobody's connection waits for a user's server."""
    if not connection.in_atomic_block:
        connection.close()
