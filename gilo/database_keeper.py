"""Starts the embedded PostgreSQL again when it died: of a full disk, of too little memory, of a `kill -9`."""

import logging
import threading
from types import TracebackType
from typing import Self

from core.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0  # between two attempts that fail: the disk is still full


class DatabaseKeeper:
    """A context manager: inside the block a thread looks after the server. One that somebody stopped stays stopped."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="database-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending.set()
        self._thread.join()

    def _keep(self) -> None:
        pause = LOOK_SECONDS
        while not self._is_ending.wait(pause):
            try:
                if self._server.has_died():
                    logger.error("the embedded database died; it is started again")
                    self._server.start()
                    logger.warning("the embedded database runs again")
                pause = LOOK_SECONDS
            except (EmbeddedPostgresError, OSError) as error:
                logger.error("the embedded database does not start: %s", str(error)[-500:])
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
