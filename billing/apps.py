from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        # Both need the loaded models.
        from accounts.doors import register_grant_check
        from billing.grants import find_live_grants

        register_grant_check(find_live_grants)
