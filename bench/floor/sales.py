"""A sale by hand: 13 statements and 2 commits, prices and buyers taken on trust.

`place` writes the order (20 columns), its line, a 1.5 KB snapshot, the payment, 4 journal rows, 2 postings and an outbox
row; `paid` moves order and payment, grants the entitlement, writes 2 postings, 4 journal rows and an outbox row. Both
databases run with the durability the engine runs with, and on SQLite writers queue at the same kind of gate.
"""
from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from typing import Any, Callable

import psycopg

ORDER_COLUMNS = ("no", "scene_id", "line_id", "release_no", "terminal", "method", "buyer_id", "merchant_id", "state",
                 "currency", "subtotal_minor", "discount_minor", "payable_minor", "refunded_minor", "title", "trace_id",
                 "created_at_ms", "expires_at_ms", "paid_at_ms", "updated_at_ms")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS floor_order ({", ".join(f"{c} BIGINT" if c.endswith(("_minor", "_ms", "release_no")) else f"{c} TEXT"
                                                   for c in ORDER_COLUMNS)}, PRIMARY KEY (no));
CREATE TABLE IF NOT EXISTS floor_line (order_no TEXT, n INTEGER, sku TEXT, quantity INTEGER, unit_price_minor BIGINT,
  payable_minor BIGINT, PRIMARY KEY (order_no, n));
CREATE TABLE IF NOT EXISTS floor_snapshot (order_no TEXT PRIMARY KEY, body TEXT);
CREATE TABLE IF NOT EXISTS floor_payment (no TEXT PRIMARY KEY, order_no TEXT, state TEXT, channel_id TEXT, channel_no TEXT,
  amount_minor BIGINT, currency TEXT, created_at_ms BIGINT, updated_at_ms BIGINT);
CREATE TABLE IF NOT EXISTS floor_journal (order_no TEXT, n INTEGER, step TEXT, state TEXT, result TEXT, at_ms BIGINT,
  PRIMARY KEY (order_no, n));
CREATE TABLE IF NOT EXISTS floor_posting (order_no TEXT, n INTEGER, account TEXT, currency TEXT, amount_minor BIGINT,
  at_ms BIGINT, PRIMARY KEY (order_no, n));
CREATE TABLE IF NOT EXISTS floor_entitlement (no TEXT PRIMARY KEY, order_no TEXT, buyer_id TEXT, "right" TEXT,
  starts_at_ms BIGINT, ends_at_ms BIGINT);
CREATE TABLE IF NOT EXISTS floor_outbox (no TEXT PRIMARY KEY, task TEXT, args TEXT, due_at_ms BIGINT)
"""


def _values(rows: int, columns: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


INSERT_ORDER = f"INSERT INTO floor_order ({', '.join(ORDER_COLUMNS)}) VALUES {_values(1, len(ORDER_COLUMNS))}"
INSERT_LINE = f"INSERT INTO floor_line VALUES {_values(1, 6)}"
INSERT_SNAPSHOT = f"INSERT INTO floor_snapshot VALUES {_values(1, 2)}"
INSERT_PAYMENT = f"INSERT INTO floor_payment VALUES {_values(1, 9)}"
INSERT_JOURNAL = f"INSERT INTO floor_journal VALUES {_values(4, 6)}"
INSERT_POSTINGS = f"INSERT INTO floor_posting VALUES {_values(2, 6)}"
INSERT_OUTBOX = f"INSERT INTO floor_outbox VALUES {_values(1, 4)}"
INSERT_ENTITLEMENT = f"INSERT INTO floor_entitlement VALUES {_values(1, 6)}"
UPDATE_ORDER = "UPDATE floor_order SET state = ?, paid_at_ms = ?, updated_at_ms = ? WHERE no = ? AND state = ?"
UPDATE_PAYMENT = "UPDATE floor_payment SET state = ?, channel_no = ?, updated_at_ms = ? WHERE no = ? AND state = ?"

PLACE_STEPS = ("check", "price", "hold", "placed")
PAID_STEPS = ("matched", "posted", "granted", "told")
Execute = Callable[[str, tuple], int]          # statement, values → rows changed


class Sqlite:
    """One connection a thread; a thread lock and a file lock around BEGIN IMMEDIATE … COMMIT."""

    def __init__(self, path: str):
        self._path, self._thread, self._lock = path, threading.local(), threading.Lock()
        self._file = os.open(path + ".gate", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)

    def make_tables(self) -> None:
        self._connection().executescript(SCHEMA)

    def durability(self) -> tuple[str, int]:
        """(journal mode, synchronous) as this thread's connection has them."""
        return tuple(self._connection().execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous"))

    def close(self) -> None:
        """Close this thread's connection."""
        self._connection().close()
        del self._thread.connection

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._thread, "connection"):
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=15)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 8000")
            self._thread.connection = connection
        return self._thread.connection

    def transaction(self, work: Callable[[Execute], Any]) -> Any:
        connection = self._connection()
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = work(lambda sql, values: connection.execute(sql, values).rowcount)
                    connection.execute("COMMIT")
                    return result
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


