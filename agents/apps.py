from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        # Both need the loaded models.
        from accounts.doors import register_key_check
        from agents.keys import is_key_alive

        register_key_check(is_key_alive)
