"""kill -9 while a charge goes back to its pool and while its partner is told: the pool has it back once, each notice is told."""
from __future__ import annotations

import json

import pytest

from engine import store
from engine.cli.ready import partner_keys
from engine.config.live import live
from engine.deliver import outgoing, pools
from engine.trade import orders
from sandbox.partner import signed_request
from tests.crash.machine import Machine, count, request
from tests.support.waiting import wait_until

POINTS = ("charge_return.before_commit", "charge_return.after_commit", "outgoing.called")
PARTNER, SCENE, SKU, FILLED = "bank-mall", "aiqicha-direct-charge", "aiqicha-vip/month", 100_000


def as_partner(machine: Machine, path: str, body: dict) -> dict:
    """A partner's request, repeated while the server is gone; the partner signs each anew."""
    def ask():
        machine.keep_up()
        raw, headers = signed_request(live.catalog().partner(PARTNER).verify, "POST", path, body)
        try:
            status, answer = request(machine.port, "POST", path, raw, {"Content-Type": "application/json", **headers})
        except OSError:
            return None
        return answer if status < 300 else None
    return wait_until(ask, f"an answer to {json.dumps(body)}", 30)


def charged(machine: Machine, no: str, buyer: str) -> dict:
    return as_partner(machine, f"/v1/partners/{PARTNER}/charges/registered", {
        "partner_order_no": no, "scene": SCENE, "items": [{"sku": SKU}], "buyer": {"id": buyer}})


def started(machine: Machine, point: str) -> None:
    partner_keys(live.catalog())
    machine.start(crash_at=point)
    machine.good("POST", f"/v1/partners/{PARTNER}/pool/top-ups", {"unit": "money", "amount": FILLED}, key="filled")


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_charge_goes_back_once(machine: Machine, point: str):
    started(machine, point)
    buyer = machine.buyer()
    made = charged(machine, "K-1", buyer)
    path, why = f"/v1/partners/{PARTNER}/charges/K-1/refund", {"reason": "wrong number"}
    machine.together(4, lambda n: machine.good("POST", path, why, key=f"back-{n % 2}"))
    wait_until(lambda: machine.keep_up() or machine.crashed.exists(), f"a process at {point}", 20)
    wait_until(lambda: machine.keep_up() or [n["state"] for n in outgoing.of_order(made["order"])] == ["told", "told"], "both told", 60)
    pool = pools.find(PARTNER)
    assert (pool["balance"], pool["drawn"], pool["returned"]) == (FILLED, made["amount"], made["amount"])
    assert count("SELECT COUNT(*) FROM refund") == 1 and count("SELECT COUNT(*) FROM pool_log WHERE kind = 'return'") == 1
    assert count("SELECT COUNT(*) FROM entitlement WHERE state = 'active'") == 0
    assert [n["event"] for n in outgoing.of_order(made["order"])] == ["charged", "returned"]
    assert machine.violations() == []


ON_THE_WAY = ("notice.received", "notice.before_commit", "notice.after_commit", "outgoing.called")
BUYS = {"item": "7300000000000000012", "amount_minor": 4000}


@pytest.mark.slow
@pytest.mark.parametrize("point", ON_THE_WAY)
def test_a_shops_order_is_sold_delivered_and_refunded_once(machine: Machine, point: str):
    """Through the shop's own file: its notices are signed by it, our report of the delivery is verified by it."""
    machine.start(crash_at=point)
    shop, port = "/_sandbox/shop/douyin-trade/orders", machine.port + 2
    no = machine.good("POST", shop, BUYS, port=port)["no"]

    def sold():
        machine.keep_up()
        return next((o for o in store.many(orders.TradeOrder, external_no=no) if o["state"] == "completed"), None)
    order = wait_until(sold, "the order", 60)
    wait_until(lambda: machine.keep_up() or [n["state"] for n in outgoing.of_order(order["no"])] == ["told"], "a report", 60)
    machine.good("POST", f"{shop}/{no}/refund", {"amount_minor": 4000}, port=port)
    wait_until(lambda: machine.keep_up() or orders.find(order["no"])["state"] == "refunded", "the refund", 60)
    wait_until(lambda: machine.keep_up() or machine.crashed.exists(), f"a process at {point}", 20)
    assert (order["scene_id"], order["payable_minor"]) == ("aiqicha-douyin-shop", 4000)
    assert count("SELECT COUNT(*) FROM trade_order") == 1 and count("SELECT COUNT(*) FROM refund WHERE kind = 'shop'") == 1
    assert count("SELECT COUNT(*) FROM entitlement WHERE state = 'active'") == 0
    assert machine.violations() == []
