"""Partner pools: topped up once a key, drawn down to the floor, every change logged."""
from __future__ import annotations

import peewee
import pytest

from engine import store
from engine.base.errors import Code
from engine.config.catalog import Partner, PoolTerms
from engine.deliver import pools
from engine.ledger.postings import balance
from tests.support.selling import refused
from tests.support.together import at_once, errors


def partner(unit="money", floor=100, id="bank"):
    return Partner(id=id, title={}, mode="fund_pool", scenes=frozenset(), prices={}, pool=PoolTerms(id, unit, floor, 0, "CNY"),
                   per_buyer_cap=None, valid_from_ms=None, valid_until_ms=None, verify={}, retry_every_s=60,
                   retry_for_s=60, merchant_id="own")


def draw(amount, order="O1", of=partner()):
    with store.transaction():
        return pools.draw(of, amount, order)


def log():
    return [(row["kind"], row["ref"], row["amount"], row["balance_after"])
            for row in store.many(pools.PoolLog, order_by="id")]


def test_a_pool_is_topped_up_once_a_key(database):
    assert pools.top_up(partner(), 500, "T1")["balance"] == 500
    assert pools.top_up(partner(), 500, "T1")["balance"] == 500
    assert pools.top_up(partner(), 50, "T2")["topped_up"] == 550
    assert balance("partner_pool:bank", "CNY") == -550 and balance("bank_in_transit", "CNY") == 550
    assert log() == [("top_up", "T1", 500, 500), ("top_up", "T2", 50, 550)]


@pytest.mark.parametrize("unit", ["pieces", "heads"])
def test_what_is_no_money_is_not_in_the_ledger(database, unit):
    pools.top_up(partner(unit), 500, "T1")
    assert balance("partner_pool:bank", "CNY") == 0 and pools.find("bank")["unit"] == unit


def test_the_first_top_ups_at_once(database):
    results = at_once(lambda n: pools.top_up(partner(), 10, f"T{n % 4}"), range(16))
    assert not errors(results) and pools.find("bank")["balance"] == 40 and len(log()) == 4


@pytest.mark.parametrize("draws, left",
                         [((400,), 100), ((401,), 500), ((200, 200), 100), ((200, 201), 300), ((500,), 500)])
def test_it_is_drawn_down_to_its_floor(database, draws, left):
    pools.top_up(partner(), 500, "T1")
    for n, amount in enumerate(draws):
        try:
            draw(amount, f"O{n}")
        except Exception as error:
            assert getattr(error, "code", None) is Code.POOL_EXHAUSTED
    assert pools.find("bank")["balance"] == left


def test_a_pool_nobody_filled(database):
    with refused(Code.POOL_EXHAUSTED):
        draw(1)
    assert pools.find("bank") is None


def test_an_order_draws_once(database):
    pools.top_up(partner(), 500, "T1")
    draw(100)
    with pytest.raises(peewee.IntegrityError):
        draw(100)
    assert pools.find("bank")["balance"] == 400


def test_what_is_given_back(database):
    pools.top_up(partner(), 500, "T1")
    draw(100)
    with store.transaction():
        assert pools.give_back(partner(), 100, "O1") == 500
    pool = pools.find("bank")
    assert (pool["balance"], pool["drawn"], pool["returned"]) == (500, 100, 100)
    assert log()[1:] == [("draw", "O1", 100, 400), ("return", "O1", 100, 500)]


def test_a_floor_that_was_raised_holds_from_then_on(database):
    pools.top_up(partner(), 500, "T1")
    with refused(Code.POOL_EXHAUSTED, "has 50 above its floor"):
        draw(100, of=partner(floor=450))
    assert draw(50, of=partner(floor=450)) == 450


def test_thirty_draws_at_once_stop_at_the_floor(database):
    pools.top_up(partner(), 555, "T1")
    results = at_once(lambda n: draw(50, f"O{n}"), range(30))
    assert len(results) - len(errors(results)) == 9 and {e.code for e in errors(results)} == {Code.POOL_EXHAUSTED}
    assert pools.find("bank")["balance"] == 105
    assert sorted(after for kind, _, _, after in log() if kind == "draw") == [555 - 50 * n for n in range(9, 0, -1)]
