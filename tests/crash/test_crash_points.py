"""kill -9 at every named crash point of place → pay → notice → grant, then on: the order completes, once."""
from __future__ import annotations

import pytest

from engine.base import crash
from tests.crash.machine import QR_CHANNEL, Machine, count, pieces
from tests.crash.test_contract_crashes import POINTS as WITH_CONTRACT
from tests.crash.test_partner_crashes import POINTS as WITH_PARTNER
from tests.support.waiting import wait_until

# A point is reached by a plain sale unless its own story is told here.
PLAIN = ("place.before_commit", "place.after_commit", "pay.before_commit", "pay.intent_committed", "pay.called",
         "pay.outcome_committed", "notice.received", "notice.before_commit", "notice.after_commit", "flow.before_step",
         "outbox.leased", "outbox.done_before_commit")
WITH_CALL_STEP = ("flow.intent_committed", "flow.called", "flow.after_commit")
WITH_REFUND = ("refund.intent_committed", "refund.called")


def test_every_point_has_a_story():
    assert set(PLAIN + WITH_CALL_STEP + WITH_REFUND + WITH_CONTRACT + WITH_PARTNER) == set(crash.POINTS)


def sell(machine: Machine, **what) -> dict:
    order = machine.place(machine.buyer(), **what)
    machine.pay(order["no"])
    return order


def assert_once(machine: Machine, view: dict) -> None:
    assert pieces(view) == {"kept payments": 1, "doubled entitlements": 0, "messages": len(view["messages"])}
    assert count("SELECT COUNT(*) FROM trade_order") == 1
    assert machine.violations() == []


@pytest.mark.slow
@pytest.mark.parametrize("point", PLAIN)
def test_a_sale_survives(machine: Machine, point: str):
    machine.start(crash_at=point)
    order = sell(machine)
    machine.wait_order(order["no"])
    wait_until(machine.crashed.exists, f"a process at {point}", 10)
    wait_until(lambda: machine.keep_up() or not count("SELECT COUNT(*) FROM outbox"), "an empty outbox", 20)
    view = machine.wait_order(order["no"])
    assert len(view["messages"]) == 1 and view["entitlements"]
    assert_once(machine, view)


@pytest.mark.slow
@pytest.mark.parametrize("point", WITH_CALL_STEP)
def test_an_upstream_order_is_placed_once(machine: Machine, point: str):
    machine.start(crash_at=point)
    order = machine.place(machine.buyer(), scene="trademark-pc", sku="trademark-registration/standard", fields={
        "mark": "小熊", "applicant_kind": "company", "applicant": "小熊公司", "classes": ["09"]})
    machine.pay(order["no"])
    view = machine.wait_order(order["no"], "fulfilling")
    assert machine.crashed.exists(), f"nothing passed {point}"
    supplied = machine.good("GET", "/_sandbox/upstream", port=machine.port + 2)["items"]
    assert len(supplied) == 1 and count("SELECT COUNT(*) FROM upstream_order") == 1
    assert_once(machine, view)


@pytest.mark.slow
@pytest.mark.parametrize("point", WITH_REFUND)
def test_a_surplus_goes_back_once(machine: Machine, point: str):
    machine.start(crash_at=point)
    machine.fault(fault="duplicate_success")
    order = sell(machine)
    view = machine.wait_order(order["no"])
    view = _wait_refund(machine, order["no"])
    assert machine.crashed.exists(), f"nothing passed {point}"
    assert len(view["refunds"]) == 1
    sent_back = machine.good("GET", "/_sandbox/refunds", port=machine.port + 2)["items"]
    assert len(sent_back) == 1 and sent_back[0]["channel"] == QR_CHANNEL
    assert_once(machine, view)


def _wait_refund(machine: Machine, order_no: str) -> dict:
    def look():
        machine.keep_up()
        view = machine.order(order_no)
        return view if view["refunds"] and all(r["state"] == "succeeded" for r in view["refunds"]) else None
    return wait_until(look, "the refund", 60)
