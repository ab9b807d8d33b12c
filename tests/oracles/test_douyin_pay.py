"""Douyin Pay against its official SDK, `bytedance.douyinpay`, which runs in an environment of its own.

It verifies every request we sign and makes the same; we believe the requests it signs; and both believe, open and refuse the
same answers and notices.
"""
from __future__ import annotations

import base64
import json
from typing import Any, Iterator
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.base import clock
from engine.pay import notices
from engine.wire import keyrings
from engine.wire.channel import Channel
from engine.wire.model import IncomingRequest, NoticeRejected, Reply
from engine.wire.secrets import Given
from engine.wire.verifier import compile_verifier
from tests.wire.making import AT_MS, AT_S, NONCE, OURS, THEIRS, built, concluded, facts, reply, rsa

from .apart import Apart, Refused
from .certificates import certificate
from .channels import channel, heard, refused, said

SERIAL, APIV3, MCHID = "623DFCD5354E06BC", "a" * 32, "600000000000001"
MERCHANT = {"mchid": MCHID, "serial": "4E4BD31B2D0D9AE1", "private_key": OURS["private_key"],
            "certs": {SERIAL: THEIRS["public_key"]}, "encrypt_key": APIV3}
FACTS = facts(payment__expires_at_ms=AT_MS, refund__no="R1", refund__amount_minor=300, refund__reason="不想要了 & <b>",
              client__ip="203.0.113.7", order__title="周卡 & 100% <b>\"'+/=?")
OPERATIONS = ("pay", "query", "close", "refund", "refund_query")


@pytest.fixture(scope="module")
def sdk() -> Iterator[Apart]:
    asked = Apart("ask_douyinpay.py")
    yield asked
    asked.end()


def douyin(**changes: Any) -> Channel:
    return channel("douyin-pay", {"mchid": MCHID, "appid": "awofz9bncda6w2w4", "serial": "4E4BD31B2D0D9AE1", "apiv3": APIV3,
                                  "key": OURS["private_key"], "platform": {SERIAL: THEIRS["public_key"]}, **changes})


def signed(body: str, pair: dict[str, str] = THEIRS, serial: str = SERIAL, at_s: int = AT_S) -> dict[str, str]:
    return {"Douyinpay-Timestamp": str(at_s), "Douyinpay-Nonce": "n1", "Douyinpay-Serial": serial,
            "Douyinpay-Signature": rsa(pair, f"{at_s}\nn1\n{body}\n")}


def target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


# --- they verify what we sign

@pytest.mark.parametrize("operation", OPERATIONS)
def test_they_verify_what_we_sign(operation, sdk):
    request, _ = built(douyin(), operation, FACTS)
    given = {"public_key": OURS["public_key"], "method": request.method, "target": target(request.url), "timestamp": AT_S,
             "nonce": NONCE, "body": request.body.decode(), "signature": request.signature, "at": AT_S}
    assert sdk("verify", **given) is True
    for change in ({"body": given["body"] + " "}, {"target": given["target"] + "0"}, {"nonce": "n"}, {"timestamp": AT_S + 1},
                   {"method": "PUT"}, {"public_key": THEIRS["public_key"]}):
        assert sdk("verify", **{**given, **change}) is False, change


@pytest.mark.parametrize("operation", OPERATIONS)
def test_they_make_the_same_request_and_we_believe_it(operation, sdk):
    ours, _ = built(douyin(), operation, FACTS)
    parts = urlsplit(ours.url)
    tree = json.loads(ours.body) if ours.body else None
    answer = {"status": 200, "headers": signed("{}"), "body": "{}"}
    theirs = sdk("request", merchant=MERCHANT, method=ours.method, path=parts.path, tree=tree, at=AT_S, answer=answer,
                 query=dict(pair.split("=") for pair in parts.query.split("&")) if parts.query else None)
    sent = theirs["sent"]
    assert (sent["method"], sent["url"], sent["body"]) == (ours.method, ours.url, ours.body.decode())
    assert [part.partition("=")[0] for part in sent["headers"]["authorization"].split(",")] == [
        part.partition("=")[0] for part in ours.headers["authorization"].split(",")]
    assert believed(sent) == ""
    assert believed({**sent, "body": sent["body"] + " "}) == "signature_invalid"
    assert believed(sent, at_ms=AT_MS + 301_000) == "stale"
    assert believed(sent, THEIRS) == "signature_invalid"


