"""A charge goes back to its partner's pool once, whatever is repeated, raced or still under way; the books say so."""
from __future__ import annotations

import pytest

from engine import charge, runs, store
from engine.audit import invariants
from engine.base.errors import Code
from engine.deliver import charges, entitlements, outgoing, pools
from engine.flow import executor
from engine.ledger import postings
from engine.pay import payments, refunds
from engine.returning import return_charge
from engine.trade import orders
from tests.support.partner_files import TOLD
from tests.support.selling import order, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]

MONTH, WEEK = [{"sku": "card/month", "quantity": 1}], [{"sku": "card/week", "quantity": 1}]


def charged(shop, partner, no="X-1", items=MONTH, buyer=None):
    return charge.charge_registered(partner, no, "gift", items, buyer or shop.buyer())


@pytest.mark.parametrize("partner, filled, left", [("bank", 100_00, 72_00), ("club", 9, 8), ("post", 9, 8)])
def test_a_charge_is_taken_back_in_each_mode(shop, partner, filled, left):
    partner = shop.partner(partner, filled)
    made = charged(shop, partner)
    assert pools.find(partner.id)["balance"] == left
    back = return_charge(partner, "X-1", "wrong number")
    assert (back["state"], back["reason"], back["amount"]) == ("returned", "wrong number", made["amount"])
    pool = pools.find(partner.id)
    assert (pool["balance"], pool["drawn"], pool["returned"]) == (filled, made["amount"], made["amount"])
    sold = order(made["order_no"])
    assert (sold["state"], sold["refunded_minor"]) == ("refunded", sold["payable_minor"])
    assert {e["state"] for e in entitlements.of_order(sold["no"])} == {"revoked"}
    [refund], [payment] = refunds.of_order(sold["no"]), payments.of_order(sold["no"])
    assert (refund["kind"], refund["state"], refund["amount_minor"]) == ("charge", "succeeded", sold["payable_minor"])
    assert payment["refunded_minor"] == payment["amount_minor"]
    held = {leg["account"]: 0 for t in postings.of_order(sold["no"]) for leg in t["postings"]}
    for leg in (leg for t in postings.of_order(sold["no"]) for leg in t["postings"]):
        held[leg["account"]] += leg["amount_minor"]
    assert set(held.values()) == {0} and len(held) == 3            # the sale, taken back to the last fen


def test_the_same_again_is_quiet_and_by_either_number(shop):
    bank = shop.partner("bank", 100_00)
    made = charged(shop, bank)
    first = return_charge(bank, made["no"], "once")
    assert return_charge(bank, "X-1", "twice") == first
    assert pools.find("bank")["balance"] == 100_00 and len(refunds.of_order(made["order_no"])) == 1


def test_eight_at_once_return_it_once(shop):
    bank = shop.partner("bank", 100_00)
    made = charged(shop, bank)
    results = at_once(lambda n: return_charge(bank, made["no"], f"try {n}"), range(8))
    assert not errors(results) and {r["state"] for r in results} == {"returned"}
    assert pools.find("bank")["balance"] == 100_00


def test_returns_and_draws_at_once_keep_the_books(shop):
    bank = shop.partner("bank", 10_00 + 4 * 28_00)
    made = [charged(shop, bank, f"A-{n}") for n in range(4)]
    crowd = [shop.buyer() for _ in range(8)]
    results = at_once(lambda n: charged(shop, bank, f"B-{n}", buyer=crowd[n]) if n % 2 else
                      return_charge(bank, made[n // 2]["no"], "back"), range(8))
    assert {e.code for e in errors(results)} <= {Code.POOL_EXHAUSTED}
    assert pools.find("bank")["balance"] >= 10_00


def test_what_frees_the_cap_may_be_charged_again(shop):
    bank, buyer = shop.partner("bank", 100_00), shop.buyer()
    charged(shop, bank, "X-1", WEEK, buyer)
    with refused(Code.PURCHASE_CAP_REACHED):
        charged(shop, bank, "X-2", WEEK, buyer)
    return_charge(bank, "X-1", "again, please")
    assert orders.purchased(buyer, "card/week") == 0
    assert charged(shop, bank, "X-2", WEEK, buyer)["state"] == "charged"
    post = shop.partner("post", 9)             # the agreement's own cap of a buyer
    charged(shop, post, "P-1", MONTH, buyer)
    with refused(Code.AGREEMENT_REFUSED, "1 pieces"):
        charged(shop, post, "P-2", MONTH, buyer)
    return_charge(post, "P-1", "again, please")
    assert charged(shop, post, "P-2", MONTH, buyer)["state"] == "charged"


def test_only_what_was_charged_can_go_back(shop):
    bank = shop.partner("bank", 100_00)
    waits = charge.charge_unregistered(bank, "W-1", "gift", MONTH, "13900000009")
    with refused(Code.STATE_REFUSED, "charging"):
        return_charge(bank, waits["no"], "too early")
    with refused(Code.CHARGE_UNKNOWN):
        return_charge(shop.partner("club"), waits["no"], "not yours")


def test_delivering_that_was_left_to_a_worker_is_ended(shop, monkeypatch):
    real, bank = entitlements.grant, shop.partner("bank", 100_00)
    monkeypatch.setattr(entitlements, "grant", lambda *given: (_ for _ in ()).throw(ConnectionError("away")))
    made = charged(shop, bank)
    assert order(made["order_no"])["state"] == "paid"
    return_charge(bank, made["no"], "never came")
    monkeypatch.setattr(entitlements, "grant", real)
    shop.work()
    assert executor.advance(f"{made['order_no']}/charge", runs.HOST) == "cancelled"
    assert not executor.retry_failed(f"{made['order_no']}/charge", runs.HOST)
    assert entitlements.of_order(made["order_no"]) == [] and order(made["order_no"])["state"] == "refunded"


def test_the_partner_is_told_in_the_order_of_things(shop):
    put_live(2, TOLD)
    bank, told = shop.partner("bank", 100_00), []
    shop.outside.answers["herald", "notify"] = lambda facts: told.append(facts) or _acknowledged()
    made = charged(shop, bank)
    return_charge(bank, made["no"], "wrong number")
    from engine.base import clock
    for _ in range(3):
        shop.work()
        clock.advance(10)
    assert [(f["notify.event"], f["charge.reason"]) for f in told] == [("charged", ""), ("returned", "wrong number")]
    assert {n["state"] for n in outgoing.of_order(made["order_no"])} == {"told"}


def _acknowledged():
    from engine.wire import Outcome
    return Outcome("succeeded", sent=True, status=200)


BREAKS = {
    "returned, and the pool has nothing back": "UPDATE partner_pool SET returned = 0, balance = balance - 2800",
    "returned twice": "UPDATE pool_log SET amount = amount * 2 WHERE kind = 'return'",
    "the return is forgotten": "DELETE FROM pool_log WHERE kind = 'return'",
    "the charge still counts as charged": "UPDATE charge SET state = 'charged' WHERE state = 'returned'",
    "the order is not refunded": "UPDATE trade_order SET state = 'completed' WHERE state = 'refunded'",
}


@pytest.mark.parametrize("name", BREAKS)
def test_invariant_6_sees_a_return_that_is_none(shop, name):
    bank = shop.partner("bank", 100_00)
    charged(shop, bank), charged(shop, bank, "X-2")
    return_charge(bank, "X-1", "back")
    assert invariants.violations() == []
    shop.broken = True
    store.trade.database.execute_sql(BREAKS[name])
    assert 6 in {v.invariant for v in invariants.violations()}
    assert charges.find("bank", "X-1")["order_no"]
