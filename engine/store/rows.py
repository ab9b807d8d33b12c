"""Rows as dicts, for the hot path: the SQL of a shape is built once from the peewee table and reused.

Building a query object costs more than running it here; everything that is not on an order's path uses peewee's queries.
A `where` value may be a plain value, None (IS NULL), or a list/tuple (IN).
"""
from __future__ import annotations

from functools import lru_cache
from typing import Any, Iterable

import peewee

from ..base import canon
from .databases import JsonField, Logical, logical_of

CHUNK_ROWS = 200
Table = type[peewee.Model]


class _Shape:
    """What is needed of a table: name, columns, which of them are JSON, the primary key's column."""

    def __init__(self, table: Table):
        meta = table._meta
        self.db: Logical = logical_of(table)
        self.name = meta.table_name
        self.columns = {f.name: f.column_name for f in meta.sorted_fields}
        self.names = tuple(self.columns)
        self.json = frozenset(f.name for f in meta.sorted_fields if isinstance(f, JsonField))
        self.defaults = {f.name: f.default for f in meta.sorted_fields if f.default is not None}


@lru_cache(maxsize=None)
def _shape(table: Table) -> _Shape:
    return _Shape(table)


def _mark(shape: _Shape) -> str:
    return "?" if shape.db.is_sqlite else "%s"


def _encode(shape: _Shape, name: str, value: Any) -> Any:
    return canon.dumps(value) if name in shape.json and value is not None else value


@lru_cache(maxsize=4096)
def _insert_sql(table: Table, names: tuple[str, ...], n: int, ignore: bool, mark: str) -> str:
    shape = _shape(table)
    columns = ", ".join(f'"{shape.columns[c]}"' for c in names)
    one = f"({', '.join([mark] * len(names))})"
    tail = " ON CONFLICT DO NOTHING" if ignore else ""
    return f'INSERT INTO "{shape.name}" ({columns}) VALUES {", ".join([one] * n)}{tail}'


def insert(table: Table, rows: dict[str, Any] | Iterable[dict[str, Any]], *, ignore: bool = False) -> int:
    """Write one row or many (all with the same keys) in one statement per 200; returns how many were written.

    `ignore`: a row that breaks a unique rule is left out instead of raising peewee.IntegrityError.
    """
    batch = [rows] if isinstance(rows, dict) else list(rows)
    if not batch:
        return 0
    given = tuple(batch[0])
    shape, names, json_at, missing = _columns(table, given)
    for row in batch:
        if len(row) != len(given):             # what one has too many would be lost without a word
            raise ValueError(f"rows of {shape.name} with different columns in one statement")
    database, written = shape.db.database, 0
    for start in range(0, len(batch), CHUNK_ROWS):
        chunk = batch[start:start + CHUNK_ROWS]
        params: list[Any] = []
        for row in chunk:
            values = [row[name] for name in given]
            for at in json_at:
                if values[at] is not None:
                    values[at] = canon.dumps(values[at])
            params += values
            if missing:
                params += [_encode(shape, n, v() if callable(v) else v) for n, v in missing]
        written += database.execute_sql(_insert_sql(table, names, len(chunk), ignore, _mark(shape)), params).rowcount
    return written


@lru_cache(maxsize=4096)
def _columns(table: Table, given: tuple[str, ...]) -> tuple[_Shape, tuple[str, ...], tuple[int, ...], tuple[tuple[str, Any], ...]]:
    """The table's shape; all columns to write; which of the given ones are JSON, by place; the others with their defaults."""
    shape = _shape(table)
    missing = tuple((k, v) for k, v in shape.defaults.items() if k not in given)
    return shape, given + tuple(k for k, _ in missing), tuple(i for i, n in enumerate(given) if n in shape.json), missing


Kinds = tuple[tuple[str, int | None], ...]      # of a `where`: None is NULL, -1 a value, n a list of n


def _kinds(where: dict[str, Any]) -> tuple[Kinds, list[Any]]:
    """What a condition looks like, and the values it is filled with."""
    kinds, values = [], []
    for name, value in where.items():
        if value is None:
            kinds.append((name, None))
        elif isinstance(value, (list, tuple)):
            kinds.append((name, len(value)))
            values += value
        else:
            kinds.append((name, -1))
            values.append(value)
    return tuple(kinds), values