def believed(sent: dict[str, Any], pair: dict[str, str] = OURS, at_ms: int = AT_MS) -> str:
    """The code with which the other side of this file refuses a request; "" when it believes it."""
    verify = compile_verifier({
        "parts": {"of": "header.Authorization", "prefix": "DouyinPay-RSA "},
        "text": "{method}\n{path_and_query}\n{parts.timestamp}\n{parts.nonce_str}\n{body}\n",
        "rsa_sha256": "merchant", "signature": "parts.signature", "fresh": {"at": "parts.timestamp", "within": "300s"},
        "secrets": {"merchant": {"file": "merchant.pem", "as": "public_key"}}}, Given({"merchant": pair["public_key"]}))
    clock.set_to(at_ms)
    parts = urlsplit(sent["url"])
    try:
        verify(IncomingRequest(sent["method"], parts.path, {}, sent["headers"], sent["body"].encode(), parts.query))
    except NoticeRejected as error:
        return error.code
    return ""


# --- answers

QR = '{"code_url":"https://qr.douyinpay.com/p/An4baqw"}'


@pytest.mark.parametrize("body, headers, at_s, why", [
    (QR, signed(QR), AT_S, ""),
    (QR, signed(QR), AT_S + 300, ""),
    (QR, signed(QR), AT_S + 301, "off our clock"),
    (QR, signed(QR), AT_S - 301, "off our clock"),
    (QR + " ", signed(QR), AT_S, "signature does not match"),
    (QR, signed(QR, OURS), AT_S, "signature does not match"),
    (QR, signed(QR, serial="0"), AT_S, "not in the keyring"),
    (QR, signed(QR) | {"Douyinpay-Nonce": "n2"}, AT_S, "signature does not match"),
    (QR, {}, AT_S, "signature"),
])
def test_they_and_we_believe_the_same_answers(body, headers, at_s, why, sdk):
    answer = {"status": 200, "headers": headers, "body": body}
    theirs = sdk("request", merchant=MERCHANT, method="POST", path="/v1/trade/transactions/native", tree={}, at=at_s, answer=answer)
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    request_at_ms = at_s * 1000
    ours = concluded(douyin(), "pay", FACTS, reply(body, **named), request_at_ms)
    assert (theirs.get("data") == json.loads(QR)) is (why == "")
    assert ours.state == ("pending" if why == "" else "unknown") and why in ours.reason


# --- notices

TRADE = {"mchid": MCHID, "out_trade_no": "P1", "transaction_id": "T1", "trade_state": "SUCCESS", "payer": {"openid": "o1"},
         "success_time": "2019-04-02T20:34:20+08:00", "amount": {"total": 990, "currency": "CNY"}}
REFUND = {"mchid": MCHID, "out_trade_no": "P1", "out_refund_no": "R1", "refund_id": "50", "refund_status": "SUCCESS",
          "success_time": "2019-04-02T20:34:20+08:00", "amount": {"total": 990, "refund": 300}}


def notice(inner: dict[str, Any], key: str = APIV3, aad: str | None = "transaction") -> str:
    sealed = AESGCM(key.encode()).encrypt(b"fdasflkja484", json.dumps(inner).encode(), (aad or "").encode())
    resource = {"algorithm": "AEAD-AES-256-GCM", "nonce": "fdasflkja484", "ciphertext": base64.b64encode(sealed).decode()}
    return json.dumps({"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource",
                       "resource": resource | ({} if aad is None else {"associated_data": aad})})


def opened(sdk: Apart, body: str, headers: dict[str, str], at_s: int = AT_S) -> Any:
    """What the SDK makes of a notice, None when it refuses it."""
    try:
        return sdk("parse", merchant=MERCHANT, headers=headers, body=body, at=at_s)
    except Refused:
        return None


@pytest.mark.parametrize("event, inner", [("paid", TRADE), ("refunded", REFUND)])
@pytest.mark.parametrize("aad", ["transaction", "", None])
def test_they_and_we_open_the_same_notice(event, inner, aad, sdk):
    body = notice(inner, aad=aad)
    assert opened(sdk, body, signed(body)) == inner
    ours, = heard(douyin(), event, body, signed(body))
    assert (ours.dedupe_key, ours.fields["state"], ours.fields["paid_at_ms" if event == "paid" else "refunded_at_ms"]) == (
        f"{event}:EV-1", "succeeded", AT_MS)
    assert ours.fields["amount_minor"] == (990 if event == "paid" else 300)
    assert said(douyin(), event, "success") == (200, b'{"code":"SUCCESS","message":"OK"}')


