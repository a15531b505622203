"""The Celery application. Jobs are rows; messages only carry their ids, so a lost message is no loss."""

from typing import Any

import kombu
from celery import Celery
from celery.app.amqp import AMQP

LONGEST_PAUSE_SECONDS = 3  # between two attempts to reach a broker that is away; kombu's own pause grows to 30


class PersistentConnection(kombu.Connection):
    """A connection to the broker that is back within seconds, however long the broker was away."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        pauses = {"interval_start": 1, "interval_step": 1, "interval_max": LONGEST_PAUSE_SECONDS}
        return super().ensure_connection(*args, **{**pauses, **options})


class Messages(AMQP):
    """Celery's messaging over such connections."""

    Connection = PersistentConnection


app = Celery("gilo", amqp=Messages)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()
