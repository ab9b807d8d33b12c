"""Buyers: registered, changed, found, tagged."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock
from engine.trade import buyers
from tests.support.together import at_once, errors


def put(*given, **more):
    with store.transaction():
        return buyers.put(*given, **more)


def test_a_buyer_is_registered_and_changed(database):
    clock.set_to(5)
    row, is_new = put("b1", phone="138", tags=["y", "x", "y"])
    assert is_new and row == {"id": "b1", "phone": "138", "name": "", "tags": ["x", "y"], "orders_paid": 0,
                              "created_at_ms": 5, "updated_at_ms": 5}
    clock.set_to(9)
    row, is_new = put("b1", name="Li")
    assert not is_new and (row["name"], row["phone"], row["tags"], row["created_at_ms"], row["updated_at_ms"]) == \
        ("Li", "138", ["x", "y"], 5, 9)
    assert put("b1", tags=[])[0]["tags"] == []


def test_sixteen_registrations_at_once_are_one_buyer(database):
    results = at_once(lambda n: put("b1", phone=f"138{n:02}"), range(16))
    assert not errors(results) and sum(is_new for _, is_new in results) == 1 and len(store.many(buyers.Buyer)) == 1


def test_who_has_a_phone(database):
    for at, id in ((2, "later"), (1, "first"), (1, "second")):
        clock.set_to(at)
        put(id, phone="138")
    assert buyers.by_phone("138")["id"] == "first" and buyers.by_phone("139") is None
    put("nobody")
    assert buyers.by_phone("") is None and buyers.find("") is None and buyers.find("x") is None


@pytest.mark.parametrize("add, remove, tags",
                         [(["c"], [], ["a", "b", "c"]), ([], ["a"], ["b"]), (["a"], ["x"], ["a", "b"]),
                          (["c"], ["c"], ["a", "b"])])
def test_tags(database, add, remove, tags):
    put("b1", tags=["a", "b"])
    with store.transaction():
        assert buyers.retag(buyers.find("b1", lock=True), add, remove) == tags
    assert buyers.find("b1")["tags"] == tags


def test_no_paid_order_is_lost_in_counting(database):
    put("b1")

    def count(n):
        with store.transaction():
            buyers.count_paid_order("b1")
    assert not errors(at_once(count, range(16))) and buyers.find("b1")["orders_paid"] == 16


@pytest.mark.parametrize("row, phone, known",
                         [(None, "", False), (None, "138", True),
                          ({"tags": ["a"], "orders_paid": 2, "phone": "138"}, "", True),
                                               ({"tags": [], "orders_paid": 0, "phone": ""}, "", False)])
def test_facts_are_closed(row, phone, known):
    facts = buyers.facts("b1", row, phone)
    assert set(facts) == {"buyer.id", "buyer.registered", "buyer.tags", "buyer.orders_paid", "buyer.phone_known"}
    assert (facts["buyer.registered"], facts["buyer.phone_known"]) == (row is not None, known)
    assert facts["buyer.tags"] == (row["tags"] if row else [])
