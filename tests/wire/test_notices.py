"""Receiving: what is told to the log and to signals, and how we answer."""
from __future__ import annotations

import hashlib
import json
import logging

import pytest

from engine.base import clock, signal
from engine.wire import answer, check_channel, receive, run_example
from engine.wire.compile import compile_channel
from engine.wire.model import NoticeRejected
from engine.wire.secrets import Given

from .making import AT_MS, AT_S, NONCE, OURS, THEIRS, incoming, plain, rsa, secrets


@pytest.fixture(autouse=True)
def now():
    clock.set_to(AT_MS)


@pytest.fixture
def signals():
    seen = []
    sink = lambda name, value, labels: seen.append((name, value, labels))  # noqa: E731
    signal.add_sink(sink)
    yield seen
    signal._sinks.remove(sink)


def the_channel(**changes):
    return compile_channel(plain(**changes), Given(secrets()))


def told(body: bytes | str, at_s: int = AT_S, **headers):
    body = body if isinstance(body, str) else body.decode()
    return incoming(body, {"X-Time": str(at_s), "X-Sign": rsa(THEIRS, f"{at_s}\n{body}\n"), **headers})


PAID = json.dumps({"id": "E1", "no": "P1", "fen": 990, "mchid": "M1", "state": "PAID"})


def test_a_notice():
    notice, = receive(the_channel(), "paid", told(PAID))
    assert (notice.event, notice.dedupe_key) == ("paid", "paid:E1")
    assert notice.fields == {"payment_no": "P1", "amount_minor": 990, "merchant": "M1", "state": "succeeded"}


