"""Paging by key: whoever walks through the pages meets every row once, in order, and comes back the same way."""
from __future__ import annotations

from datetime import datetime, timezone

import peewee
import pytest
from hypothesis import given, settings, strategies as st

from console import keyset
from console.keyset import Sort
from engine import store
from engine.base import clock, ids


class Paged(store.SystemTable):
    no = peewee.CharField(max_length=12, primary_key=True)
    worth = peewee.IntegerField()


BY_KEY = Sort("newest", "", Paged.no)
BY_WORTH = Sort("dearest", "", Paged.worth)
SORTS = [BY_KEY, Sort("oldest", "", Paged.no, False), BY_WORTH, Sort("cheapest", "", Paged.worth, False)]


def fill(worths):
    with store.transaction(store.system):
        store.delete(Paged)
        store.insert(Paged, [{"no": f"N{n:05d}", "worth": worth} for n, worth in enumerate(worths)])


def wanted(worths, sort):
    rows = [(f"N{n:05d}", worth) for n, worth in enumerate(worths)]
    key = (lambda row: row[0]) if sort.field is Paged.no else (lambda row: (row[1], row[0]))
    return [row[0] for row in sorted(rows, key=key, reverse=sort.descending)]


def pages(sort, size):
    found, cursor = [], None
    while True:
        page = keyset.window(Paged.select(), sort, cursor, size)
        found.append([row.no for row in page.rows])
        assert (page.before is None) == (len(found) == 1)
        if page.after is None:
            return found, page
        cursor = page.after


@settings(max_examples=40)
@given(worths=st.lists(st.integers(-3, 3), min_size=1, max_size=25), size=st.integers(1, 7), sort=st.sampled_from(SORTS))
def test_walking_forth_and_back(sqlite_database, worths, size, sort):
    fill(worths)
    forth, last = pages(sort, size)
    assert [no for page in forth for no in page] == wanted(worths, sort)
    back, page = [forth[-1]], last
    while page.before is not None:
        page = keyset.window(Paged.select(), sort, page.before, size)
        back.insert(0, [row.no for row in page.rows])
        assert page.after is not None
    assert back == forth


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.name)
def test_the_same_on_each_kind_of_database(database, sort):
    worths = [3, 1, 3, 2, 1, 1, 2, 3, 3]
    fill(worths)
    assert [no for page in pages(sort, 2)[0] for no in page] == wanted(worths, sort)


def test_rows_that_come_in_meanwhile_move_nothing(sqlite_database):
    fill([1] * 6)
    first = keyset.window(Paged.select(), BY_KEY, None, 3)
    store.insert(Paged, {"no": "N99999", "worth": 1})
    assert [row.no for row in keyset.window(Paged.select(), BY_KEY, first.after, 3).rows] == ["N00002", "N00001", "N00000"]


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "W10", "WyJuIl0", "WyJ4IiwxLDJd", "WyJuIixbXSx7fV0", "eyJhIjoxfQ", "A" * 5000])
def test_a_cursor_that_makes_no_sense_is_the_first_page(sqlite_database, cursor):
    fill([1, 2, 3])
    assert [row.no for row in keyset.window(Paged.select(), BY_KEY, cursor, 2).rows] == ["N00002", "N00001"]


def test_nothing_is_counted_and_nothing_skipped(sqlite_database):
    fill(range(20))
    store.counts.reset(record=True)
    page = keyset.window(Paged.select(), BY_WORTH, None, 5)
    keyset.window(Paged.select(), BY_WORTH, page.after, 5)
    texts = " ".join(store.counts.log).upper()
    store.counts.reset()
    assert "COUNT(" not in texts and "OFFSET" not in texts and texts.count("LIMIT") == 2


@pytest.mark.parametrize("day, bound", [("0001-01-02", "P"), ("1999-12-31", "P"), ("2000-01-01", "P000101000000"),
                                        ("2026-11-28", "P261128000000"), ("2099-12-31", "P991231000000"), ("2100-01-01", "PA")])
def test_numbers_since_a_day(day, bound):
    at_ms = clock.from_datetime(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc))
    assert keyset.first_no("P", at_ms) == bound
    assert keyset.first_no("P", clock.now_ms()) <= ids.new_no("P") < keyset.first_no("P", clock.now_ms() + 2000)
