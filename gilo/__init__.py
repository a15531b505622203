"""Wiring only: settings, URLs, ASGI, Celery, the frame of the pages."""

from gilo.celery import app as celery_app

__all__ = ["celery_app"]
