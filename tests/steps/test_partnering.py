"""A pool that goes below its low-water mark is told of: once a crossing, to whom it concerns, with the charge that did it."""
from __future__ import annotations

import pytest

from engine import charge, store
from engine.base.errors import Code
from engine.deliver import pools
from engine.deliver.messages import Message
from engine.returning import return_charge
from tests.support.partner_files import TOLD
from tests.support.selling import put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]

MONTH = [{"sku": "card/month", "quantity": 1}]


@pytest.fixture
def told(shop):
    put_live(2, TOLD)
    return shop


def draw(shop, partner, no, buyer=None):
    return charge.charge_registered(partner, no, "gift", MONTH, buyer or shop.buyer())


def warnings():
    return [(m["recipient"], m["text"]) for m in store.many(Message, template="low", order_by="created_at_ms")]


def test_once_a_crossing_not_at_each_draw(told):
    bank = told.partner("bank", 110_00)        # low water 50.00, floor 10.00
    draw(told, bank, "A"), draw(told, bank, "B")
    assert warnings() == []                    # 54.00 are left
    draw(told, bank, "C")
    assert warnings() == [("13700000000", "银行余额26.00，低于50.00")]
    with refused(Code.POOL_EXHAUSTED):
        draw(told, bank, "D")
    pools.top_up(bank, 60_00, "T-2")
    assert draw(told, bank, "E") and len(warnings()) == 1          # 58.00: above it all the time since
    draw(told, bank, "F")
    assert len(warnings()) == 2                # below it again


@pytest.mark.parametrize("filled, crossings", [(50_00, 1), (49_99, 0), (78_00, 0), (77_99, 1)])
def test_the_mark_itself_is_still_enough(told, filled, crossings):
    draw(told, told.partner("bank", filled), "A")
    assert len(warnings()) == crossings


def test_a_return_above_the_mark_makes_the_next_crossing_another(told):
    bank = told.partner("bank", 70_00)
    draw(told, bank, "A")
    return_charge(bank, "A", "back")
    draw(told, bank, "B")
    assert len(warnings()) == 2


def test_of_many_at_once_one_crosses(told):
    bank, crowd = told.partner("bank", 10_00 + 6 * 28_00), [told.buyer() for _ in range(6)]
    results = at_once(lambda n: draw(told, bank, f"A-{n}", crowd[n]), range(6))
    assert not errors(results) and len(warnings()) == 1


def test_pieces_and_heads_are_counted_in_the_partners_language(told):
    club = told.partner("club", 5)
    draw(told, club, "A")
    assert warnings() == [("13700000001", "Club: 4 of 5")]


def test_a_partner_that_wants_no_word_gets_none(told):
    draw(told, told.partner("post", 3), "A")
    assert warnings() == []
