"""The runner of a file's own examples: it sees every difference, and never reads a real secret."""
from __future__ import annotations

import pytest

from engine.wire import run_example

from .making import AT_S, NONCE, facts, plain

DOC = plain(test_secrets={"key": "test:ours", "gateway": "test:theirs", "token": "t"})
PAY = {"operation": "pay", "at": AT_S, "nonce": NONCE, "facts": facts()}
ANSWER = {"status": 200, "json": {"code": "OK", "no": "P1", "qr": "x", "their_no": "T1"}, "believed": True}
NOTICE = {"notice": "paid", "json": {"id": "E1", "no": "P1", "fen": 990, "mchid": "M1", "state": "PAID"}, "believed": True}


@pytest.mark.parametrize("given, then", [
    (PAY, {"method": "POST", "url": "https://gateway.example/pay/P1", "json": {"no": "P1", "fen": 990, "token": "t"},
           "body": '{"no":"P1","fen":990,"token":"t"}', "headers": {"X-Time": str(AT_S), "Content-Type": "application/json"},
           "text": f'POST\n/pay/P1\n{AT_S}\n{NONCE}\n{{"no":"P1","fen":990,"token":"t"}}\n', "sent": True,
           "needs": ["payment.amount", "payment.no"]}),
    ({**PAY, "at": "2019-04-02T20:34:20+08:00"}, {"headers": {"x-time": str(AT_S)}}),
    ({**PAY, "answer": ANSWER}, {"state": "pending", "client": {"qr": "x"}, "fields": {"payment_no": "P1", "channel_no": "T1"}}),
    ({**PAY, "answer": {"status": 400, "json": {"message": "no money"}, "believed": True}}, {"state": "failed", "reason": "money"}),
    ({**PAY, "answer": {"json": {"code": "OK"}}}, {"state": "unknown", "reason": "carries no signature"}),
    ({**PAY, "facts": {"payment.no": "P1"}}, {"refused": "the fact 'payment.amount_minor' is needed and was not given"}),
    (NOTICE, {"notices": [{"dedupe_key": "paid:E1", "fields": {"payment_no": "P1", "amount_minor": 990, "merchant": "M1",
                                                               "state": "succeeded"}}]}),
    ({**NOTICE, "believed": False}, {"refused": "signature_missing"}),
    ({"answer_to": "paid", "verdict": "failure", "reason": "why"}, {"status": 500, "body": '{"code":"why"}'}),
])
def test_it_holds(given, then):
    assert run_example(DOC, {"name": "x", "given": given, "then": then}) == []


@pytest.mark.parametrize("given, then, said", [
    (PAY, {"method": "GET"}, "then.method: expected 'GET', found 'POST'"),
    (PAY, {"headers": {"X-Time": "1"}}, f"then.headers.X-Time: expected '1', found '{AT_S}'"),
    (PAY, {"headers": {"X-None": "1"}}, "then.headers.X-None: expected '1', found None"),
    (PAY, {"signature": "x"}, "then.signature: expected 'x'"),
    ({**PAY, "answer": ANSWER}, {"fields": {}}, "then.fields: expected {}"),
    ({**PAY, "answer": ANSWER}, {"state": "failed"}, "then.state: expected 'failed', found 'pending'"),
    ({**PAY, "answer": ANSWER}, {"reason": "x"}, "then.reason: expected 'x', found ''"),
    (NOTICE, {"refused": "stale"}, "then.refused: expected 'stale', found None"),
    ({**NOTICE, "notice": "gone"}, {"notices": []}, "then.notices: expected []"),
    ({"operation": "refund"}, {"state": "failed"}, "no operation 'refund'"),
    ({}, {"state": "failed"}, "given: say"),
])
def test_it_does_not_hold(given, then, said):
    differences = run_example(DOC, {"name": "x", "given": given, "then": then})
    assert any(line.startswith(said) or said in line for line in differences), differences


def test_a_token_that_was_fetched_is_given():
    auth = {"post": "/token", "token": "t", "header": {"X-Token": "Bearer {token}"}}
    doc = plain(auth=auth, secrets={k: v for k, v in DOC["secrets"].items() if k != "token"},
                operations={"pay": {"post": "/pay", "judge": [{"http": 200, "then": "pending"}]}},
                test_secrets={"key": "test:ours"})
    example = {"name": "x", "given": {**PAY, "token": "tok-1"}, "then": {"headers": {"X-Token": "Bearer tok-1"}}}
    assert run_example(doc, example) == []


def test_real_secrets_are_never_read(monkeypatch):
    monkeypatch.setenv("TOKEN", "real")
    doc = plain(secrets={**DOC["secrets"], "token": {"env": "TOKEN"}}, test_secrets={"key": "test:ours", "gateway": "test:theirs"})
    example = {"name": "x", "given": PAY, "then": {"method": "POST"}}
    assert run_example(doc, example) == ["the secret 'token' is not given"]
    assert run_example(doc, {**example, "secrets": {"token": "t"}}) == []


def test_a_wrong_file_is_a_difference():
    assert "say how" in run_example(plain(base="{payment.amount}"), {"name": "x", "given": PAY, "then": {"state": "failed"}})[0]
