"""Which server holds a logical database is a setting, and says what it is when it is none."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import settings
from engine.config.releases import Release
from engine.trade.orders import TradeOrder


def test_three_files_by_default(sqlite_database, data_dir):
    assert [db.url for db in store.LOGICAL.values()] == \
        [f"sqlite:///{data_dir / name}.db" for name in ("content", "trade", "system")]
    assert all(db.is_sqlite and db.gate for db in store.LOGICAL.values())
    assert store.query(store.trade, "PRAGMA journal_mode") == [("wal",)]


def test_a_commit_survives_a_power_cut_unless_it_is_set_otherwise(sqlite_database, monkeypatch):
    monkeypatch.delenv("SALEWRIGHT_SQLITE_SYNCHRONOUS")
    store.open_all()
    assert store.query(store.trade, "PRAGMA synchronous") == [(2,)]        # FULL


def test_how_a_connection_to_postgresql_is_set(postgresql_database):
    assert not store.trade.is_sqlite and store.trade.gate is None
    assert store.query(store.trade, "SHOW timezone") == [("UTC",)]
    assert store.query(store.trade, "SHOW lock_timeout") == [("15s",)]
    assert store.query(store.trade, "SHOW application_name") == [("salewright",)]


def test_one_url_for_all_and_one_for_each(monkeypatch, data_dir):
    monkeypatch.setenv("SALEWRIGHT_DATABASE_URL", "postgresql://all")
    monkeypatch.setenv("SALEWRIGHT_TRADE_DATABASE_URL", "postgresql://trade")
    assert [settings.database_url(name) for name in ("content", "trade", "system")] == [
        "postgresql://all", "postgresql://trade", "postgresql://all"]


@pytest.mark.parametrize("url", ["mysql://host/db", "/tmp/file.db", "redis://x"])
def test_what_is_no_database_url_is_said(sqlite_database, url):
    with pytest.raises(SystemExit, match="is not a database URL"):
        store.trade.open(url)


def test_tables_are_in_the_database_they_were_declared_for():
    assert store.logical_of(TradeOrder) is store.trade and store.logical_of(Release) is store.content
    assert TradeOrder in store.tables(store.trade) and Release not in store.tables(store.trade)
    names = [table._meta.table_name for db in store.LOGICAL.values() for table in store.tables(db)]
    assert len(names) == len(set(names))       # they may all live in one server


def test_a_short_way_to_write_postgresql(postgresql_database):
    store.system.open(postgresql_database.env["SALEWRIGHT_DATABASE_URL"].replace("postgresql://", "postgres://"))
    assert store.query(store.system, "SELECT 1") == [(1,)]
