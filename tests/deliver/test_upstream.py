"""Upstream orders: traced both ways, and gone on with rather than placed twice."""
from __future__ import annotations

import pytest

from engine import store
from engine.deliver import upstream


def create(order="O1", item="form"):
    with store.transaction():
        return upstream.create(order, "mill", "supply", item, 2, "W1")


def move(no, *states):
    for state in states:
        with store.transaction():
            store.move(upstream.UPSTREAM, no, state, "test")


def test_orders_and_upstream_orders_know_each_other(database):
    one, two, other = create(), create(item="stamp"), create("O2")
    assert sorted(u["no"] for u in upstream.of_order("O1")) == sorted([one, two])
    assert upstream.orders_of(other) == ["O2"] and upstream.orders_of("U9") == [] and upstream.of_order("O9") == []
    assert store.many(upstream.UpstreamLink, upstream_no=one)[0]["work_order_no"] == "W1"


@pytest.mark.parametrize("states, again",
                         [((), True), (("failed",), True), (("unknown",), False), (("accepted",), False),
                          (("done",), False)])
def test_what_was_not_placed_is_gone_on_with(database, states, again):
    no = create()
    move(no, *states)
    with store.transaction():
        assert upstream.again("O1", "mill", "form") == (no if again else None)
        assert upstream.again("O1", "mill", "stamp") is upstream.again("O2", "mill", "form") is None
    assert store.one(upstream.UpstreamOrder)["state"] == ("created" if again else states[-1])
