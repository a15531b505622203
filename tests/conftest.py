"""Fixtures for all tests."""

import fcntl
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.signals import setting_changed
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.test.client import ClientHandler

from gilo.prepare import prepare_database
from tests.environment import DATA_DIR
from tests.fake_model import FakeModel

KEPT_CONNECTIONS = 4  # of threads that live as long as the run: this one, asgiref's, a server's


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, django_db_blocker: Any) -> None:
    """The first process migrates the server's own database; every process's test database is a copy of it."""
    if not settings.EMBEDDED_DATABASE:
        return
    with (DATA_DIR / "migrating").open("a+") as done, override_settings(SEED_DEMO=False):
        fcntl.flock(done, fcntl.LOCK_EX)
        if done.seek(0, os.SEEK_END) == 0:
            with django_db_blocker.unblock():
                prepare_database()
                connection.close_pool()  # a database that somebody is connected to cannot be copied
            done.write("done")
    connection.settings_dict["TEST"]["TEMPLATE"] = settings.DATABASES["default"]["NAME"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """End sessions that threads and event loops of the tests left open, so that the test database can be dropped.

    Fails when threads took connections to their graves: the pool would be empty some day, here as in production.
    """
    yield
    lost = _count_taken_connections()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert lost <= KEPT_CONNECTIONS, f"{lost} connections were never given back: see core.async_db.run_in_thread"


def _count_taken_connections() -> int:
    stats = connection.pool.get_stats()
    return int(stats.get("pool_size", 0) - stats.get("pool_available", 0))


# What migrations made stays. A small table is emptied row by row, which costs next to nothing where there is none; one
# that has grown gets new files, so that the next test does not wade through dead rows.
_EMPTY_TABLES = """
DO $$
DECLARE
    name text;
    is_filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN
        ('django_migrations', 'django_content_type', 'django_site', 'auth_permission')
    LOOP
        IF pg_relation_size(name) > 65536 THEN
            EXECUTE 'TRUNCATE ' || name || ' CASCADE';
        ELSIF pg_relation_size(name) > 0 THEN
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO is_filled;
            IF is_filled THEN
                EXECUTE 'DELETE FROM ' || name;
            END IF;
        END IF;
    END LOOP;
END $$
"""


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """Empty the database after a test without a transaction in milliseconds: Django gives sixty tables new files and
    makes content types, permissions and the site anew, which takes half a second."""

    def empty_tables(_: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_EMPTY_TABLES)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_middleware_chain() -> Iterator[None]:
    """Django's test clients share one chain until a setting changes: WhiteNoise lists all files for each new one."""
    load, chains = ClientHandler.load_middleware, []
    parts = ("_middleware_chain", "_view_middleware", "_template_response_middleware", "_exception_middleware")

    def load_once(handler: ClientHandler, is_async: bool = False) -> None:
        if not chains:
            load(handler, is_async)
            chains.append({part: getattr(handler, part) for part in parts})
        vars(handler).update(chains[0])

    def forget(**_: object) -> None:
        chains.clear()

    setting_changed.connect(forget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "load_middleware", load_once)
        yield
    setting_changed.disconnect(forget)


@pytest.fixture(scope="session")
def _fake_model_server() -> Iterator[FakeModel]:
    server = FakeModel()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fake_model(_fake_model_server: FakeModel) -> FakeModel:
    """An OpenAI-compatible server on loopback (tests/fake_model.py), back at its defaults for each test."""
    _fake_model_server.reset()
    return _fake_model_server
