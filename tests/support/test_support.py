"""The fixtures themselves: a suite that stands on them must know that they give what they promise."""
from __future__ import annotations

import os
import signal
import sys

import psycopg
import pytest
from redis import Redis

from engine import store
from engine.base import clock, settings
from engine.config.releases import FileText
from tests.support.processes import free_ports, is_running, status_of
from tests.support.waiting import wait_until


def test_a_database_is_fresh_open_and_writable(database):
    assert store.trade.is_sqlite == (database.backend == "sqlite")
    with store.transaction(store.content):
        store.insert(FileText, {"digest": "d", "text": "here"})
    assert [row["text"] for row in store.many(FileText)] == ["here"]


def test_the_next_test_sees_nothing_of_the_one_before(database):
    assert store.many(FileText) == []


def test_three_logical_databases_are_open(database):
    assert {db.url for db in store.LOGICAL.values()} == {settings.database_url(name) for name in store.LOGICAL}
    assert all(db.database.execute_sql("SELECT 1").fetchone() == (1,) for db in store.LOGICAL.values())


def test_a_child_process_opens_the_same_database(database, processes):
    with store.transaction(store.content):
        store.insert(FileText, {"digest": "d", "text": "from the parent"})
    child = processes.python("-c", "from engine import store; store.open_all();"
                             "print('found', *store.query(store.content, 'SELECT text FROM file_text')[0])")
    child.wait_for("found from the parent")
    assert child.wait() == 0


def test_the_server_is_postgresql_18_and_can_cut_its_connections(postgresql_database):
    assert store.trade.database.execute_sql("SHOW server_version").fetchone()[0].startswith("18")
    with psycopg.connect(postgresql_database.env["SALEWRIGHT_DATABASE_URL"]) as connection:
        postgresql_database.server.cut_connections(postgresql_database.name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_postgresql_is_reached_from_outside_the_engine(postgresql_database):
    with psycopg.connect(postgresql_database.env["SALEWRIGHT_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (postgresql_database.name,)


def test_redis_is_empty(redis_url):
    client = Redis.from_url(redis_url)
    assert client.keys() == []
    client.set("left", "behind")


def test_redis_is_empty_again(redis_url):
    assert Redis.from_url(redis_url).keys() == []


def test_the_clock_was_stopped():
    clock.set_to(1)
    assert clock.now_ms() == 1


def test_the_clock_runs_again():
    assert clock.now_ms() > 1_700_000_000_000


def test_no_setting_leaks_in(data_dir):
    assert {name for name in os.environ if name.startswith("SALEWRIGHT_")} == {
        "SALEWRIGHT_DATA_DIR", "SALEWRIGHT_SQLITE_SYNCHRONOUS"}        # the fixture's own
    assert settings.data_dir() == data_dir


def test_processes_are_watched_and_ended(processes):
    port = free_ports()
    server = processes.python("-m", "http.server", str(port), "--bind", "127.0.0.1")
    server.wait_healthy(port, "/run.py")
    assert status_of(port, "/no-such-file") == 404
    processes.end_all()
    wait_until(lambda: not is_running(server.pid), "its end")
    assert status_of(port) is None


def test_an_early_end_is_reported_with_its_output(processes):
    child = processes.start(sys.executable, "-c", "print('last words'); raise SystemExit(3)")
    with pytest.raises(AssertionError, match=r"(?s)ended with 3.*last words"):
        child.wait_for("never written")


def test_kill9_is_a_crash(processes):
    child = processes.python("-c", "import time; time.sleep(60)")
    child.kill9()
    assert child.wait() == -signal.SIGKILL
