"""Many at once, against real processes: one effect each, and never a coupon, a payment or an entitlement too many."""
from __future__ import annotations

import uuid

import pytest

from engine.base import clock
from engine.config.live import live
from sandbox import speaking
from sandbox.side import Side
from tests.crash.machine import QR_CHANNEL, QR_SCENE, QR_SKU, Machine, count, pieces, request
from tests.support.catalogue import sample
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def test_sixteen_pay_calls_make_one_live_attempt(machine: Machine):
    machine.start()
    order = machine.place(machine.buyer())
    answers = machine.together(16, lambda i: machine.ask(
        "POST", f"/v1/orders/{order['no']}/pay", {"channel": QR_CHANNEL}, key=uuid.uuid4().hex))
    assert {status for status, _ in answers} <= {200, 201, 409}, answers
    view = machine.wait_order(order["no"])
    assert pieces(view)["kept payments"] == 1 and len(view["payments"]) == 1
    assert machine.violations() == []


def test_sixteen_orders_with_one_key_are_one_order(machine: Machine):
    machine.start()
    buyer, key = machine.buyer(), uuid.uuid4().hex
    body = {"scene": QR_SCENE, "buyer": {"id": buyer}, "items": [{"sku": QR_SKU}]}
    answers = machine.together(16, lambda i: machine.ask("POST", "/v1/orders", body, key=key))
    assert {status for status, _ in answers} == {201}
    assert len({answer["no"] for _, answer in answers}) == 1 and count("SELECT COUNT(*) FROM trade_order") == 1
    assert machine.violations() == []


def test_sixteen_identical_notices_at_once_have_one_effect(machine: Machine):
    machine.start()
    machine.good("POST", "/_sandbox/settings", {"pay_after_s": None}, port=machine.port + 2)
    order = machine.place(machine.buyer())
    payment = machine.pay(order["no"])
    side = Side(dict(live.catalog().channels[QR_CHANNEL]), "http://sandbox")
    said = speaking.notice(side, "paid", "succeeded", {
        "payment_no": payment["no"], "channel_no": "C1", "amount_minor": payment["amount_minor"], "currency": "CNY",
        "paid_at_ms": clock.now_ms()}, "event-1")
    answers = machine.together(16, lambda i: request(machine.port, "POST", f"/v1/notices/{QR_CHANNEL}/paid", said.body,
                                                     said.headers))
    assert {status for status, _ in answers} == {204}
    view = machine.wait_order(order["no"])
    assert pieces(view) == {"kept payments": 1, "doubled entitlements": 0, "messages": 1}
    assert count("SELECT COUNT(*) FROM notice_received") == 1
    assert machine.violations() == []


def test_a_notice_told_again_and_again_has_one_effect(machine: Machine):
    machine.start()
    machine.fault(fault="repeated", times=16)
    order = machine.place(machine.buyer())
    payment = machine.pay(order["no"])
    machine.wait_order(order["no"])

    def told() -> bool:
        items = machine.good("GET", f"/_sandbox/payments?no={payment['no']}", port=machine.port + 2)["items"]
        return sum(n.get("tries", 1) for n in items[0]["notices"]) >= 16
    wait_until(told, "sixteen notices", 30)
    view = machine.wait_order(order["no"])
    assert pieces(view) == {"kept payments": 1, "doubled entitlements": 0, "messages": 1}
    assert machine.violations() == []


def test_two_attempts_both_paid_send_one_back(machine: Machine):
    machine.start()
    order = machine.place(machine.buyer())
    machine.good("POST", "/_sandbox/settings", {"pay_after_s": None}, port=machine.port + 2)
    first = machine.pay(order["no"])
    second = machine.pay(order["no"], "alipay-page")
    machine.ask("GET", second["client"]["redirect"].split(f":{machine.port + 2}", 1)[1], port=machine.port + 2)
    for channel, payment in ((QR_CHANNEL, first), ("alipay-page", second)):
        machine.ask("POST", f"/_sandbox/payments/{channel}/{payment['no']}/pay", port=machine.port + 2)
    view = machine.wait_order(order["no"])
    paid = [p for p in view["payments"] if p["state"] == "succeeded"]
    assert sum(1 for p in paid if not p["refunded_minor"]) == 1
    assert machine.violations() == []


COUPON = """\
id: last-ten
title: {zh: 最后十张, en: The last ten}
benefit: {amount: 5.00}
scope: {products: [aiqicha-vip/month], scenes: [aiqicha-pc]}
stack: {group: last-ten, priority: 90}
caps: {total: 10}
"""


def test_two_hundred_buyers_share_ten_coupons(database, processes, tmp_path):
    machine = Machine(processes, tmp_path, {**sample(), "coupons/last-ten.yaml": COUPON})
    machine.start()
    buyers = [machine.buyer(f"b{i}") for i in range(200)]
    orders = machine.together(16, lambda i: machine.place(buyers[i]), 200)
    with_coupon = [o for o in orders if any(d["id"] == "last-ten" for d in o["discounts"])]
    assert len(orders) == 200 and len(with_coupon) == 10
    assert count("SELECT used FROM coupon_usage WHERE coupon_id = 'last-ten'") == 10
    assert machine.violations() == []
