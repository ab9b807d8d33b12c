"""Faults on demand: each does what it says, once, where it was asked for, and the engine's side sees it for what it is."""
from __future__ import annotations

import time

import pytest

from tests.support.waiting import wait_until

from .playing import HTTP

QR = "sandbox-qr"


def heard_refusals(listener):
    return [heard.refused for heard in listener.heard]


@pytest.mark.parametrize("fault, more", [("error_done", {}), ("timeout_done", {"delay_s": 0.1}), ("forged_answer", {}),
                                         ("slow", {"delay_s": 3})])
def test_the_deed_is_done_and_nobody_can_know(sandbox, listener, fault, more):
    sandbox.fault(fault, operation="pay", **more)
    outcome = sandbox.operate(QR, "pay", timeout_s=0.8, payment__no="P1")
    assert (outcome.state, outcome.sent) == ("unknown", True)
    assert listener.wait(1)[0].fields["payment_no"] == "P1", "it was done all the same"
    assert sandbox.operate(QR, "query", payment__no="P1").state == "succeeded", "and asking tells"


def test_a_refund_whose_answer_is_lost_is_done_once(sandbox, listener):
    sandbox.pay(QR, "P1")
    listener.wait(1)
    sandbox.fault("timeout_done", operation="refund", delay_s=0.1)
    refund = dict(payment__no="P1", refund__no="R1", refund__amount_minor=990)
    assert sandbox.operate(QR, "refund", **refund).state == "unknown"
    assert sandbox.operate(QR, "refund", **refund).state in ("pending", "succeeded")
    wait_until(lambda: sandbox.operate(QR, "refund_query", refund__no="R1").state == "succeeded", "the refund ends")
    assert len(sandbox.get("refunds")["items"]) == 1


def test_lost(sandbox, listener):
    sandbox.fault("lost")
    sandbox.pay(QR, "P1")
    wait_until(lambda: sandbox.payment("P1")["state"] == "succeeded", "the buyer pays")
    time.sleep(0.5)
    assert listener.heard == [] and sandbox.operate(QR, "query", payment__no="P1").state == "succeeded"


def test_late(sandbox, listener):
    sandbox.fault("late", delay_s=1)
    sandbox.pay(QR, "P1")
    wait_until(lambda: sandbox.payment("P1")["state"] == "succeeded", "the buyer pays")
    assert listener.heard == []
    assert listener.wait(1)


@pytest.mark.parametrize("channel_id", ["sandbox-qr", "sandbox-page", "sandbox-app"])
def test_repeated(sandbox, listener, channel_id):
    sandbox.fault("repeated", times=4)
    sandbox.pay(channel_id, "P1")
    assert len({notice.dedupe_key for notice in listener.wait(4)}) == 1


@pytest.mark.parametrize("channel_id", ["sandbox-qr", "sandbox-page", "sandbox-app"])
def test_reordered(sandbox, listener, channel_id):
    sandbox.fault("reordered")
    sandbox.pay(channel_id, "P1")
    assert [notice.fields["state"] for notice in listener.wait(2)] == ["succeeded", "pending"]


@pytest.mark.parametrize("channel_id", ["sandbox-qr", "sandbox-page", "sandbox-app"])
def test_forged(sandbox, listener, channel_id):
    sandbox.fault("forged")
    sandbox.pay(channel_id, "P1")
    wait_until(lambda: listener.heard, "the forged notice")
    assert set(heard_refusals(listener)) == {"signature_invalid"}
    assert sandbox.operate(channel_id, "query", payment__no="P1").state == "pending", "nobody paid"


def test_duplicate_success(sandbox, listener):
    sandbox.fault("duplicate_success")
    sandbox.pay(QR, "P1")
    one, two = listener.wait(2)
    assert one.dedupe_key != two.dedupe_key and one.fields["channel_no"] != two.fields["channel_no"]
    assert one.fields["payment_no"] == two.fields["payment_no"] == "P1"


def test_wrong_amount(sandbox, listener):
    sandbox.fault("wrong_amount")
    sandbox.pay(QR, "P1")
    assert listener.wait(1)[0].fields["amount_minor"] == 991


def test_declined_and_unpaid(sandbox, listener):
    sandbox.fault("declined", prefix="D")
    sandbox.fault("unpaid", prefix="U")
    sandbox.pay(QR, "D1")
    sandbox.pay(QR, "U1")
    wait_until(lambda: sandbox.operate(QR, "query", payment__no="D1").state == "failed", "the payment is declined")
    time.sleep(0.3)
    assert sandbox.operate(QR, "query", payment__no="U1").state == "pending"
    assert sandbox.post(f"payments/{QR}/U1/pay", {}) == {"state": "succeeded", "moved": True}


def test_where_and_how_often(sandbox):
    sandbox.fault("error_done", channel="sandbox-app", next=9)
    sandbox.fault("error_done", operation="close", next=9)
    sandbox.fault("error_done", prefix="X", next=2)
    states = [sandbox.operate(QR, "pay", payment__no=no).state for no in ("P1", "X1", "X2", "X3")]
    assert states == ["pending", "unknown", "unknown", "pending"]
    left = {(f.get("channel"), f.get("operation"), f.get("prefix")): f["next"] for f in sandbox.get("faults")["faults"]}
    assert left == {("sandbox-app", None, None): 9, (None, "close", None): 9}
    assert HTTP.request("DELETE", f"{sandbox.url}/_sandbox/faults").json()["faults"] == []


def test_wrong_faults_are_refused(sandbox):
    for body in ({}, [], {"fault": "flood"}, {"fault": "slow", "delay": 1}, {"fault": "slow", "delay_s": "1"},
                 {"fault": "slow", "next": -1}, {"fault": "slow", "next": True}, {"fault": "slow", "prefix": 1}):
        reply = HTTP.request("POST", f"{sandbox.url}/_sandbox/faults", json=body)
        assert reply.status == 400, body
    assert sandbox.get("faults")["faults"] == []
    for body in ({"pay_after_s": "1"}, {"pay_after_s": -1}, {"colour": 1}, []):
        assert HTTP.request("POST", f"{sandbox.url}/_sandbox/settings", json=body).status == 400, body
    assert sandbox.get("settings") == {"pay_after_s": 0.3}


def test_partial(sandbox, listener):
    sandbox.fault("partial")
    order = dict(upstream__no="U1", upstream__item="vip/month", upstream__quantity=2, buyer__phone="13800138000")
    assert sandbox.operate("sandbox-upstream", "charge", **order).state == "accepted"
    assert listener.wait(1)[0].fields["state"] == "partial"
    assert sandbox.operate("sandbox-upstream", "query", upstream__no="U1").state == "partial"