@pytest.mark.parametrize("event, request_, code", [
    ("paid", incoming(PAID), "signature_missing"),
    ("paid", told(PAID, **{"X-Time": str(AT_S + 1)}), "signature_invalid"),
    ("paid", told(PAID, AT_S - 301), "stale"),
    ("paid", told("{"), "unreadable"),
    ("paid", told('{"id": 1, "id": 2}'), "unreadable"),
    ("paid", told(PAID.replace("990", "9.9")), "unreadable"),
    ("paid", told(PAID.replace("M1", "M2")), "mismatch"),
    ("paid", told(PAID.replace('"mchid": "M1", ', "")), "mismatch"),
    ("paid", told(PAID.replace('"id": "E1", ', "")), "unreadable"),
    ("gone", told(PAID), "event_unknown"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_rejected_notice_is_told_once_without_its_content(event, request_, code, caplog, signals):
    with caplog.at_level(logging.INFO), pytest.raises(NoticeRejected) as refused:
        receive(the_channel(), event, request_)
    assert refused.value.code == code
    assert [(name, labels["code"]) for name, _, labels in signals] == [("wire.notice_rejected", code)]
    record, = caplog.records
    assert (record.channel, record.event, record.code) == ("plain", event, code)
    assert "M2" not in caplog.text and "990" not in caplog.text


def test_header_names_know_no_case():
    request = told(PAID)
    request = incoming(request.body, {name.upper(): value for name, value in request.headers.items()})
    assert receive(the_channel(), "paid", request)


def test_others_are_passed_over():
    doc = plain()
    doc["notices"]["paid"]["when"] = {"eq": {"state": "PAID"}}
    ch = compile_channel(doc, Given(secrets()))
    assert len(receive(ch, "paid", told(PAID))) == 1
    assert receive(ch, "paid", told(PAID.replace("PAID", "OTHER"))) == []


def test_what_names_an_event_may_be_several_things():
    doc = plain()
    doc["notices"]["paid"]["once_by"] = ["notice.no", "header.X-Time", "body.fen"]
    notice, = receive(compile_channel(doc, Given(secrets())), "paid", told(PAID))
    assert notice.dedupe_key == f"paid:P1:{AT_S}:990"


@pytest.mark.parametrize("verdict, reason, expected", [
    ("success", "", (200, {"content-type": "application/json"}, b'{"code":"OK"}')),
    ("duplicate", "", (200, {"content-type": "application/json"}, b'{"code":"OK"}')),
    ("failure", 'amount "differs"', (500, {"content-type": "application/json"}, b'{"code":"amount \\"differs\\""}')),
])
def test_answers(verdict, reason, expected):
    assert answer(the_channel(), "paid", verdict, reason) == expected


def test_answers_in_other_words():
    doc = plain()
    doc["notices"]["paid"]["answer"] = {"success": {"status": 204}, "duplicate": {"text": "again"},
                                        "failure": {"xml": {"code": "FAIL", "msg": "{reason}"}}}
    ch = compile_channel(doc, Given(secrets()))
    assert answer(ch, "paid", "success") == (204, {}, b"")
    assert answer(ch, "paid", "duplicate")[2] == b"again"
    assert answer(ch, "paid", "failure", "<x>")[2] == b"<xml><code>FAIL</code><msg>&lt;x&gt;</msg></xml>"


SIGNED = {"json": {"code": "OK", "no": "{asked.no?}"},
          "sign": {"text": "{timestamp}\n{nonce}\n{body}\n", "rsa_sha256": "key",
                   "header": {"X-Time": "{timestamp}", "X-Nonce": "{nonce}", "X-Sign": "{signature}"}}}


def acknowledging(success):
    doc = plain(test_secrets={"key": "test:ours", "gateway": "test:theirs", "token": "t"})
    doc["notices"]["paid"]["answer"] = {"success": success, "failure": {"status": 500}}
    return doc


def test_an_answer_may_be_signed_and_give_back_what_was_asked():
    ch = compile_channel(acknowledging(SIGNED), Given(secrets()))
    status, headers, body = answer(ch, "paid", "success", asked=told(PAID))
    assert (status, body) == (200, b'{"code":"OK","no":"P1"}')
    assert headers["x-sign"] == rsa(OURS, f"{AT_S}\n{headers['x-nonce']}\n{body.decode()}\n")
    assert headers["content-type"] == "application/json" and len(headers["x-nonce"]) == 32
    assert answer(ch, "paid", "success")[2] == b'{"code":"OK"}' == answer(ch, "paid", "success", asked=told("{"))[2]


def test_an_answer_signed_in_its_body():
    ch = compile_channel(acknowledging({"form": {"code": "OK"}, "sign": {
        "pairs": {"after": "{token}"}, "hash": "md5", "body": {"sign": "{signature}"}}}), Given(secrets()))
    signature = hashlib.md5(b"code=OKhush-hush-token").hexdigest()
    assert answer(ch, "paid", "success")[2] == f"code=OK&sign={signature}".encode()


def test_an_example_of_a_signed_answer():
    body = '{"code":"OK","no":"P1"}'
    example = {"name": "ack", "given": {"answer_to": "paid", "verdict": "success", "at": AT_S, "nonce": NONCE, "json": {"no": "P1"}},
               "then": {"body": body, "headers": {"X-Sign": rsa(OURS, f"{AT_S}\n{NONCE}\n{body}\n")}}}
    assert run_example(acknowledging(SIGNED), example) == []


@pytest.mark.parametrize("success, said", [
    ({"json": {"no": "{asked.no}"}}, "{asked.…?}"), ({"headers": {"X": "{asked.no:md5}"}}, "{asked.…?}"),
    ({"json": {}, "text": "x"}, "is enough"), ({"json": {"no": "{payment.no}"}}, "can't be named here"),
    ({"sign": {"text": "x", "hash": "md5", "body": {"s": "{signature}"}}}, "no fields there"),
    ({"json": {"a": 1}, "sign": {"text": "x", "hash": "md5", "query": {"s": "{signature}"}}}, "in a header or in its body"),
])
def test_wrong_answers_are_found_beforehand(success, said):
    found = check_channel(acknowledging(success))
    assert any(said in message and path[:4] == ("notices", "paid", "answer", "success") for path, message in found), found
