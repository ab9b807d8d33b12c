"""Refunds of money nobody had a claim on: posted with their cause, found when they are due."""
from __future__ import annotations

from engine import store
from engine.base import clock
from engine.base.errors import Code
from engine.ledger.postings import balance
from engine.pay import payments, refunds
from tests.support.selling import refused

T0 = 1_800_000_000_000


def surplus():
    """A payment nobody had a claim on, with its refund."""
    clock.set_to(T0)
    with store.transaction():
        paid = payments.create("O1", 990, "CNY", kind="channel", ref="wallet", state="succeeded", cause="test",
                               expires_at_ms=T0)
        return refunds.of_surplus(paid, "x" * 200)


def held():
    return [balance(name, "CNY") for name in ("channel_receivable:wallet", "suspense:wallet", "refunds_payable:wallet")]


def test_a_surplus_is_owed_back(database):
    row = surplus()
    assert refunds.find(row["no"]) == row and (row["state"], row["kind"], row["reason"]) == \
        ("approved", "surplus", "x" * 120)
    assert held() == [990, 0, -990] and refunds.due() == [row["no"]] and [r["no"] for r in refunds.of_order("O1")] == \
        [row["no"]]


def test_it_goes_back_once(database):
    row = surplus()
    for expected in (True, False):
        with store.transaction():
            assert refunds.succeeded(refunds.find(row["no"], lock=True), "C1", "test") == expected
    assert held() == [0, 0, 0] and payments.find(row["payment_no"])["refunded_minor"] == 990
    assert refunds.due() == [] and refunds.find(row["no"])["channel_refund_no"] == "C1"


def test_it_is_asked_for_less_and_less_often(database):
    no, waits = surplus()["no"], []
    for _ in range(12):
        with store.transaction():
            refunds.asked(refunds.find(no, lock=True))
        waits.append((refunds.find(no)["ask_at_ms"] - T0) // 1000)
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 21_600, 21_600]


def test_a_refund_nobody_knows(database):
    with refused(Code.REFUND_UNKNOWN, "R9"):
        refunds.find("R9")
