"""Rows as dicts: every shape of statement the engine asks for, on both databases."""
from __future__ import annotations

import threading

import peewee
import pytest

from engine import store
from engine.flow.outbox import Outbox
from engine.store import rows
from engine.trade.buyers import Buyer
from engine.trade.orders import OrderDetail, PurchaseCount
from engine.trade.quotes import Quote
from tests.support.together import at_once


def buyer(id, **values):
    return {"id": id, "phone": "", "name": "", "tags": [], "orders_paid": 0, "created_at_ms": 0,
            "updated_at_ms": 0} | values


def job(**values):
    return {"task": "t", "subject_no": "s", "args": {}, "state": "ready", "due_at_ms": 0, "attempts": 0,
            "traceparent": "",
            "error": None, "created_at_ms": 0} | values


def ids(**where):
    return [row["id"] for row in store.many(Buyer, order_by="id", **where)]


@pytest.fixture
def four(database):
    store.insert(Buyer,
                 [buyer("a", phone="1"), buyer("b", phone="2", tags=["x", "y"]), buyer("c", phone="2"),
                  buyer("d", orders_paid=7)])


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("where, found", [
    ({}, "abcd"), ({"id": "b"}, "b"), ({"id": "x"}, ""), ({"phone": "2"}, "bc"), ({"phone": "2", "id": "c"}, "c"),
    ({"id": ["a", "d", "x"]}, "ad"), ({"id": ("c",)}, "c"), ({"id": []}, ""), ({"id": (), "phone": "1"}, ""),
    ({"also": "orders_paid > ?", "params": (3,)}, "d"),
    ({"phone": "2", "also": "id < ? OR id > ?", "params": ["b", "c"]}, ""),
    ({"also": "(id = ? OR id = ?)", "params": ["a", "b"]}, "ab"), ({"limit": 2}, "ab"),
    ({"lock": True, "phone": "1"}, "a")])
def test_where(four, where, found):
    assert "".join(ids(**where)) == found


def test_a_condition_in_two_parts_is_one_condition(four):
    """`also` with an OR of its own stands beside the other conditions, and does not swallow them."""
    assert ids(phone="2", also="id = ? OR id = ?", params=["a", "b"]) == ["b"]


def test_null(database):
    store.insert(Outbox, [job(subject_no="a"), job(subject_no="b", error="why")])
    assert [j["subject_no"] for j in store.many(Outbox, error=None)] == ["a"]
    assert store.update(Outbox, {"error": None}, subject_no="b") == 1
    assert len(store.many(Outbox, error=None)) == 2


def test_columns_and_order(four):
    assert store.many(Buyer, columns=("id", "tags"), order_by="id DESC", limit=3) == [
        {"id": "d", "tags": []}, {"id": "c", "tags": []}, {"id": "b", "tags": ["x", "y"]}]
    assert store.one(Buyer, order_by="id DESC", columns=("id",)) == {"id": "d"} and store.one(Buyer, id="x") is None


@pytest.mark.parametrize("value", [{}, [], {"a": [1, None, True, "中文", {"b": -1}]}, "text", 0, False, [[]],
                                   {"quote": "it's \"%s\" ? 100%"}], ids=repr)
def test_json_comes_back_as_it_went(database, value):
    store.insert(OrderDetail, {"order_no": "o", "kind": "k", "body": value, "at_ms": 1})
    assert store.one(OrderDetail)["body"] == value
    store.update(OrderDetail, {"body": [value]}, order_no="o")
    assert store.one(OrderDetail, columns=("body",))["body"] == [value]


def test_text_is_never_sql(database):
    nasty = "'; DROP TABLE buyer; -- %s ? \" \\ 中"
    store.insert(Buyer, buyer(nasty, name=nasty))
    assert ids(id=nasty) == [nasty] and ids(name=[nasty, "?"]) == [nasty]
    assert store.update(Buyer, {"phone": nasty[:30]}, id=nasty) == 1
    assert store.query(store.trade, "SELECT phone FROM buyer WHERE id = ?", [nasty]) == [(nasty[:30],)]


