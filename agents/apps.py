from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        # Both need the loaded models.
        from accounts.doors import register_key_check
        from agents.keys import find_live_keys

        register_key_check(find_live_keys)
