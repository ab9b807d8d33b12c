"""Orders that people and suppliers work for: flows that workers run, and where they leave the order."""
from __future__ import annotations

from engine import runs, sale
from engine.base.errors import Code
from engine.deliver import entitlements, upstream, work_orders
from engine.flow import journal
from tests.support.selling import order, place, refused, shop

__all__ = ["shop"]


def states(order_no):
    return {w["kind"]: w["state"] for w in work_orders.of_order(order_no)}


def finish(order_no, kind):
    no = next(w["no"] for w in work_orders.of_order(order_no) if w["kind"] == kind)
    return runs.finish_work_order(no, "wang", {"seen": True})


def test_an_order_that_people_work_for(shop):
    placed = place(shop, "filing/one", scene="office", buyer="")
    assert states(placed["no"]) == {"search": "open"}
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert order(placed["no"])["state"] == "paid" and states(placed["no"])["file"] == "open"
    shop.work()                                # the supplier is called by a worker
    assert order(placed["no"])["state"] == "fulfilling"
    ordered = upstream.of_order(placed["no"])
    assert [(u["merchant_id"], u["state"], u["external_no"]) for u in ordered] == \
        [("mill", "accepted", f"S{ordered[0]['no']}")]
    finish(placed["no"], "search")
    assert entitlements.of_order(placed["no"]) == []
    finish(placed["no"], "file")               # the copy is not blocking
    shop.work()
    assert order(placed["no"])["state"] == "completed" and len(entitlements.of_order(placed["no"])) == 1
    finish(placed["no"], "copy")
    shop.work()
    assert [s["name"] for s in journal.of(placed["no"], "fulfil")] == ["grant_entitlements", "message"]


def test_people_faster_than_the_money_and_the_supplier(shop):
    placed = place(shop, "filing/one", scene="office", buyer="")
    finish(placed["no"], "search")
    shop.notice(sale.pay(placed["no"], "wallet"))
    finish(placed["no"], "file")
    assert order(placed["no"])["state"] == "paid"
    shop.work()
    assert order(placed["no"])["state"] == "completed" and len(entitlements.of_order(placed["no"])) == 1


def test_a_flow_whose_last_step_is_a_call(shop):
    placed = place(shop, scene="last-call", buyer="")
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert order(placed["no"])["state"] == "paid"
    shop.work()
    assert order(placed["no"])["state"] == "completed"
    assert [u["state"] for u in upstream.of_order(placed["no"])] == ["accepted"]


def test_an_unpaid_orders_work_is_cancelled(shop):
    placed = place(shop, "filing/one", scene="office", buyer="")
    sale.close(placed["no"], "no")
    assert states(placed["no"]) == {"search": "cancelled"}
    with refused(Code.STATE_REFUSED):
        finish(placed["no"], "search")