def test_an_unknown_column_is_an_error(database):
    for ask in (lambda: store.many(Buyer, colour="red"), lambda: store.insert(Buyer, {"colour": "red"}),
                lambda: store.update(Buyer, {"colour": "red"}, id="a"), lambda: store.many(Buyer, columns=("colour",))):
        with pytest.raises(KeyError):
            ask()


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("n", [0, 1, 199, 200, 201, 405])
def test_many_rows_go_in_chunks(database, n):
    store.counts.reset()
    assert store.insert(PurchaseCount, ({"buyer_id": f"b{i:04}", "cap_key": "k", "pieces": i} for i in range(n))) == n
    assert store.counts.statements == -(-n // rows.CHUNK_ROWS)
    assert [r["pieces"] for r in store.many(PurchaseCount, order_by="buyer_id")] == list(range(n))


def test_a_row_that_breaks_a_rule_is_left_out_when_asked(four):
    with pytest.raises(peewee.IntegrityError):
        store.insert(Buyer, [buyer("e"), buyer("a")])
    assert store.insert(Buyer, buyer("a", name="again"), ignore=True) == 0
    assert store.insert(Buyer, [buyer("e"), buyer("a"), buyer("f"), buyer("e")], ignore=True) == 2
    assert ids() == list("abcdef") and store.one(Buyer, id="a")["name"] == ""


def test_update_sets_adds_and_tells_how_many(four):
    assert store.update(Buyer, {"name": "n", "tags": ["t"]}, add={"orders_paid": 2}, phone="2") == 2
    assert [(r["name"], r["tags"], r["orders_paid"]) for r in store.many(Buyer, phone="2")] == [("n", ["t"], 2)] * 2
    assert store.update(Buyer, {}, add={"orders_paid": -3}, also="orders_paid - ? >= ?", params=(3, 0), id="d") == 1
    assert store.update(Buyer, {}, add={"orders_paid": -5}, also="orders_paid - ? >= ?", params=(5, 0), id="d") == 0
    assert store.one(Buyer, id="d")["orders_paid"] == 4
    assert store.update(Buyer, {"name": "all"}) == 4 and store.update(Buyer, {"name": "x"}, id=[]) == 0
    assert store.update(Buyer, {"name": "x"}, phone="2", also="id = ? OR id = ?", params=["a", "b"]) == 1


def test_delete(four):
    assert store.delete(Buyer, phone="2", also="id = ? OR id = ?", params=["a", "b"]) == 1
    assert store.delete(Buyer, id=["c", "x"]) == 1 and store.delete(Buyer, id=[]) == 0
    assert ids() == ["a", "d"] and store.delete(Buyer) == 2


def test_a_statement_of_a_shape_is_made_once(database):
    rows._insert_sql.cache_clear()
    for n in range(3):
        store.insert(Buyer, buyer(f"b{n}"))
    assert rows._insert_sql.cache_info().misses == 1


def test_a_table_belongs_to_one_database():
    assert rows._shape(Quote).db is store.trade
    with pytest.raises(TypeError):
        store.logical_of(peewee.Model)


# ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_locked_row_is_waited_for_and_read_as_it_is_then(postgresql_database):
    store.insert(Buyer, buyer("a"))
    locked, seen = threading.Event(), []

    def first():
        with store.transaction():
            store.one(Buyer, id="a", lock=True)
            locked.set()
            store.update(Buyer, {"name": "first"}, id="a")

    def second():
        locked.wait(10)
        with store.transaction():
            seen.append(store.one(Buyer, id="a", lock=True)["name"])
    at_once(lambda do: do(), [first, second])
    assert seen == ["first"]


def test_a_row_locked_by_another_is_skipped_when_asked(postgresql_database):
    store.insert(Buyer, [buyer("a"), buyer("b")])
    with store.transaction():
        store.one(Buyer, id="a", lock=True)

        def other(n):
            with store.transaction():
                return [r["id"] for r in store.many(Buyer, lock=True, skip_locked=True, order_by="id")]
        assert at_once(other, [1]) == [["b"]]
