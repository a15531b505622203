"""`manage.py stripe_setup`: make in Stripe what GiLo sells. Run again, it makes only what is missing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.prices import set_up
from core.errors import GiloError


class Command(BaseCommand):
    help = "Make products, prices, meters and the customer portal's configuration in Stripe, where they are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = set_up()
        except GiloError as error:
            raise CommandError(f"{error.message} ({error.code})") from error
        for name in made:
            self.stdout.write(f"made: {name}")
        self.stdout.write("Stripe has all that GiLo sells.")