class Postgres:
    """One connection a thread; statements prepare themselves after a few uses."""

    def __init__(self, url: str):
        self._url, self._thread = url, threading.local()

    def make_tables(self) -> None:
        with psycopg.connect(self._url) as connection:
            for statement in SCHEMA.split(";"):
                connection.execute(statement)

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._thread, "connection"):
            self._thread.connection.close()
            del self._thread.connection

    def transaction(self, work: Callable[[Execute], Any]) -> Any:
        if not hasattr(self._thread, "connection"):
            self._thread.connection = psycopg.connect(self._url)
        connection = self._thread.connection
        with connection.transaction(), connection.cursor() as cursor:
            return work(lambda sql, values: cursor.execute(_dollar(sql), values).rowcount)


_in_psycopg: dict[str, str] = {}


def _dollar(sql: str) -> str:
    if sql not in _in_psycopg:
        _in_psycopg[sql] = sql.replace("?", "%s")
    return _in_psycopg[sql]


def open_database(url: str) -> Sqlite | Postgres:
    """`sqlite:////absolute/path.db` or `postgresql://…`."""
    return Sqlite(url.removeprefix("sqlite:///")) if url.startswith("sqlite:") else Postgres(url)


def place(database: Sqlite | Postgres, sale: dict[str, Any]) -> dict[str, Any]:
    """Write an order and its payment; `sale` has scene, buyer, sku, price_minor and a snapshot. Returns their numbers."""
    now, price = time.time_ns() // 1_000_000, sale["price_minor"]
    order_no, payment_no = "O" + os.urandom(12).hex(), "P" + os.urandom(12).hex()

    def work(execute: Execute) -> None:
        execute(INSERT_ORDER, (order_no, sale["scene"], "line", 1, "app", "in_app", sale["buyer"], "own", "awaiting_payment",
                               "CNY", price, 0, price, 0, sale["sku"], order_no[1:], now, now + 1_800_000, None, now))
        execute(INSERT_LINE, (order_no, 1, sale["sku"], 1, price, price))
        execute(INSERT_SNAPSHOT, (order_no, json.dumps(sale["snapshot"])))
        execute(INSERT_PAYMENT, (payment_no, order_no, "pending", "channel", None, price, "CNY", now, now))
        execute(INSERT_JOURNAL, _journal(order_no, 1, PLACE_STEPS, now))
        execute(INSERT_POSTINGS, _postings(order_no, 1, ("memo_ordered", "memo_expected"), price, now))
        execute(INSERT_OUTBOX, ("J" + os.urandom(8).hex(), "payment.ask", payment_no, now + 15_000))
    database.transaction(work)
    return {"order": order_no, "payment": payment_no, "amount_minor": price}


def paid(database: Sqlite | Postgres, notice: dict[str, Any]) -> bool:
    """Apply a success to the payment; False when it was applied before."""
    now, order_no, price = time.time_ns() // 1_000_000, notice["order"], notice["amount_minor"]

    def work(execute: Execute) -> bool:
        if not execute(UPDATE_PAYMENT, ("succeeded", notice["channel_no"], now, notice["payment"], "pending")):
            return False
        execute(UPDATE_ORDER, ("completed", now, now, order_no, "awaiting_payment"))
        execute(INSERT_ENTITLEMENT, ("E" + os.urandom(12).hex(), order_no, notice["buyer"], "member", now, now + 2_592_000_000))
        execute(INSERT_POSTINGS, _postings(order_no, 3, ("deferred_revenue", "channel_receivable"), price, now))
        execute(INSERT_JOURNAL, _journal(order_no, 5, PAID_STEPS, now))
        execute(INSERT_OUTBOX, ("J" + os.urandom(8).hex(), "message.send", order_no, now))
        return True
    return database.transaction(work)


def _journal(order_no: str, first: int, steps: tuple[str, ...], now: int) -> tuple:
    return tuple(value for n, step in enumerate(steps, first) for value in (order_no, n, step, "done", '{"by":"hand"}', now))


def _postings(order_no: str, first: int, accounts: tuple[str, str], amount_minor: int, now: int) -> tuple:
    return (order_no, first, accounts[0], "CNY", -amount_minor, now, order_no, first + 1, accounts[1], "CNY", amount_minor, now)
