"""The three logical databases (content, trade, system) and how each kind of server is opened.

A logical database is where a table lives and what one transaction may touch; which server holds it is a setting.
No table refers to another logical database, and no transaction spans two.
"""
from __future__ import annotations

import os
import sqlite3
import threading
from typing import Any
from urllib.parse import urlparse

import peewee
from playhouse.postgres_ext import Psycopg3Database

from ..base import canon, settings
from .gate import Gate

BUSY_TIMEOUT_S = 15


class Counts:
    """Statements and commits of this process: the figures the engine is designed around."""

    def __init__(self) -> None:
        self.statements = 0
        self.commits = 0
        self.log: list[str] | None = None      # set to [] to record the texts (bench, tests)

    def reset(self, record: bool = False) -> None:
        self.statements = self.commits = 0
        self.log = [] if record else None

    def statement(self, sql: str) -> None:
        self.statements += 1
        if self.log is not None:
            self.log.append(sql)


counts = Counts()


class _Sqlite(peewee.SqliteDatabase):
    """Every thread has a connection to read with; to write, all share one, which the gate hands from thread to thread.

    A connection forgets all pages it holds as soon as another one has committed: with a writer a thread, every transaction
    begins by reading its pages again, which cost a third of an order's CPU at eight threads.
    """
    _writer: Any = None
    _writer_pid = 0

    def lend_writer(self) -> tuple[Any, bool]:
        """Make the writer this thread's connection; returns what the thread had. Behind the gate only."""
        state = self._state
        kept = state.conn, state.closed
        if self._writer is None or self._writer_pid != os.getpid():
            self._writer, self._writer_pid = self._connect(), os.getpid()
        state.conn, state.closed = self._writer, False
        return kept

    def take_back(self, kept: tuple[Any, bool]) -> None:
        """End the loan. A writer that was closed meanwhile is made anew for the next."""
        state = self._state
        if state.conn is not self._writer:
            self._writer = state.conn
        state.conn, state.closed = kept

    def close_writer(self) -> None:
        """Behind the gate only."""
        if self._writer is not None and self._writer_pid == os.getpid():
            self._writer.close()
        self._writer = None

    def execute_sql(self, sql: str, params: Any = None):
        """Straight to the connection: the way there through peewee costs as much again as a short statement."""
        counts.statement(sql)
        return self._straight(sql, params or ())

    def begin(self, lock_type: str | None = None) -> None:
        self._straight(f"BEGIN {lock_type or ''}")

    def commit(self) -> None:
        self._straight("COMMIT")

    def _straight(self, sql: str, params: Any = ()) -> sqlite3.Cursor:
        state = self._state
        if state.closed:
            self.connect()
        try:
            return state.conn.execute(sql, params)
        except sqlite3.Error:
            with peewee.__exception_wrapper__:
                raise


class _Postgres(Psycopg3Database):
    def execute_sql(self, sql: str, params: Any = None, named_cursor: Any = None):
        """A thread that only reads begins no transaction, which would find out that its connection was cut: so it is made
        anew here, and what only reads is asked again."""
        counts.statement(sql)
        try:
            return super().execute_sql(sql, params, named_cursor)
        except (peewee.OperationalError, peewee.InterfaceError):
            if self.in_transaction() or not self.connection().closed:
                raise
            close_quietly(self)
            if not sql.startswith("SELECT"):
                raise
            return super().execute_sql(sql, params, named_cursor)


class Logical:
    """One logical database: a peewee proxy that tables bind to, opened by `open(url)`."""

    def __init__(self, name: str):
        self.name = name
        self.proxy = peewee.DatabaseProxy()
        self.url = ""
        self.gate: Gate | None = None          # SQLite only
        self.is_sqlite = True

    @property
    def database(self) -> peewee.Database:
        if self.proxy.obj is None:
            self.open(settings.database_url(self.name))
        return self.proxy.obj

    def open(self, url: str) -> None:
        """Point this logical database at a server: `sqlite:////abs/path.db` or `postgresql://user@host/name`."""
        if self.proxy.obj is not None:
            close_quietly(self.proxy.obj)
        if self.gate is not None:
            self.gate.close(self.proxy.obj.close_writer)
        parsed = urlparse(url)
        if parsed.scheme == "sqlite":
            path = url.removeprefix("sqlite:///")
            self.gate, self.is_sqlite = Gate(path), True
            self.proxy.initialize(_Sqlite(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, pragmas={
                "journal_mode": "wal", "synchronous": settings.get("SQLITE_SYNCHRONOUS"),
                "cache_size": -64_000, "temp_store": "memory", "mmap_size": 268_435_456, "wal_autocheckpoint": 8000}))
        elif parsed.scheme in ("postgresql", "postgres"):
            self.gate, self.is_sqlite = None, False
            self.proxy.initialize(_Postgres(
                url.replace("postgres://", "postgresql://", 1), connect_timeout=5,
                options=f"-c lock_timeout={BUSY_TIMEOUT_S}s -c timezone=UTC", application_name="salewright"))
        else:
            raise SystemExit(f"{self.name}: {url!r} is not a database URL: use sqlite:///path or postgresql://…")
        self.url = url

    def close(self) -> None:
        """Close this thread's connection."""
        if self.proxy.obj is not None:
            close_quietly(self.proxy.obj)


def close_quietly(database: peewee.Database) -> None:
    try:
        if not database.is_closed():
            database.close()
    except (peewee.DatabaseError, peewee.InterfaceError):
        database.dispose()


content, trade, system = Logical("content"), Logical("trade"), Logical("system")
LOGICAL = {db.name: db for db in (content, trade, system)}


def open_all() -> None:
    """Open the three databases as the settings say."""
    for name, db in LOGICAL.items():
        db.open(settings.database_url(name))


class JsonField(peewee.TextField):
    """A JSON value kept as compact text: written once, read whole, never searched inside."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else canon.dumps(value)

    def python_value(self, value: str | None) -> Any:
        return None if value is None else canon.loads(value)


class _Table(peewee.Model):
    class Meta:
        legacy_table_names = False


class ContentTable(_Table):
    class Meta:
        database = content.proxy


class TradeTable(_Table):
    class Meta:
        database = trade.proxy


class SystemTable(_Table):
    class Meta:
        database = system.proxy


def logical_of(table: type[peewee.Model]) -> Logical:
    """The logical database a table class was declared for."""
    for base, db in ((TradeTable, trade), (ContentTable, content), (SystemTable, system)):
        if issubclass(table, base):
            return db
    raise TypeError(f"{table.__name__} belongs to no logical database")


def tables(db: Logical) -> list[type[peewee.Model]]:
    """Every concrete table declared so far for a logical database, by name."""
    base = {"content": ContentTable, "trade": TradeTable, "system": SystemTable}[db.name]
    found: list[type[peewee.Model]] = []
    pending = list(base.__subclasses__())
    while pending:
        table = pending.pop()
        pending += table.__subclasses__()
        found.append(table)
    return sorted(set(found), key=lambda t: t._meta.table_name)


_thread = threading.local()


def thread_state() -> threading.local:
    """This thread's state of the store (the open transaction)."""
    return _thread
