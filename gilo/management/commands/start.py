"""`python manage.py start`: the whole product with one command, the database and the worker inside."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from gilo.database_keeper import DatabaseKeeper
from gilo.prepare import PreparationError, check_redis, prepare_database
from gilo.server import LEAVE_SECONDS, bind, serve
from gilo.shutdown import Shutdown, end_process, end_within
from gilo.worker import Worker


class Command(BaseCommand):
    help = "Start the database (unless DATABASE_URL is set), migrate, seed, and serve."
    requires_system_checks = []  # they cost half a second, and the tests run them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        listener = bind(settings.HOST, options["port"])
        has_ended = True
        with Shutdown() as shutdown, ExitStack() as stack:
            try:
                with _refused_in_words():
                    check_redis()
                    self._start_database(stack)
                    prepare_database()
                worker = Worker() if settings.WORKER_INSIDE else None
                if worker:
                    stack.enter_context(worker)
                has_ended = serve(listener, shutdown, lambda: self._welcome(options["port"]))
                if worker and not worker.stop(is_urgent=lambda: shutdown.insisted):
                    has_ended = False
            except KeyboardInterrupt:
                self.stdout.write("Stopped before it was ready.")
        if not has_ended:
            end_process()
        end_within(LEAVE_SECONDS)

    def _start_database(self, stack: ExitStack) -> None:
        if not settings.EMBEDDED_DATABASE:
            return
        server = EmbeddedPostgres(settings.EMBEDDED_DATABASE_DIR)
        stack.enter_context(server.in_use())
        stack.enter_context(DatabaseKeeper(server))

    def _welcome(self, port: int) -> None:
        self.stdout.write(f"\n  GiLo is ready at http://localhost:{port}")
        if settings.SEED_DEMO:
            self.stdout.write(f"  Demo login: {settings.DEMO_EMAIL} / {settings.DEMO_PASSWORD}")
        self.stdout.write(f"  Data in {settings.DATA_DIR}; Ctrl-C stops everything.\n\n")
        sys.stdout.flush()


@contextmanager
def _refused_in_words() -> Iterator[None]:
    """What keeps the database from being ready is told in words: the operator can mend it."""
    try:
        yield
    except EmbeddedPostgresError as error:
        raise CommandError(f"The embedded PostgreSQL did not start. {error}") from None
    except PreparationError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        reason = f"{error.strerror or error} ({error.filename})" if error.filename else str(error)
        raise CommandError(
            f"GILO_DATA_DIR is {settings.DATA_DIR}, which cannot be used: {reason}. "
            "Make room, let this user write there, or name another folder."
        ) from None
