"""Contracts at the sandbox: who signs and ends them by hand, what goes wrong on request, and what is told of it. Each with a
channel of the catalogue that takes contracts."""
from __future__ import annotations

import pytest

from tests.support.waiting import wait_until

from .playing import HTTP
from .test_every_channel import SIGNING, Player

CHANNEL = next(id for id, way in SIGNING if way == "sign")
TOGETHER = next(id for id, way in SIGNING if way == "pay_and_sign")


def told(listener, no: str) -> list[str]:
    return [notice.fields["state"] for heard in listener.heard for notice in heard.notices
            if notice.fields.get("contract_no") == no and "payment_no" not in notice.fields]


@pytest.fixture
def signed(sandbox, listener) -> Player:
    play = Player(sandbox, CHANNEL, "1")
    play.hand_over(play.expect("sign", "pending"))
    play.hears("contract_no", "C1", "signed")
    return play


def test_the_page_where_the_buyer_agrees(patient_sandbox, listener):
    play = Player(patient_sandbox, CHANNEL, "1")
    link = play.expect("sign", "pending").client["redirect"]
    cashier = HTTP.request("GET", link, redirect=False).headers["location"]
    page = HTTP.request("GET", cashier).data.decode()
    assert "同意签约 · Agree" in page and "C1" in page
    assert play.expect("contract_query", "pending")
    HTTP.request("POST", cashier.replace("cashier?", "cashier/pay?"), redirect=False)
    assert "已签约 · Signed" in HTTP.request("GET", cashier).data.decode()
    assert play.hears("contract_no", "C1", "signed").fields["channel_contract_no"]


def test_the_buyer_does_not_agree(sandbox, listener):
    sandbox.fault("declined", operation="sign")
    play = Player(sandbox, CHANNEL, "1")
    play.hand_over(play.expect("sign", "pending"))
    wait_until(lambda: sandbox.get("contracts?no=C1")["items"][0]["state"] == "failed", "the buyer declines")
    assert play.call("contract_query").state in ("failed", "ended", "absent", "unknown")
    assert play.call("withhold", payment__no="W1").state == "failed"


def test_the_buyer_ends_it_at_the_channel(signed, sandbox, listener):
    assert sandbox.post(f"contracts/{CHANNEL}/C1/end", {}) == {"state": "ended", "moved": True}
    wait_until(lambda: told(listener, "C1") == ["signed", "ended"], "the end is told")
    assert signed.call("withhold", payment__no="W1").state == "failed"
    assert sandbox.post(f"contracts/{CHANNEL}/C1/end", {})["moved"] is False


def test_a_deduction_that_fails_and_its_repeat(signed, sandbox):
    sandbox.fault("declined", operation="withhold")
    assert signed.call("withhold", payment__no="W1").state in ("failed", "pending", "accepted")
    wait_until(lambda: sandbox.payment("W1")["state"] == "failed", "nothing is deducted")
    assert signed.call("withhold", payment__no="W2").state in ("succeeded", "pending", "accepted")
    wait_until(lambda: sandbox.payment("W2")["state"] == "succeeded", "the next one is")
    assert signed.call("withhold", payment__no="W2").state in ("succeeded", "pending", "accepted")
    assert len(sandbox.get("payments")["items"]) == 2, "the same number is the same deduction"


def test_a_deduction_whose_answer_is_lost_was_made(signed, sandbox):
    sandbox.fault("timeout_done", operation="withhold", delay_s=0.1)
    assert signed.call("withhold", payment__no="W1").state == "unknown"
    wait_until(lambda: sandbox.payment("W1")["state"] == "succeeded", "it was deducted")


@pytest.mark.parametrize("fault, paid", [("declined", "failed"), ("unpaid", "pending")])
def test_nothing_is_signed_where_nothing_is_paid(sandbox, fault, paid):
    sandbox.fault(fault, operation="pay_and_sign")
    play = Player(sandbox, TOGETHER, "1")
    play.hand_over(play.expect("pay_and_sign", "pending"))
    wait_until(lambda: sandbox.payment("P1")["state"] == paid, f"the payment is {paid}")
    assert sandbox.get("contracts?no=C1")["items"][0]["state"] == paid
