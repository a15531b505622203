from django.apps import AppConfig


class KnowledgeConfig(AppConfig):
    name = "knowledge"

    def ready(self) -> None:
        # All need the loaded models; the receivers connect themselves.
        from billing.models import Resource
        from billing.quotas import register_count
        from knowledge import receivers  # noqa: F401
        from knowledge.selectors import count_bytes

        register_count(Resource.KNOWLEDGE, count_bytes)
