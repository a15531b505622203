"""Celery: messages that only say "there is work"; which work is decided by the rows (`knowledge.jobs`)."""

import logging

import kombu.exceptions
from celery import shared_task

logger = logging.getLogger(__name__)
_WAKES_A_SWEEP = 20


@shared_task(name="knowledge.process_document", ignore_result=True)
def process_document() -> None:
    """Work on the document whose turn it is; nothing when none is due."""
    from knowledge.processing import process_next  # loads numpy and the parsers' wrappers: only workers need them

    process_next()


@shared_task(name="knowledge.sweep_documents", ignore_result=True)
def sweep_documents() -> None:
    """Send a message for each document that is due: messages get lost, workers die, waiting times end."""
    from knowledge.jobs import due_documents  # as above

    for _ in range(due_documents()[:_WAKES_A_SWEEP].count()):
        wake_worker()


@shared_task(name="knowledge.delete_orphans", ignore_result=True)
def delete_orphans() -> None:
    """Delete files of uploads that a crash cut off."""
    from knowledge import orphans  # as above

    orphans.delete_orphans()


def wake_worker() -> None:
    """Tell a worker that there is work. A broker that is down loses nothing: the sweep says it again."""
    try:
        process_document.apply_async(retry=False)
    except (kombu.exceptions.OperationalError, OSError) as error:
        logger.warning("the broker does not answer; the sweep will wake a worker: %s", error)
