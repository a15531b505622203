"""`manage.py stripe_reconcile [--dry-run]`: list what differs from Stripe, and mend it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.reconcile import reconcile
from core.errors import GiloError


class Command(BaseCommand):
    help = "Compare customers, subscriptions, invoices and plans with Stripe, and take over what Stripe says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list the differences, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            drift = reconcile(mend=not options["dry_run"])
        except GiloError as error:
            raise CommandError(f"{error.message} ({error.code})") from error
        for one in drift:
            self.stdout.write(f"{one.workspace_id or '-'}  {one.what}: {one.ours} -> {one.theirs}")
        done = "found" if options["dry_run"] else "mended"
        self.stdout.write(f"{len(drift)} differences {done}." if drift else "No difference.")
