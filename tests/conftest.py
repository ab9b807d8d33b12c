"""Fixtures of the whole suite. Real databases, real processes, nothing outside loopback, nothing kept.

data_dir            (always on) a private SALEWRIGHT_DATA_DIR, no other setting from outside; clock and log as before
database            the three logical databases, fresh and open: the test runs once on SQLite and once on PostgreSQL;
                    afterwards the process's live catalogue is forgotten
sqlite_database     the same on SQLite only, for what no server can change
postgresql_database the same on PostgreSQL only
postgresql_server   the PostgreSQL 18 server itself          redis_url   an empty Redis
processes           starts real processes with the test's databases, and ends them all
"""
from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from engine import store
from engine.base import clock
from engine.config.live import live
from tests.support.databases import Database, PostgresTemplates, SqliteTemplates, close_all
from tests.support.processes import Processes

if TYPE_CHECKING:                              # heavy to import: only the tests that need a server pay for it
    from tests.support.servers import PostgreSQL, RedisServer

hypothesis_settings.register_profile("salewright", deadline=None, print_blob=True,
                                     suppress_health_check=[HealthCheck.too_slow,
                                                            HealthCheck.function_scoped_fixture])
hypothesis_settings.load_profile("salewright")


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [n for n in os.environ if n.startswith("SALEWRIGHT_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "var"
    monkeypatch.setenv("SALEWRIGHT_DATA_DIR", str(folder))
    monkeypatch.setenv("SALEWRIGHT_SQLITE_SYNCHRONOUS", "OFF")     # as PostgreSQL here: no test is about a power cut
    log = logging.getLogger()
    handlers, level = log.handlers[:], log.level
    yield folder
    log.handlers[:], log.level = handlers, level
    clock.set_to(None)
    clock.follow(None)
    if health := sys.modules.get("engine.pay.health"):             # which channels work is known by process, not by database
        health.forget()


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory) -> SqliteTemplates:
    return SqliteTemplates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    from tests.support.servers import PostgreSQL

    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql_templates(postgresql_server) -> PostgresTemplates:
    return PostgresTemplates(postgresql_server)


@pytest.fixture
def sqlite_database(data_dir: Path, sqlite_templates: SqliteTemplates) -> Iterator[Database]:
    sqlite_templates.copy_to(data_dir)
    store.open_all()
    yield Database("sqlite", {"SALEWRIGHT_DATA_DIR": str(data_dir)})
    live.stop()
    close_all()


@pytest.fixture
def postgresql_database(request: pytest.FixtureRequest, data_dir: Path, postgresql_templates: PostgresTemplates,
                        monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    server = postgresql_templates.server
    name = postgresql_templates.copy()
    monkeypatch.setenv("SALEWRIGHT_DATABASE_URL", server.url(name))
    store.open_all()
    yield Database("postgresql", {"SALEWRIGHT_DATA_DIR": str(data_dir), "SALEWRIGHT_DATABASE_URL": server.url(name)},
                   name, server)
    live.stop()
    close_all()
    if "processes" in request.fixturenames:    # a child that is not ended yet must not write into the next test's
        server.drop(name)
    else:
        postgresql_templates.give_back(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    from tests.support.servers import RedisServer

    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server) -> str:
    redis_server.empty()
    return redis_server.url


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path, data_dir: Path) -> Iterator[Processes]:
    """Children see the settings of this test: its data folder and, when it has one, its database."""
    folder = tmp_path / "processes"
    folder.mkdir()
    env = {name: value for name, value in os.environ.items() if name.startswith("SALEWRIGHT_")}
    started = Processes(folder, {**env, "SALEWRIGHT_DATA_DIR": str(data_dir)})
    yield started
    started.end_all()
