"""Fresh databases for each test: made once per shape of the tables, then copied.

The shape is what migrations make plus every table declared so far, so that a test of one room has that room's tables.
"""
from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

from engine import store

from .servers import PostgreSQL

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """What a test was given. `env` is what a child process needs to open the same databases."""
    backend: str                               # sqlite | postgresql
    env: dict[str, str]
    name: str = ""                             # of the PostgreSQL database
    server: PostgreSQL | None = None


def _shape() -> frozenset[str]:
    return frozenset(f"{db.name}.{table.__name__}" for db in store.LOGICAL.values() for table in store.tables(db))


def _make_tables() -> None:
    store.migrate()
    for db in store.LOGICAL.values():
        db.database.create_tables(store.tables(db))


def close_all() -> None:
    for db in store.LOGICAL.values():
        db.close()


class SqliteTemplates:
    """Folders with the three files, one per shape."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._made: dict[frozenset[str], Path] = {}

    def copy_to(self, target: Path) -> None:
        source = self._made.get(_shape()) or self._make()
        target.mkdir(parents=True, exist_ok=True)
        for file in source.glob("*.db"):
            shutil.copyfile(file, target / file.name)

    def _make(self) -> Path:
        folder = self._folder / f"sqlite-{next(_numbers)}"
        folder.mkdir(parents=True)
        for db in store.LOGICAL.values():
            db.open(f"sqlite:///{folder / (db.name + '.db')}")
        _make_tables()
        close_all()                            # the last to close folds the write-ahead log into the file
        self._made[_shape()] = folder
        return folder


class PostgresTemplates:
    """Template databases on one server, one per shape, and copies of them that tests are done with."""

    def __init__(self, server: PostgreSQL):
        self.server = server
        self._made: dict[frozenset[str], str] = {}
        self._shapes: dict[str, frozenset[str]] = {}
        self._free: dict[frozenset[str], list[str]] = {}

    def copy(self) -> str:
        """The name of a fresh database."""
        template = self._made.get(_shape()) or self._make()
        if free := self._free.get(_shape()):
            return free.pop()
        name = f"test_{next(_numbers)}"
        self.server.create(name, template)
        self._shapes[name] = _shape()
        return name

    def give_back(self, name: str) -> None:
        """A test is done with it: emptied, it is as fresh as a new one, and a hundred times sooner there."""
        if self.server.empty(name):
            self._free.setdefault(self._shapes[name], []).append(name)
        else:
            self.server.drop(name)

    def _make(self) -> str:
        name = f"shape_{next(_numbers)}"
        url = self.server.create(name)
        for db in store.LOGICAL.values():
            db.open(url)
        _make_tables()
        close_all()
        self._made[_shape()] = name
        return name


