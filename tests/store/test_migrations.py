"""Migrations make exactly the tables that the code declares, once, whoever else is at it."""
from __future__ import annotations

import importlib

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


def test_what_lacks_is_named(empty, monkeypatch, tmp_path):
    for name in store.LOGICAL:
        (tmp_path / name).mkdir()
    (tmp_path / "trade" / "0009_new.py").write_text("def up(migrator, db): pass\ndef down(migrator, db): pass\n")
    monkeypatch.setattr(importlib.import_module("engine.store.migrate"), "FOLDER", tmp_path)
    assert store.pending() == ["trade/0009_new"]
    assert store.migrate() == ["trade/0009_new"] and store.pending() == []
