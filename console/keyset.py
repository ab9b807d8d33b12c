"""Paging by key: the next page begins after the last row shown, whatever was inserted meanwhile, at the same cost on every
page. Nothing is counted and nothing is skipped over, so a table of millions opens as fast as one of ten.
"""
from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import peewee

from engine.base import canon, clock

from .asked import NUMBER_MAX


_CENTURY_MS = (946_684_800_000, 4_102_444_800_000)             # 2000 and 2100, UTC


@dataclass(frozen=True, slots=True)
class Sort:
    """`field` must be NOT NULL; the table's primary key breaks ties."""
    name: str
    label: Any
    field: peewee.Field
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """One page of rows, and the cursors of its neighbours (None: there is none)."""
    rows: list[Any]
    before: str | None
    after: str | None


def first_no(prefix: str, at_ms: int) -> str:
    """Below every number of this kind given from a moment on: numbers begin with their time (`engine.base.ids`), so that a
    stretch of time is walked by the primary key. Their year has two digits: other centuries are before all, or after all."""
    if not _CENTURY_MS[0] <= at_ms < _CENTURY_MS[1]:
        return prefix if at_ms < _CENTURY_MS[0] else f"{prefix}A"
    return prefix + clock.to_datetime(at_ms).strftime("%y%m%d%H%M%S")


def window(query: peewee.ModelSelect, sort: Sort, cursor: str | None, size: int) -> Window:
    """The page of a query that a cursor points to; the first one without a cursor, or with one that makes no sense."""
    key = sort.field.model._meta.primary_key
    backward, at = _read(cursor, sort.field, key)
    descending = sort.descending != backward
    if at is not None:
        query = query.where(_beyond(sort.field, key, at, descending))
    order = [sort.field] if sort.field is key else [sort.field, key]
    rows = list(query.order_by(*(f.desc() if descending else f.asc() for f in order)).limit(size + 1))
    more = len(rows) > size
    rows = rows[:size][::-1] if backward else rows[:size]
    if not rows:
        return Window([], None, None)
    first, last = (_write(way, getattr(row, sort.field.name), getattr(row, key.name))
                   for way, row in (("p", rows[0]), ("n", rows[-1])))
    return Window(rows, first if (more if backward else at is not None) else None, last if (backward or more) else None)


def _beyond(field: peewee.Field, key: peewee.Field, at: tuple[Any, Any], descending: bool) -> peewee.Expression:
    value, tie = at
    if field is key:
        return field < tie if descending else field > tie
    if descending:                             # the first half is what an index can be walked by
        return (field <= value) & ((field < value) | (key < tie))
    return (field >= value) & ((field > value) | (key > tie))


def _write(way: str, value: Any, key: Any) -> str:
    return base64.urlsafe_b64encode(canon.dumps([way, value, key]).encode()).decode().rstrip("=")


def _read(cursor: str | None, field: peewee.Field, key: peewee.Field) -> tuple[bool, tuple[Any, Any] | None]:
    if not cursor:
        return False, None
    try:
        way, value, tie = canon.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        return False, None
    if way not in ("n", "p") or not _fits(field, value) or not _fits(key, tie):
        return False, None
    return way == "p", (value, tie)


def _fits(field: peewee.Field, value: Any) -> bool:
    """Whether a database would compare a column with this value."""
    if isinstance(field, peewee.IntegerField):
        return type(value) is int and abs(value) <= NUMBER_MAX
    return isinstance(value, str) and "\x00" not in value
