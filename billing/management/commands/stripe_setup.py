"""`manage.py stripe_setup`: make in Stripe what GiLo sells, and have its events sent here.

Run again, it makes only what is missing.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.prices import set_up
from billing.webhook_endpoints import can_be_reached, ensure_endpoints
from core.errors import GiloError


class Command(BaseCommand):
    help = "Make products, prices, meters, the customer portal and both webhook endpoints in Stripe, where missing."

    def handle(self, *args: Any, **options: Any) -> None:
        secrets: list[str] = []
        try:
            for name in set_up():
                self.stdout.write(f"made: {name}")
            for name, secret in ensure_endpoints() if can_be_reached() else ():
                self.stdout.write(f"made: {name}")
                secrets += [secret] if secret else []
        except GiloError as error:
            raise CommandError(f"{error.message} ({error.code})") from error
        finally:
            self._tell_secrets(secrets)
        self.stdout.write("Stripe has all that GiLo sells.")

    def _tell_secrets(self, secrets: list[str]) -> None:
        if secrets:
            self.stdout.write("Stripe tells these secrets once. Set both, or add the new one to what is set:")
            self.stdout.write(f"STRIPE_WEBHOOK_SECRET={','.join(secrets)}")
        elif not can_be_reached():
            self.stdout.write("No webhook endpoint: GILO_SITE_URL is not https. Use `stripe listen` here.")
