"""`python manage.py worker`: a worker of its own, on any number of machines that share DATABASE_URL and REDIS_URL."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gilo.prepare import PreparationError, check_redis
from gilo.shutdown import Shutdown, end_process
from gilo.worker import Worker


class Command(BaseCommand):
    help = "Run background jobs until SIGINT or SIGTERM (production; needs REDIS_URL)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.REDIS_URL:
            raise CommandError("Without REDIS_URL the jobs run inside `manage.py start`; there is nothing to do here.")
        try:
            check_redis()
        except PreparationError as error:
            raise CommandError(str(error)) from None
        with Shutdown() as shutdown:
            shutdown.insist = end_process
            worker = Worker()
            with worker:
                self.stdout.write("The worker is ready.")
                self.stdout.flush()
                try:
                    while not worker.wait(3600):
                        pass
                except KeyboardInterrupt:
                    pass
            jobs_ended = worker.stop()
        if not jobs_ended:
            end_process()
