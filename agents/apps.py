from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        # All need the loaded models.
        from accounts.doors import register_key_check
        from agents.budget_alerts import tell_owners
        from agents.keys import find_live_keys
        from agents.selectors import count_agents
        from billing.models import Resource
        from billing.quotas import register_count
        from billing.signals import budget_alert

        register_key_check(find_live_keys)
        register_count(Resource.AGENTS, count_agents)
        budget_alert.connect(tell_owners)
