"""`python -m bench.fill ORDERS`: stored orders by the million, in a SQLite installation that has sold a few.

Orders that the engine wrote itself are the pattern: every row of every table they touch is copied with numbers and times of
the past and with buyers of their own (three orders each), in the order of their numbers, by `INSERT … SELECT` inside the
database, without waiting for the disk. Long JSON of past quotes and payments is cut to `{}`; snapshots stay whole.
"""
from __future__ import annotations

import json
import sqlite3
import sys
import time
from typing import Any

import peewee

import engine.sale  # noqa: F401  (declares every table of a sale)
from engine import store
from engine.base import clock, settings
from engine.trade import orders

NUMBERS = {"no", "order_no", "payment_no", "quote_no", "subject_no", "resource_no", "transaction_no"}
ORDERS_PER_BUYER = 3
JSON_LONG = 400                                # characters
SPACING_MS = 20_000                            # between one copy of the pattern and the next
_NUMBER = "substr({0}, 1, 1) || c.stamp || substr({0}, 17)"


def fill(target: int) -> dict[str, Any]:
    """Copy the orders that are there until there are `target`; returns {orders, rows, seconds, bytes, tables}."""
    began = time.monotonic()
    path = settings.database_url("trade").removeprefix("sqlite:///")
    pattern = {table: _count(table) for table in store.tables(store.trade) if _is_of_orders(table) and _count(table)}
    sold = pattern[orders.TradeOrder]
    copies = max(0, -(-(target - sold) // sold))
    store.trade.close()
    with sqlite3.connect(path, isolation_level=None) as connection:
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -512000", "locking_mode = exclusive"):
            connection.execute(f"PRAGMA {pragma}")
        _stamps(connection, copies)
        for table in pattern:
            _copy(connection, table)
        _past_buyers(connection, copies, sold)
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        size = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    connection.close()
    return {"orders": sold * (copies + 1), "rows": sum(pattern.values()) * (copies + 1), "bytes": size,
            "tables": len(pattern), "seconds": time.monotonic() - began}


def _count(table: type[peewee.Model]) -> int:
    return store.query(store.trade, f'SELECT COUNT(*) FROM "{table._meta.table_name}"')[0][0]


def _is_of_orders(table: type[peewee.Model]) -> bool:
    return bool(NUMBERS & set(table._meta.columns)) and table._meta.table_name != "outbox"


def _stamps(connection: sqlite3.Connection, copies: int) -> None:
    """One row a copy: the time part of its numbers, and how far back it lies."""
    connection.execute("CREATE TEMP TABLE copies (i INTEGER PRIMARY KEY, stamp TEXT, back_ms INTEGER)")
    now = clock.now_ms()
    rows = []
    for i in range(copies):
        back_ms = (copies - i) * SPACING_MS + 86_400_000
        at = time.gmtime((now - back_ms) // 1000)
        rows.append((i, time.strftime("%y%m%d%H%M%S", at) + f"{(now - back_ms) % 1000:03d}", back_ms))
    connection.executemany("INSERT INTO copies VALUES (?, ?, ?)", rows)


def _copy(connection: sqlite3.Connection, table: type[peewee.Model]) -> None:
    name, fields = table._meta.table_name, table._meta.sorted_fields
    kept = [f for f in fields if not isinstance(f, peewee.AutoField)]
    columns = ", ".join(f'"{f.column_name}"' for f in kept)
    values = ", ".join(_value(f, _unique(table), cut=table is not orders.OrderDetail) for f in kept)
    connection.execute(f'CREATE TEMP TABLE pattern AS SELECT * FROM "{name}"')       # in the order of its rows or its key
    connection.execute("BEGIN")
    connection.execute(f'INSERT INTO "{name}" ({columns}) SELECT {values} FROM copies c CROSS JOIN pattern t ORDER BY c.i')
    connection.execute("COMMIT")
    connection.execute("DROP TABLE pattern")


def _unique(table: type[peewee.Model]) -> set[str]:
    """Columns of unique rules that hold no number of ours: a copy's must differ."""
    meta = table._meta
    key = meta.primary_key
    names = {f.column_name for f in meta.sorted_fields if f.unique} | (
        set(key.field_names) if isinstance(key, peewee.CompositeKey) else {key.column_name})
    texts = {f.column_name for f in meta.sorted_fields if isinstance(f, peewee.CharField)}
    return (names & texts) - NUMBERS - {"client", "channel_id"}


def _value(field: peewee.Field, unique: set[str], cut: bool) -> str:
    name = f't."{field.column_name}"'
    if cut and isinstance(field, store.JsonField):
        return f"CASE WHEN length({name}) > {JSON_LONG} THEN '{{}}' ELSE {name} END"
    if field.column_name in NUMBERS:
        return f"CASE WHEN {name} = '' THEN '' ELSE {_NUMBER.format(name)} END"
    if field.column_name in unique:
        return f"{name} || '~' || c.i"
    if field.column_name == "buyer_id":
        return f"'past-' || (c.i / {ORDERS_PER_BUYER}) || {name}"
    if field.column_name.endswith("_at_ms"):
        return f"{name} - c.back_ms"
    return name


def _past_buyers(connection: sqlite3.Connection, copies: int, sold: int) -> None:
    connection.execute(f"""INSERT OR IGNORE INTO buyer SELECT 'past-' || (c.i / {ORDERS_PER_BUYER}) || b.id, b.phone, b.name,
        b.tags, b.orders_paid, b.created_at_ms - c.back_ms, b.updated_at_ms - c.back_ms
        FROM copies c CROSS JOIN (SELECT * FROM buyer LIMIT {sold}) b WHERE c.i % {ORDERS_PER_BUYER} = 0""")


if __name__ == "__main__":
    store.open_all()
    print(json.dumps(fill(int(sys.argv[1]))))
