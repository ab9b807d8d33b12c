"""Incoming notices: believed only when verified, applied once, answered in the sender's words, and alerted when not taken."""
from __future__ import annotations

import io
import json
import logging

import peewee
import pytest

from engine import settling, store
from engine.base import clock, signal, trace
from engine.base.logs import JsonLines
from tests.api.client import count, everything
from tests.api.shop import Gateway
from tests.support.together import at_once, errors


@pytest.fixture
def rejected(monkeypatch):
    """What was signalled as rejected."""
    seen = []
    sink = lambda name, value, labels: seen.append(labels) if name == "notice.rejected" else None
    monkeypatch.setattr(signal, "_sinks", [*signal._sinks, sink])
    return seen


def paying(api, **more):
    api.buyer()
    return api.pay(api.order(**more)["no"])


def test_a_payment_that_succeeded_delivers_its_order(api):
    payment = paying(api)
    reply = api.notice("till", "paid", api.paid_notice(payment))
    assert (reply.status, reply.json) == (200, {"said": "OK"})
    order = api.get(f"/v1/orders/{payment['order']}").json
    assert order["state"] == "completed" and [p["state"] for p in order["payments"]] == ["succeeded"]


def test_the_same_notice_again_changes_nothing(api):
    payment = paying(api)
    api.notice("till", "paid", api.paid_notice(payment))
    before = everything()
    again = api.notice("till", "paid", api.paid_notice(payment))
    assert (again.status, again.json, everything()) == (200, {"said": "OK"}, before)


def test_a_storm_of_the_same_notice_is_applied_once(api):
    payment = paying(api)
    body = api.paid_notice(payment)
    replies = at_once(lambda n: api.notice("till", "paid", body), range(8))
    assert errors(replies) == [] and {r.status for r in replies} == {200}
    assert count("ledger_transaction") == 1 and count("entitlement") == 2 and count("notice_received") == 1


def test_a_payment_that_failed_frees_nothing_but_itself(api):
    payment = paying(api)
    assert api.notice("till", "paid", api.paid_notice(payment, state="FAILED")).status == 200
    assert api.get(f"/v1/payments/{payment['no']}").json["state"] == "failed"
    assert api.get(f"/v1/orders/{payment['order']}")["state"] == "awaiting_payment"


def test_a_second_payment_is_sent_back_and_the_refunds_notice_ends_it(api):
    payment = paying(api)
    api.notice("till", "paid", api.paid_notice(payment))
    assert api.notice("till", "paid", api.paid_notice(payment, id="T-second")).status == 200
    refund = api.get(f"/v1/orders/{payment['order']}")["refunds"][0]
    body = {"shop": "S1", "payment": payment["no"], "no": refund["no"], "id": "R-1", "amount": 4000, "state": "PAID"}
    assert api.notice("till", "refunded", {**body, "amount": 3999}).status == 500
    assert api.notice("till", "refunded", {**body, "no": "R404"}).status == 500
    assert api.get(f"/v1/orders/{payment['order']}")["refunds"][0]["state"] == "approved"
    assert api.notice("till", "refunded", body).status == 200
    assert api.get(f"/v1/orders/{payment['order']}")["refunds"][0]["state"] == "succeeded"


NOT_TAKEN = [
    # (what differs, headers, word in the reason)
    ({"amount": 3999}, None, "amount is 3999"),
    ({"currency": "USD"}, None, "currency is USD"),
    ({"no": "P404"}, None, "there is no payment"),
    ({"no": ""}, None, "names no payment"),
    ({"shop": "S2"}, None, "mismatch"),
    ({"amount": "a lot"}, None, "unreadable"),
    ({}, {"X-Time": "1", "X-Signature": "0" * 64}, "signature"),
    ({}, {}, "missing"),
    ({}, "stale", "stale"),
]


@pytest.mark.parametrize("differs, headers, word", NOT_TAKEN, ids=[n[2].replace(" ", "-") for n in NOT_TAKEN])
def test_what_is_not_believed_is_refused_and_alerted(lite, caplog, rejected, differs, headers, word):
    payment = paying(lite)
    body = lite.paid_notice(payment, **differs)
    if headers == "stale":
        headers = Gateway.signed(json.dumps(body).encode(), at_s=clock.now_ms() // 1000 - 400)
    before = everything()
    reply = lite.notice("till", "paid", body, headers=headers)
    assert (reply.status, reply["said"]) == (500, "NO") and word in reply["why"]
    assert everything() == before
    line = next(r for r in caplog.records if r.name == "salewright.notice")
    assert (line.levelname, line.channel, line.event, line.interface) == ("ERROR", "till", "paid", "notices.receive")
    assert word in line.reason and rejected == [{"channel": "till"}]


def test_the_alertable_line_says_who_took_it_and_carries_the_trace(lite):
    """As a person or an alarm reads it: one line of JSON."""
    payment, out = paying(lite), io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    logging.getLogger("salewright.notice").addHandler(handler)
    try:
        reply = lite.notice("till", "paid", lite.paid_notice(payment), headers={"X-Time": "1", "X-Signature": "0" * 64})
    finally:
        logging.getLogger("salewright.notice").removeHandler(handler)
    line = json.loads(out.getvalue())
    assert {word: line[word] for word in ("level", "channel", "event", "interface", "endpoint", "consumer")} == {
        "level": "ERROR", "channel": "till", "event": "paid", "interface": "notices.receive",
        "endpoint": "/v1/notices/till/paid", "consumer": "notices.receive"}
    assert len(line["trace_id"]) >= 16 and line["trace_id"] in str(reply.headers).lower()
    assert "signature" in line["reason"]


def test_a_notice_that_is_not_json_is_refused_in_the_senders_words(lite, rejected):
    raw = b"<xml/>"
    reply = lite.ask("POST", "/v1/notices/till/paid", key="", raw=raw, headers=Gateway.signed(raw))
    assert (reply.status, reply["said"]) == (500, "NO") and len(rejected) == 1


@pytest.mark.parametrize("error", [peewee.OperationalError("gone"), KeyError("inside"), RuntimeError("inside")])
def test_what_could_not_be_kept_must_come_again(lite, monkeypatch, rejected, error):
    payment = paying(lite)

    def fall(*args, **more):
        raise error
    with monkeypatch.context() as patch:
        patch.setattr(settling, "apply_payment", fall)
        reply = lite.notice("till", "paid", lite.paid_notice(payment))
    assert (reply.status, reply["said"]) == (500, "NO") and "inside" not in reply["why"] and len(rejected) == 1
    assert lite.notice("till", "paid", lite.paid_notice(payment)).status == 200
    assert lite.get(f"/v1/payments/{payment['no']}").json["state"] == "succeeded"


def test_the_consumers_trace_leads_back_to_the_producers(lite, monkeypatch):
    """Whatever a notice's work logs says which interface took it and whose request caused it."""
    payment = paying(lite)
    trace_of_pay = store.query(store.trade, "SELECT trace_id FROM payment_order")[0][0]
    seen, original = [], settling.deliver

    def deliver(*args):
        seen.append(trace.current())
        return original(*args)
    monkeypatch.setattr(settling, "deliver", deliver)
    lite.notice("till", "paid", lite.paid_notice(payment))
    assert [(t.consumer, t.producer) for t in seen] == [("notices.receive", trace_of_pay)]
