"""Operating a channel over a real connection: what an outcome says when the other side behaves, and when it doesn't."""
from __future__ import annotations

import base64
import hmac
import json
import logging
import threading

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.base import clock
from engine.wire import crypto, operating, sending
from engine.wire.compile import compile_channel
from engine.wire.model import WireError
from engine.wire.secrets import Given

from .making import OURS, facts, pay, plain, rsa, secrets, signed, the_channel
from .misbehaving import says, serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


def test_what_is_signed_is_what_is_sent(server):
    body = b'{"code":"OK","no":"P1","qr":"weixin://x","their_no":"T1"}'
    server.then(says(body, **signed(body)))
    outcome = pay(server)
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    text = f"POST\n/pay/P1\n{headers['x-time']}\n{headers['x-nonce']}\n{sent.decode()}\n"
    assert headers["x-sign"] == rsa(OURS, text)
    assert head.startswith(b"POST /pay/P1 HTTP/1.1") and json.loads(sent)["fen"] == 990
    assert outcome.state == "pending" and outcome.sent and outcome.status == 200
    assert outcome.client == {"qr": "weixin://x"} and outcome.fields["channel_no"] == "T1"


GOOD = b'{"code":"OK","no":"P1"}'
PAID = b'{"state":"PAID","no":"P1","fen":990}'


@pytest.mark.parametrize("body, changes, state, reason", [
    (GOOD, {}, "pending", ""),
    (PAID, {}, "succeeded", ""),
    (GOOD, {"X_Sign": "AAAA"}, "unknown", "the signature does not match"),
    (GOOD, {"X_Sign": ""}, "unknown", "carries no signature"),
    (GOOD, {"X_Time": "1"}, "unknown", "the signature does not match"),
    (b'{"code":"OK","no":"P2"}', {}, "unknown", "payment_no differs"),
    (b'{"state":"NEW","no":"P1"}', {}, "unknown", ""),
    (b'{"state":"PAID","no":"P1","fen":9.9}', {}, "unknown", "amount can't be read"),
    (b'{"code":"ELSE"}', {}, "unknown", "no judgement"),
    (b"<html>", {}, "unknown", "no judgement"),
    (b"", {}, "unknown", "no judgement"),
], ids=lambda v: v.decode() if isinstance(v, bytes) else None)
def test_signed_answers(server, body, changes, state, reason):
    server.then(says(body, **{**signed(body), **changes}))
    outcome = pay(server)
    assert (outcome.state, outcome.sent) == (state, True)
    assert reason in outcome.reason


