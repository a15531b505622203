"""What must be right before anything serves: Redis lets us in; the database is at the code's state (created, migrated,
seeded, by one process at a time)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from core.async_db import connection_parameters

logger = logging.getLogger(__name__)
_PREPARE_LOCK = 0x61C0  # any constant of ours: the advisory lock that one preparing process holds
_REDIS_SECONDS = 2
_CONNECT_SECONDS = 10  # a server that is there answers sooner; without a limit a wrong address takes minutes
_OLDEST_SERVER = 16
_OLDEST_PGVECTOR = (0, 8)


class PreparationError(Exception):
    """The database, or Redis, cannot be used as it is; the message says why in a sentence."""


def check_redis() -> None:
    """Raises PreparationError when Redis refuses us, which no waiting mends. One that is away may come back."""
    if not settings.REDIS_URL:
        return
    options = {"socket_connect_timeout": _REDIS_SECONDS, "socket_timeout": _REDIS_SECONDS}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, **options) as server:
            server.ping()
    except (redis.AuthenticationError, redis.ResponseError) as error:
        raise PreparationError(f"The Redis of REDIS_URL refuses us: {error}") from error
    except redis.RedisError as error:
        logger.warning("the Redis of REDIS_URL does not answer, so nobody can sign in and jobs wait: %s", error)


def prepare_database() -> None:
    """Create (embedded only), migrate and seed the database. Safe to call from many processes at once.

    Raises PreparationError.
    """
    try:
        _prepare()
    except (psycopg.Error, DatabaseError, InterfaceError) as error:
        which = "The embedded database" if settings.EMBEDDED_DATABASE else "The database of DATABASE_URL"
        raise PreparationError(f"{which} cannot be used: {str(error).strip().splitlines()[0]}") from error


def _prepare() -> None:
    if settings.EMBEDDED_DATABASE:
        _create_database()
    with _lock(connection_parameters()) as server:
        _check_server(server)
        if _needs_migration():
            call_command("migrate", interactive=False, verbosity=0)
        if settings.SEED_DEMO:
            _seed()
        _narrow_landing_key()
    connection.close()


def _create_database() -> None:
    parameters = {**connection_parameters(), "dbname": "postgres"}
    name = settings.DATABASES["default"]["NAME"]
    with _lock(parameters) as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            server.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


@contextmanager
def _lock(parameters: dict[str, Any]) -> Iterator[psycopg.Connection]:
    """Hold the advisory lock on a connection of its own, so that whatever runs inside may close Django's."""
    with psycopg.connect(**{"connect_timeout": _CONNECT_SECONDS, **parameters}, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_PREPARE_LOCK])
        yield server


def _check_server(server: psycopg.Connection) -> None:
    """Refuse a server on which the migrations would fail half-way, or searches later."""
    if (version := server.info.server_version // 10_000) < _OLDEST_SERVER:
        raise PreparationError(f"DATABASE_URL names PostgreSQL {version}; GiLo needs {_OLDEST_SERVER} or newer.")
    vector = server.execute(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if vector is None:
        raise PreparationError("The server of DATABASE_URL has no pgvector. Install it there: GiLo needs 0.8 or newer.")
    if tuple(map(int, vector[0].split(".")[:2])) < _OLDEST_PGVECTOR:
        raise PreparationError(f"The server of DATABASE_URL has pgvector {vector[0]}; GiLo needs 0.8 or newer.")


def _needs_migration() -> bool:
    # Asking costs milliseconds; `migrate` with nothing to do costs a second.
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _seed() -> None:
    from gilo.seed import seed_demo  # imports every app's services: only where it is wanted

    seed_demo()


def _narrow_landing_key() -> None:
    from gilo.demo import narrow_landing_key  # as above

    narrow_landing_key()
