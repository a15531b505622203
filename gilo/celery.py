"""The Celery application. Jobs are rows; messages only carry their ids, so a lost message is no loss."""

from celery import Celery

app = Celery("gilo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()
