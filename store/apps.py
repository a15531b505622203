from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "store"

    def ready(self) -> None:
        from store import receivers  # noqa: F401 - connects itself; models are loaded now