def test_they_and_we_refuse_a_notice_with_any_byte_changed(sdk):
    body = notice(TRADE)
    headers, ch = signed(body), douyin()
    for at in range(0, len(body), 5):
        changed = body[:at] + chr(ord(body[at]) ^ 1) + body[at + 1:]
        assert opened(sdk, changed, headers) is None, changed
        assert refused(ch, "paid", changed, headers) in ("signature_invalid", "unreadable"), changed


@pytest.mark.parametrize("body, headers, at_s, code", [
    (notice(TRADE), {"Douyinpay-Timestamp": str(AT_S + 1)}, AT_S, "signature_invalid"),
    (notice(TRADE), {"Douyinpay-Signature": ""}, AT_S, "signature_missing"),
    (notice(TRADE), signed(notice(TRADE), OURS), AT_S, "signature_invalid"),
    (notice(TRADE), {"Douyinpay-Serial": "0"}, AT_S, "key_unknown"),
    (notice(TRADE), {}, AT_S + 301, "stale"),
    (notice(TRADE), {}, AT_S - 301, "stale"),
    (notice(TRADE, key="b" * 32), {}, AT_S, "undecryptable"),
])
def test_they_and_we_refuse_a_notice(body, headers, at_s, code, sdk):
    headers = {**signed(body), **headers}
    assert opened(sdk, body, headers, at_s) is None
    assert refused(douyin(), "paid", body, headers, at_s * 1000) == code
    assert said(douyin(), "paid", "failure") == (500, b'{"code":"FAIL","message":"not believed"}')


@pytest.mark.parametrize("change, code", [({"mchid": "6"}, "mismatch"), ({"amount": {"total": "9.90"}}, "unreadable")])
def test_what_only_we_refuse(change, code, sdk):
    body = notice({**TRADE, **change})
    assert opened(sdk, body, signed(body))
    assert refused(douyin(), "paid", body, signed(body)) == code


def test_a_wrong_amount_is_named():
    body = notice({**TRADE, "amount": {"total": 1, "currency": "CNY"}})
    assert notices.mismatch({"amount_minor": 990, "currency": "CNY"}, heard(douyin(), "paid", body, signed(body))[0].fields)


# --- the platform's certificates

def handed_out(key: str = APIV3) -> str:
    sealed = AESGCM(key.encode()).encrypt(b"61f9c719728a", certificate(SERIAL).encode(), b"certificate")
    return json.dumps({"certificates": [{"cert_no": SERIAL, "effective_time": "2018-01-01T00:00:00+08:00", "encrypt_certificate": {
        "algorithm": "AEAD-AES-256-GCM", "nonce": "61f9c719728a", "associated_data": "certificate",
        "cipher_text": base64.b64encode(sealed).decode()}}]})


@pytest.mark.parametrize("key, code", [(APIV3, ""), ("b" * 32, "key_unknown")])
def test_they_and_we_take_the_certificates_that_are_handed_out(key, code, sdk, monkeypatch):
    body, told, asked = handed_out(key), notice(TRADE), []

    def send(ch: Channel, request: Any, timeout_s: float, *limits: int) -> Reply:
        asked.append(request)
        return Reply(200, {name.lower(): value for name, value in signed(body).items()}, body.encode())

    clock.set_to(AT_MS)
    monkeypatch.setattr(keyrings.sending, "send", send)
    without = {"mchid": MCHID, "appid": "a", "serial": "s", "apiv3": APIV3, "key": OURS["private_key"]}
    assert refused(channel("douyin-pay", without), "paid", told, signed(told)) == code
    assert [request.url for request in asked] == ["https://api.douyinpay.com/v1/merchant/certificates/getPlatformCertificates"]
    if code:
        with pytest.raises(Refused):
            sdk("handed", merchant=MERCHANT, answer=body, at=AT_S)
    else:
        taken = sdk("handed", merchant=MERCHANT, answer=body, at=AT_S)
        assert opened(sdk, told, signed(told)) == TRADE and taken == {SERIAL: certificate(SERIAL)}
