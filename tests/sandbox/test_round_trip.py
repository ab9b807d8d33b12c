"""The engine and the sandbox as two processes: both read the same files, one forwards and one in reverse."""
from __future__ import annotations

import signal

import pytest

from tests.support.waiting import wait_until

from .playing import HTTP, Heard

CHANNELS = ("sandbox-qr", "sandbox-page", "sandbox-app")
every_channel = pytest.mark.parametrize("channel_id", CHANNELS)


@every_channel
def test_a_payment_and_its_refund(sandbox, listener, channel_id):
    assert sandbox.operate(channel_id, "query", payment__no="P1").state == "absent"
    paid = sandbox.pay(channel_id, "P1")
    assert paid.state == "pending" and len(paid.client) == 1
    notice, = listener.wait(1)
    assert notice.fields.items() >= {"payment_no": "P1", "amount_minor": 990, "currency": "CNY", "state": "succeeded"}.items()
    assert notice.fields["channel_no"] and notice.fields["merchant"] and notice.fields["paid_at_ms"]

    asked = sandbox.operate(channel_id, "query", payment__no="P1")
    assert asked.state == "succeeded" and asked.fields["channel_no"] == notice.fields["channel_no"]
    closed = sandbox.operate(channel_id, "close", payment__no="P1")
    assert closed.state == "failed" and "succeeded already" in closed.reason

    refund = dict(payment__no="P1", refund__no="R1", refund__amount_minor=300, refund__reason="不想要了")
    assert sandbox.operate(channel_id, "refund", **refund).state == "pending"
    back = listener.wait(2)[1]
    assert back.event == "refunded" and back.fields["state"] == "succeeded"
    assert (back.fields["refund_no"], back.fields["amount_minor"]) == ("R1", 300)
    assert sandbox.operate(channel_id, "refund_query", refund__no="R1").state == "succeeded"
    assert sandbox.operate(channel_id, "refund", **refund).state == "succeeded", "the same refund again is the same refund"
    assert sandbox.operate(channel_id, "refund", **{**refund, "refund__amount_minor": 301}).state == "failed"
    too_much = sandbox.operate(channel_id, "refund", **{**refund, "refund__no": "R2", "refund__amount_minor": 691})
    assert too_much.state == "failed" and "more would be refunded" in too_much.reason
    assert sandbox.operate(channel_id, "refund_query", refund__no="R9").state == "absent"
    assert sandbox.operate(channel_id, "query", payment__no="P1").state == "succeeded"


@every_channel
def test_a_payment_nobody_makes(patient_sandbox, listener, channel_id):
    patient_sandbox.pay(channel_id, "P1")
    assert patient_sandbox.operate(channel_id, "query", payment__no="P1").state == "pending"
    assert patient_sandbox.operate(channel_id, "close", payment__no="P1").state == "closed"
    assert patient_sandbox.operate(channel_id, "close", payment__no="P1").state == "closed"
    assert patient_sandbox.operate(channel_id, "query", payment__no="P1").state == "closed"
    refund = patient_sandbox.operate(channel_id, "refund", payment__no="P1", refund__no="R1", refund__amount_minor=1)
    assert refund.state == "failed"
    assert listener.heard == []


def test_the_same_number_with_another_amount(patient_sandbox):
    assert patient_sandbox.pay("sandbox-qr", "P1").state == "pending"
    assert patient_sandbox.pay("sandbox-qr", "P1").state == "pending"
    other = patient_sandbox.operate("sandbox-qr", "pay", payment__no="P1", payment__amount_minor=991)
    assert other.state == "failed" and "another amount" in other.reason


def test_messages_are_kept_to_be_read(sandbox):
    sent = sandbox.operate("sandbox-sms", "send", message__no="M1", message__to="13800138000", message__text="您的订单已开通")
    assert sent.state == "succeeded" and sent.fields["message_no"] == "M1"
    again = sandbox.operate("sandbox-sms", "send", message__no="M1", message__to="13800138000", message__text="您的订单已开通")
    assert again.fields["channel_no"] == sent.fields["channel_no"]
    message, = sandbox.get("messages")["items"]
    assert (message["facts"]["message.to"], message["facts"]["message.text"]) == ("13800138000", "您的订单已开通")


