"""The Celery worker, its timetable and the webhooks' courier as threads.

They run inside the web process without Redis, alone in `manage.py worker`.

Threads, because the heavy parts leave Python anyway: parsing runs in child processes, embedding in native code.
"""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from celery.beat import EmbeddedService, Scheduler
from celery.worker import WorkController
from django.conf import settings

from gilo.celery import app
from integrations.webhooks.courier import Courier

logger = logging.getLogger(__name__)
STOP_SECONDS = 8.0  # a job cut off by the end of the process is taken up again: its row says where it stood


class Worker:
    """A context manager: jobs run, and periodic tasks are sent, inside the block.

    Every worker keeps the timetable (`app.conf.beat_schedule`): periodic tasks are sweeps that may run twice.
    """

    def __init__(self) -> None:
        app.finalize()
        self._controller: Any = WorkController(app=app, pool="threads", concurrency=settings.WORKER_THREADS)
        self._thread = threading.Thread(target=self._controller.start, name="worker", daemon=True)
        self._timetable: Any = EmbeddedService(app, thread=True, scheduler_cls=Scheduler)
        self._courier = Courier()
        self._ending: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        if app.conf.beat_schedule:
            self._timetable.start()
        self._courier.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self, seconds: float) -> bool:
        """Wait for the worker's own end; False when the time passed first."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self, is_urgent: Callable[[], bool] = lambda: False) -> bool:
        """Let running jobs and deliveries end, but not for longer than STOP_SECONDS, nor once it `is_urgent`.

        False when one was left running. A second call waits no more.
        """
        if self._ending:
            return not self._is_ending()
        if self._timetable.is_alive():
            self._timetable.service.stop()
        self._ending = [
            threading.Thread(target=stop, name="worker-stop", daemon=True)
            for stop in (self._controller.stop, self._courier.stop)
        ]
        for thread in self._ending:
            thread.start()
        deadline = time.monotonic() + STOP_SECONDS
        while self._is_ending() and not is_urgent() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._is_ending():
            logger.warning("a job is still running; it will be taken up again at the next start")
        return not self._is_ending()

    def _is_ending(self) -> bool:
        return any(thread.is_alive() for thread in self._ending)
