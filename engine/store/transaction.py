"""`transaction()`: the one way to write. Right per backend: IMMEDIATE behind the gate on SQLite, BEGIN on PostgreSQL.

Rows that nobody reads before the commit (journal, logs, postings, outbox) are handed to `tx.later` and written as one
INSERT a table just before it: statements per order are what an order costs.
"""
from __future__ import annotations

import logging
import random
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, TypeVar

import peewee

from ..base import crash, settings
from ..base.errors import Code, Refusal
from . import rows
from .databases import Logical, close_quietly, counts, thread_state, trade

T = TypeVar("T")
_log = logging.getLogger("salewright.store")
_LOST = (peewee.OperationalError, peewee.InterfaceError)
# PostgreSQL's classes of "try the whole transaction again": serialization_failure, deadlock_detected.
_AGAIN = ("40001", "40P01")
_TIMED_OUT = ("55P03", "57014")


class Transaction:
    """What is open now. `later(table, row)` stages a row; `after_commit(fn)` runs fn once the commit is durable."""

    def __init__(self, db: Logical):
        self.db = db
        self._rows: dict[Any, list[dict]] = {}
        self._after: list[Callable[[], None]] = []
        self.pipeline_failed = False

    def later(self, table: type[peewee.Model], row: dict[str, Any]) -> None:
        self._rows.setdefault(table, []).append(row)

    def staged(self, table: type[peewee.Model]) -> list[dict]:
        return self._rows.get(table, [])

    def after_commit(self, fn: Callable[[], None]) -> None:
        self._after.append(fn)

    def flush(self) -> None:
        """Write what was staged, one INSERT a table. Called before the commit, and by whoever must read it earlier.

        PostgreSQL gets them in one round trip (pipeline mode); an error of any of them comes out at the end.
        """
        if len(self._rows) < 2 or self.db.is_sqlite:
            self._write_staged()
            return
        self.pipeline_failed = True
        with peewee.__exception_wrapper__, self.db.database.connection().pipeline():
            self._write_staged()
        self.pipeline_failed = False

    def _write_staged(self) -> None:
        while self._rows:
            table, staged = self._rows.popitem()
            rows.insert(table, staged)


class transaction:
    """`with transaction() as tx:` on the trade database, or on the one given. Inside another one of the same database it
    joins it. `crash_point` names the last moment before the commit for crash tests. Not `durable`: a power cut may lose
    the commit, a killed process does not; for what is worth less than a wait for the disk."""

    def __init__(self, db: Logical = trade, crash_point: str = "", durable: bool = True):
        self._db, self._crash_point, self._durable = db, crash_point, durable
        self._outer: Transaction | None = None
        self._kept: tuple[Any, bool] | None = None

    def __enter__(self) -> Transaction:
        state = thread_state()
        self._outer = getattr(state, "tx", None)
        if self._outer is not None:
            if self._outer.db is not self._db:
                raise RuntimeError(f"a {self._outer.db.name} transaction is open: none spans two databases")
            return self._outer
        if self._db.database and self._db.gate:
            self._db.gate.__enter__()
        try:
            if self._db.gate:
                self._kept = self._db.database.lend_writer()
            self._inner = self._begin()
        except BaseException:
            self._leave()
            raise
        self._tx = state.tx = Transaction(self._db)
        return self._tx

    def _begin(self):
        try:
            return self._open()
        except _LOST:
            close_quietly(self._db.database)   # a server that was restarted: one new connection, then give up
            return self._open()

    def _open(self):
        database, sqlite = self._db.database, self._db.is_sqlite
        if sqlite and not self._durable:
            database.execute_sql("PRAGMA synchronous = NORMAL")
        inner = database.transaction(*(("IMMEDIATE",) if sqlite else ()))
        inner.__enter__()
        if not sqlite and not self._durable:
            database.execute_sql("SET LOCAL synchronous_commit = off")
        return inner

    def __exit__(self, kind, error, traceback) -> bool:
        if self._outer is not None:
            return False
        try:
            self._finish(kind, error, traceback)
        finally:
            thread_state().tx = None
            if self._tx.pipeline_failed:       # psycopg then believes that statements are prepared which never were
                close_quietly(self._db.database)
            self._leave()
        if kind is None:
            counts.commits += 1
            self._tell()
        return False

    def _leave(self) -> None:
        """Let the next writer in, and let this connection wait for the disk again."""
        if self._db.is_sqlite and not self._durable:
            self._db.database.execute_sql(f"PRAGMA synchronous = {settings.get('SQLITE_SYNCHRONOUS')}")
        if self._db.gate:
            if self._kept is not None:
                self._db.database.take_back(self._kept)
            self._db.gate.__exit__()

    def _tell(self) -> None:
        """What follows a commit can't undo it, and so it can't fail it either."""
        for fn in self._tx._after:
            try:
                fn()
            except Exception:
                _log.exception("what was to follow a commit failed")

    def _finish(self, kind, error, traceback) -> None:
        if kind is None:
            try:
                self._tx.flush()
                if self._crash_point:
                    crash.point(self._crash_point)
            except BaseException as late:
                self._inner.__exit__(type(late), late, late.__traceback__)
                raise
        try:
            self._inner.__exit__(kind, error, traceback)
        except _LOST:
            close_quietly(self._db.database)
            if kind is None:                   # with an error under way, that one is the news
                raise


@contextmanager
def snapshot(db: Logical = trade) -> Iterator[None]:
    """Everything read inside is of one moment, whatever others write meanwhile; it keeps no writer waiting. Inside a
    transaction it sees what that sees."""
    if in_transaction():
        yield
        return
    with db.database.transaction(*(("DEFERRED",) if db.is_sqlite else ())):
        if not db.is_sqlite:
            db.database.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def in_transaction() -> bool:
    return getattr(thread_state(), "tx", None) is not None


def current() -> Transaction:
    """The open transaction; RuntimeError outside one (a caller that forgot it)."""
    tx = getattr(thread_state(), "tx", None)
    if tx is None:
        raise RuntimeError("no transaction is open here")
    return tx


def hold(name: str) -> None:
    """Let nobody else past this name until the open transaction ends: a lock for what has no row. (SQLite's writer is alone.)"""
    db = current().db
    if not db.is_sqlite:
        db.database.execute_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def sqlstate(error: BaseException) -> str:
    cause = error.__cause__ or error.__context__
    return getattr(error, "sqlstate", None) or getattr(cause, "sqlstate", None) or ""


def retrying(work: Callable[[], T], attempts: int = 4) -> T:
    """Run `work` (which opens its own transaction) again after a deadlock or serialization failure.

    A lock that could not be had in time becomes Refusal DATABASE_BUSY. Not for use inside a transaction.
    """
    if in_transaction():
        return work()
    for attempt in range(1, attempts + 1):
        try:
            return work()
        except peewee.OperationalError as error:
            state = sqlstate(error)
            if state in _AGAIN and attempt < attempts:
                time.sleep(random.uniform(0.005, 0.03) * attempt)
                continue
            if state in _AGAIN or state in _TIMED_OUT or "locked" in str(error):
                raise Refusal(Code.DATABASE_BUSY) from error
            raise
    raise AssertionError("unreachable")