@pytest.mark.parametrize("at_offset_s, state", [(-280, "pending"), (280, "pending"), (-320, "unknown"), (320, "unknown")])
def test_old_answers_are_not_believed(server, at_offset_s, state):
    server.then(says(GOOD, **signed(GOOD, clock.now_ms() // 1000 + at_offset_s)))
    assert pay(server).state == state


@pytest.mark.parametrize("status, state", [("400 Bad", "failed"), ("404 No", "failed"), ("500 Oops", "unknown"),
                                           ("302 Found", "unknown"), ("204 No Content", "unknown")])
def test_statuses(server, status, state):
    body = b"" if status.startswith("204") else b'{"message":"no"}'
    server.then(says(body, status, Location=server.url + "/elsewhere", **signed(body)))
    outcome = pay(server)
    assert outcome.state == state
    assert len(server.requests) == 1, "a redirect is never followed"


@pytest.mark.parametrize("missing", ["payment.no", "payment.amount_minor"])
def test_a_missing_fact_is_a_failure_before_anything_is_sent(server, missing):
    outcome = pay(server, **{missing.replace(".", "__"): None})
    assert (outcome.state, outcome.sent) == ("failed", False)
    assert missing in outcome.reason and server.requests == []


@pytest.mark.parametrize("no, reason", [("..", "only dots"), ("\ud800", "can't be made")])
def test_facts_that_no_address_can_hold(server, no, reason):
    outcome = pay(server, payment__no=no)
    assert (outcome.state, outcome.sent) == ("failed", False) and reason in outcome.reason
    assert server.requests == []


def test_what_fills_an_address_is_quoted(server):
    server.then(says(GOOD, **signed(GOOD)))
    pay(server, payment__no="a/b?c=d&é")
    assert server.requests[0].startswith(b"POST /pay/a%2Fb%3Fc%3Dd%26%C3%A9 HTTP/1.1")


def test_the_signed_address_is_the_one_that_is_asked_for(server):
    awkward = "a b~!*'();:@&=+$,/?#[]%25|é\\"
    query = {"get": "/q/{payment.no}", "query": {"t": "{order.title}"}, "judge": [{"http": 200, "then": "pending"}]}
    ch = the_channel(operations={"pay": query}, sign={
        "text": "{path_and_query}", "hmac_sha256": "token", "header": {"X-Sign": "{signature}"}})
    server.then(says(GOOD, **signed(GOOD)))
    pay(server, ch, payment__no=awkward, order__title=awkward)
    target = server.requests[0].split(b" ")[1]
    expected = hmac.new(b"hush-hush-token", target, "sha256").hexdigest().encode()
    assert b"x-sign: " + expected in server.requests[0]


def test_no_call_inside_a_transaction(server):
    inside = threading.local()
    sending.forbid_in(lambda: getattr(inside, "yes", False))
    try:
        inside.yes = True
        with pytest.raises(WireError, match="inside a database transaction"):
            pay(server)
        inside.yes = False
        server.then(says(GOOD, **signed(GOOD)))
        assert pay(server).state == "pending"
    finally:
        sending.forbid_in(lambda: False)
    assert len(server.requests) == 1


def test_parameters_for_the_client_are_made_even_inside_a_transaction():
    link = {"pay": {"link": "/cashier", "query": {"no": "{payment.no}"}, "client": {"redirect": "{url}"},
                    "sign": {"pairs": {"of": "query"}, "rsa_sha256": "key", "query": {"sign": "{signature}"}}}}
    ch = the_channel(operations=link)
    sending.forbid_in(lambda: True)
    try:
        outcome = operating.operate(ch, "pay", facts())
    finally:
        sending.forbid_in(lambda: False)
    assert not operating.needs_call(ch, "pay") and operating.needs_facts(ch, "pay") == {"payment.no"}
    assert outcome.client["redirect"].startswith("https://gateway.example/cashier?no=P1&sign=")
    assert (outcome.state, outcome.sent) == ("pending", False)


def test_a_client_that_lacks_a_fact():
    ch = the_channel(operations={"pay": {"client": {"params": {"openid": "{client.openid}"}}}})
    outcome = operating.operate(ch, "pay", facts())
    assert (outcome.state, outcome.client) == ("failed", {}) and "client.openid" in outcome.reason


def test_secrets_never_show(server, caplog):
    caplog.set_level(logging.DEBUG)
    body = b'{"code":"ELSE","echo":"hush-hush-token 13800138000"}'
    ch = the_channel(headers={"Authorization": "Bearer {token}", "X-Token": "{token:url}", "X-Phone": "{buyer.phone}"})
    server.then(says(body, **signed(body)))
    outcome = pay(server, ch, buyer__phone="13800138000")
    assert b"hush-hush-token" in server.requests[0], "it did travel"
    everything = json.dumps([dict(outcome.exchange), outcome.reason]) + caplog.text + repr(ch) + repr(ch.box)
    assert "hush-hush" not in everything and "13800138000" not in everything and "PRIVATE KEY" not in everything
    assert "138****8000" in outcome.exchange["request"] and '"no":"P1"' in outcome.exchange["request"]


def test_the_log_line_says_what_was_done(server, caplog):
    caplog.set_level(logging.INFO, "salewright.wire")
    server.then(says(GOOD, **signed(GOOD)))
    pay(server)
    record, = [r for r in caplog.records if r.name == "salewright.wire"]
    assert (record.channel, record.operation, record.state, record.status) == ("plain", "pay", "pending", 200)


@pytest.mark.parametrize("operation", ["refund", "nothing"])
def test_an_operation_the_file_does_not_declare(operation):
    assert not operating.declares(the_channel(), operation)
    with pytest.raises(WireError, match=operation):
        operating.operate(the_channel(), operation, facts())


def test_a_part_of_bytes_is_signed_as_it_is_sent(server, caplog):
    """Bytes that are no UTF-8: signed, sent and excerpted for the log without harm."""
    photo = bytes(range(256))
    doc = plain(verify="none", notices={}, operations={"pay": {
        "post": "/photos", "multipart": {"no": "{payment.no}", "photo": {"base64": "{fields.photo}", "name": "a.png"}},
        "judge": [{"http": 200, "then": "pending"}]}})
    server.then(says(b"{}"))
    outcome = pay(server, compile_channel(doc, Given(secrets())), fields__photo=base64.b64encode(photo).decode())
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert outcome.state == "pending" and photo in sent
    text = f"POST\n/photos\n{headers['x-time']}\n{headers['x-nonce']}\n".encode() + sent + b"\n"
    assert headers["x-sign"] == base64.b64encode(crypto.sign("rsa_sha256", load_pem_private_key(
        OURS["private_key"].encode(), None), text)).decode()


@pytest.mark.parametrize("missing, sent", [("key", False), ("gateway", True)])
def test_a_missing_secret_is_our_own_fault(server, missing, sent):
    server.then(says(GOOD, **signed(GOOD)))
    have = {name: value for name, value in secrets().items() if name != missing}
    with pytest.raises(WireError, match=f"'{missing}'") as raised:
        pay(server, compile_channel(plain(), Given(have)))
    assert raised.value.sent is sent and len(server.requests) == sent      # what came to light too late was sent