def _condition(shape: _Shape, where: Kinds, also: str, mark: str) -> str:
    parts = []
    for name, kind in where:
        column = f'"{shape.columns[name]}"'
        parts.append(f"{column} IS NULL" if kind is None else f"{column} = {mark}" if kind < 0 else
                     f"{column} IN ({', '.join([mark] * kind)})" if kind else "1 = 0")
    return (" AND ".join(parts) or "1 = 1") + (f" AND ({also.replace('?', mark)})" if also else "")


def many(table: Table, *, columns: tuple[str, ...] = (), order_by: str = "", limit: int = 0, lock: bool = False,
         skip_locked: bool = False, also: str = "", params: Iterable[Any] = (), **where: Any) -> list[dict[str, Any]]:
    """Rows as dicts with JSON columns decoded. `also` is a further SQL condition with `?` marks for `params`;
    `order_by` is SQL. `lock` locks the rows where the server knows row locks (SQLite's writer is alone anyway)."""
    shape = _shape(table)
    kinds, values = _kinds(where)
    values += params
    sql, names, json_at = _select(table, columns, kinds, also, order_by, int(limit), lock, skip_locked, _mark(shape))
    found = shape.db.database.execute_sql(sql, values).fetchall()
    result = []
    for row in found:
        record = dict(zip(names, row))
        for i, n in json_at:
            if row[i] is not None:
                record[n] = canon.loads(row[i])
        result.append(record)
    return result


@lru_cache(maxsize=4096)
def _select(table: Table, columns: tuple[str, ...], where: Kinds, also: str, order_by: str, limit: int, lock: bool,
            skip_locked: bool, mark: str) -> tuple[str, tuple[str, ...], list[tuple[int, str]]]:
    """(SQL, names of its columns, which of them are JSON)."""
    shape = _shape(table)
    names = columns or shape.names
    selected = ", ".join(f'"{shape.columns[n]}"' for n in names)
    sql = f'SELECT {selected} FROM "{shape.name}" WHERE {_condition(shape, where, also, mark)}'
    if order_by:
        sql += f" ORDER BY {order_by}"
    if limit:
        sql += f" LIMIT {limit}"
    if lock and not shape.db.is_sqlite:
        sql += " FOR UPDATE" + (" SKIP LOCKED" if skip_locked else "")
    return sql, names, [(i, n) for i, n in enumerate(names) if n in shape.json]


def one(table: Table, **options: Any) -> dict[str, Any] | None:
    """The row that `many` would give first, or None."""
    found = many(table, limit=options.pop("limit", 1), **options)
    return found[0] if found else None


def update(table: Table, values: dict[str, Any], *, add: dict[str, int] | None = None, also: str = "",
           params: Iterable[Any] = (), **where: Any) -> int:
    """UPDATE … SET values, column = column + n for `add`, WHERE …; returns how many rows changed. `also` as in `many`."""
    shape = _shape(table)
    bound = [canon.dumps(v) if v is not None and n in shape.json else v for n, v in values.items()]
    if add:
        bound += add.values()
    kinds, filters = _kinds(where)
    sql = _update_sql(table, tuple(values), tuple(add or ()), kinds, also, _mark(shape))
    return shape.db.database.execute_sql(sql, bound + filters + list(params)).rowcount


@lru_cache(maxsize=4096)
def _update_sql(table: Table, values: tuple[str, ...], add: tuple[str, ...], where: Kinds, also: str, mark: str) -> str:
    shape = _shape(table)
    sets = [f'"{shape.columns[n]}" = {mark}' for n in values]
    sets += [f'"{shape.columns[n]}" = "{shape.columns[n]}" + {mark}' for n in add]
    return f'UPDATE "{shape.name}" SET {", ".join(sets)} WHERE {_condition(shape, where, also, mark)}'


def delete(table: Table, *, also: str = "", params: Iterable[Any] = (), **where: Any) -> int:
    shape = _shape(table)
    kinds, values = _kinds(where)
    sql = f'DELETE FROM "{shape.name}" WHERE {_condition(shape, kinds, also, _mark(shape))}'
    return shape.db.database.execute_sql(sql, values + list(params)).rowcount


def query(db: Logical, sql: str, params: Iterable[Any] = ()) -> list[tuple]:
    """A hand-written SELECT with `?` marks, as tuples (reports, verifiers)."""
    return db.database.execute_sql(sql if db.is_sqlite else sql.replace("?", "%s"), list(params)).fetchall()
