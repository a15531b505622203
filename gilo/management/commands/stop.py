"""`python manage.py stop`: stop the embedded database that a killed process left behind."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.embedded_postgres import EmbeddedPostgres


class Command(BaseCommand):
    help = "Stop an embedded database server that no running GiLo uses."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        server = EmbeddedPostgres(settings.EMBEDDED_DATABASE_DIR)
        if server.pid is None:
            self.stdout.write("No embedded database is running.")
        elif server.stop_if_unused():
            self.stdout.write("The embedded database is stopped.")
        else:
            raise CommandError("GiLo is running and uses the database. Stop GiLo itself (Ctrl-C or SIGTERM).")