@pytest.mark.parametrize("word, state", [("deliver", "succeeded"), ("part", "partial"), ("fail", "failed")])
def test_a_supplier_takes_an_order_and_delivers_later(patient_sandbox, listener, word, state):
    patient_sandbox.post("settings", {"pay_after_s": 60})
    order = dict(upstream__no="U1", upstream__item="vip/month", upstream__quantity=2, buyer__phone="13800138000")
    assert patient_sandbox.operate("sandbox-upstream", "query", upstream__no="U1").state == "absent"
    assert patient_sandbox.operate("sandbox-upstream", "charge", **order).state == "accepted"
    assert patient_sandbox.operate("sandbox-upstream", "query", upstream__no="U1").state == "pending"
    assert patient_sandbox.post(f"upstream/sandbox-upstream/U1/{word}", {})["moved"]
    notice, = listener.wait(1)
    assert (notice.event, notice.fields["upstream_no"], notice.fields["state"]) == ("delivered", "U1", state)
    assert patient_sandbox.operate("sandbox-upstream", "query", upstream__no="U1").state == state
    assert patient_sandbox.operate("sandbox-upstream", "cancel", upstream__no="U1").state == "failed"


def test_notices_are_repeated_until_they_are_taken(sandbox, listener):
    def say(heard: Heard) -> str:
        return "failure" if len(listener.heard) < 2 else "success"
    listener.say = say
    sandbox.pay("sandbox-page", "P1")
    first, second, third = listener.wait(3)
    assert first.dedupe_key == second.dedupe_key == third.dedupe_key
    told = wait_until(lambda: (rows := sandbox.payment("P1")["notices"]) and rows[-1]["taken"] and rows, "the third is taken")
    assert [row["taken"] for row in told] == [0, 0, 1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_a_restart_forgets_nothing(sandbox, listener, number):
    listener.say = lambda heard: "failure"
    sandbox.pay("sandbox-qr", "P1")
    listener.wait(1)
    sandbox.process.send(number)
    assert sandbox.process.wait() == 0
    assert "Traceback" not in sandbox.process.output()
    listener.say = lambda heard: "success"
    sandbox.start()
    assert sandbox.operate("sandbox-qr", "query", payment__no="P1").state == "succeeded"
    wait_until(lambda: sandbox.payment("P1")["notices"][-1]["taken"], "the notice is delivered after the restart")


def test_a_killed_sandbox_still_pays_and_tells(sandbox, listener):
    sandbox.post("settings", {"pay_after_s": 1})
    sandbox.pay("sandbox-app", "P1")
    sandbox.process.kill9()
    sandbox.start()
    notice, = listener.wait(1)
    assert notice.fields["payment_no"] == "P1"


def test_the_cashier_page(patient_sandbox, listener):
    url = patient_sandbox.pay("sandbox-qr", "P1").client["qr"]
    page = HTTP.request("GET", url)
    text = page.data.decode()
    assert page.status == 200 and "9.90" in text and "支付 · Pay" in text and "新人周卡 &amp; &lt;b&gt;" in text
    paid = HTTP.request("POST", url.replace("cashier?", "cashier/pay?"), redirect=False)
    assert paid.status == 303 and paid.headers["location"] == url
    assert "已支付 · Paid" in HTTP.request("GET", url).data.decode()
    assert listener.wait(1)[0].fields["state"] == "succeeded"
    HTTP.request("POST", url.replace("cashier?", "cashier/cancel?"), redirect=False)
    assert patient_sandbox.operate("sandbox-qr", "query", payment__no="P1").state == "succeeded"


def test_a_person_opens_the_page_and_pays_by_hand(sandbox, listener):
    asked = sandbox.operate("sandbox-page", "pay", payment__no="P1", client__return_url="https://shop.example/back")
    link = asked.client["redirect"]
    page = HTTP.request("GET", link, headers={"Accept": "text/html"}, redirect=False)
    cashier = page.headers["location"]
    assert page.status == 302 and "取消 · Cancel" in HTTP.request("GET", cashier).data.decode()
    done = HTTP.request("POST", cashier.replace("cashier?", "cashier/pay?"), redirect=False)
    assert done.headers["location"] == "https://shop.example/back"
    assert listener.wait(1)[0].fields["payment_no"] == "P1"


def test_a_changed_link_opens_nothing(sandbox):
    link = sandbox.operate("sandbox-page", "pay", payment__no="P1").client["redirect"]
    assert HTTP.request("GET", link.replace("990", "1"), redirect=False).status == 401
    assert sandbox.get("payments")["items"] == []


def test_changed_parameters_start_nothing(sandbox):
    params = sandbox.operate("sandbox-app", "pay", payment__no="P1").client["params"]
    for name in params:
        reply = HTTP.request("POST", f"{sandbox.url}/_sandbox/app/sandbox-app", json={**params, name: params[name] + "0"})
        assert reply.status == 401, name
    assert HTTP.request("POST", f"{sandbox.url}/_sandbox/app/sandbox-app", json={**params, "more": "1"}).status == 401
    assert sandbox.get("payments")["items"] == []
