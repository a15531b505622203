"""An empty GiLo database for one benchmark: an embedded PostgreSQL of its own, gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def throwaway_agent() -> Iterator[Any]:
    """An agent in a workspace of a new database. Import this before anything of Django's models."""
    folder = Path(tempfile.mkdtemp(prefix="gilo-bench-"))
    os.environ.update(
        GILO_DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="gilo.settings", LOG_LEVEL="WARNING", GILO_SEED_DEMO="0"
    )
    for name in [name for name in os.environ if name.startswith(("EMBEDDING_", "DATABASE_URL", "REDIS_URL"))]:
        del os.environ[name]
    import django
    from django.conf import settings

    from core.embedded_postgres import EmbeddedPostgres

    server = EmbeddedPostgres(settings.EMBEDDED_DATABASE_DIR)
    server.start()
    try:
        django.setup()
        yield _make_agent()
    finally:
        _close_connections()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _make_agent() -> Any:
    from accounts.models import Workspace
    from agents.services import create_agent
    from gilo.prepare import prepare_database

    prepare_database()
    workspace = Workspace.objects.create(name="Benchmark", plan="unlimited")
    return create_agent(workspace_id=workspace.pk, actor=None, name="Benchmark")


def _close_connections() -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()
