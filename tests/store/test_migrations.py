"""Migrations make exactly the tables that the code declares, once, whoever else is at it."""
from __future__ import annotations

import importlib

import peewee
import pytest
from playhouse.schema_diff import diff_models

from engine import store
from tests.support.together import at_once, errors
from tools.migration import import_every_room

import_every_room()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, data_dir, monkeypatch):
    """Databases without a table."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        monkeypatch.setenv("SALEWRIGHT_DATABASE_URL", server.create("empty"))
    store.open_all()
    yield request.param
    for db in store.LOGICAL.values():
        db.close()
    if request.param == "postgresql":
        server.drop("empty")


def test_they_make_what_the_code_declares(empty):
    assert len(store.pending()) == len(store.migrate()) >= 3
    for db in store.LOGICAL.values():
        ours = [table for table in store.tables(db) if table.__module__.partition(".")[0] in ("engine", "console")]
        assert not (difference := diff_models(db.database, ours)), str(difference)
    assert store.pending() == [] and store.migrate() == []


def test_each_is_applied_once_by_processes_that_start_together(empty):
    applied = at_once(lambda n: store.migrate(), range(4))
    assert not errors(applied)
    names = [name for batch in applied for name in batch]
    assert sorted(names) == sorted(set(names)) and store.pending() == []


ROWS = {"order_line": 12, "payment_allocation": 3, "payment_tender": 5, "notice_received": 7}


def test_tables_that_are_made_anew_keep_their_rows_and_rules(empty):
    runner = importlib.import_module("engine.store.migrate")._runner(store.trade)
    runner.up("0006_shared_pools")
    execute, mark = store.trade.database.execute_sql, "?" if empty == "sqlite" else "%s"

    def insert(table, columns, n):
        execute(f"INSERT INTO {table} VALUES ({', '.join([mark] * columns)})", tuple(n for _ in range(columns)))

    def rows():
        return {table: store.query(store.trade, f"SELECT * FROM {table} ORDER BY 1, 2") for table in ROWS}

    def indexes():
        return {(index.table, tuple(index.columns)) for table in ROWS for index in store.trade.database.get_indexes(table)
                if not index.unique}
    for table, columns in ROWS.items():
        insert(table, columns, 2)
        insert(table, columns, 1)
    before, indexed = rows(), indexes()
    for _ in range(2):                         # there, back, and there again
        runner.up("0007_fewer_pages")
        assert rows() == before and indexes() == indexed and all(len(found) == 2 for found in before.values())
        for table, columns in ROWS.items():
            with pytest.raises(peewee.IntegrityError), store.trade.database.atomic():
                insert(table, columns, 1)
        runner.down("0007_fewer_pages")
        assert rows() == before and indexes() == indexed


def test_what_lacks_is_named(empty, monkeypatch, tmp_path):
    for name in store.LOGICAL:
        (tmp_path / name).mkdir()
    (tmp_path / "trade" / "0009_new.py").write_text("def up(migrator, db): pass\ndef down(migrator, db): pass\n")
    monkeypatch.setattr(importlib.import_module("engine.store.migrate"), "FOLDER", tmp_path)
    assert store.pending() == ["trade/0009_new"]
    assert store.migrate() == ["trade/0009_new"] and store.pending() == []
