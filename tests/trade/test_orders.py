"""Orders: what is kept of them, and the counts that no number of buyers can pass."""
from __future__ import annotations

import pytest

from engine import store
from engine.base.errors import Code
from engine.trade import orders
from tests.support.selling import refused
from tests.support.together import at_once, errors


def take(pieces=1, cap=3, buyer="b", key="card"):
    with store.transaction():
        return orders.take_purchase_cap(buyer, key, pieces, cap)


@pytest.mark.parametrize("pieces, cap, taken",
                         [((1, 1, 1, 1), 3, [True, True, True, False]), ((2, 2), 3, [True, False]), ((4,), 3, [False]),
                                                ((3,), 3, [True]), ((2, 1), 3, [True, True])])
def test_a_cap_is_reached_and_not_passed(database, pieces, cap, taken):
    assert [take(n, cap) for n in pieces] == taken
    assert orders.purchased("b", "card") == sum(n for n, t in zip(pieces, taken) if t)


def test_caps_are_of_one_buyer_and_one_thing(database):
    assert take(3) and take(3, buyer="c") and take(3, key="book") and not take(1)
    with store.transaction():
        orders.free_purchase_cap("b", "card", 2)
    assert take(2) and not take(1) and orders.purchased("nobody", "card") == 0


def test_sixteen_takers_never_pass_the_cap(database):
    taken = at_once(lambda n: take(1, 5), range(16))
    assert not errors(taken) and taken.count(True) == 5 == orders.purchased("b", "card")


def test_a_rolled_back_order_counts_nothing(database):
    with pytest.raises(ZeroDivisionError), store.transaction():
        orders.take_purchase_cap("b", "card", 1, 3)
        raise ZeroDivisionError
    assert orders.purchased("b", "card") == 0


def test_an_order_nobody_knows(database):
    with refused(Code.ORDER_UNKNOWN, "O1"):
        orders.find("O1")


def test_a_shops_number_is_given_once(database):
    def take_number(order_no, scene="stall", external="T1"):
        with store.transaction():
            return orders.take_outside_number(scene, external, order_no)
    assert [take_number("O1"), take_number("O2"), take_number("O3", scene="other"),
            take_number("O4", external="T2")] == ["O1", "O1", "O3", "O4"]
    given = at_once(lambda n: take_number(f"N{n}", external="T9"), range(8))
    assert not errors(given) and len(set(given)) == 1
