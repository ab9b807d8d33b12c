"""Douyin's open platform (shop and mini program) and escrow pay against `bytedance`, which nobody here wrote.

It signs every request of ours alike; both believe the same notices and refuse the same.
"""
from __future__ import annotations

import hashlib
import json
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest
from bytedance import security
from bytedance.base import ByteDanceError

from engine.base import clock
from engine.pay import notices
from engine.wire.channel import Channel
from engine.wire.operating import operate, operation_of
from tests.wire.making import AT_MS, AT_S, NONCE, OURS, THEIRS, built, facts, rsa

from .channels import channel, heard, refused, said

APP = "ttcfdbb96650e33350"
SHOP = ("query", "deliver", "refund", "refund_query")
MINI = ("query", "refund", "refund_query")
ESCROW = ("pay", "query", "refund", "refund_query")
FACTS = facts(payment__expires_at_ms=AT_MS + 900_000, payment__channel_no="motb1", shop__order_no="motb1", shop__item_nos=["p1", "p2"],
              order__no="O1", refund__no="R1", refund__amount_minor=300, refund__reason="不想要了 & <b>", order__title="周卡 & 100% <b>\"'+/=?")


def shop(channel_id: str = "douyin-trade", **changes: Any) -> Channel:
    return channel(channel_id, {"app_id": APP, "app_secret": "s", "key": OURS["private_key"], "platform": THEIRS["public_key"],
                                **changes})


def escrow(**changes: Any) -> Channel:
    return channel("douyin-ecpay", {"app_id": APP, "salt": "SALT", "token": "TOKEN", **changes})


# --- the open platform: what we sign

@pytest.mark.parametrize("channel_id, operation", [
    *(("douyin-trade", name) for name in SHOP), *(("douyin-mini", name) for name in MINI)])
def test_they_sign_our_requests_alike(channel_id, operation):
    """RSA PKCS#1 v1.5 is deterministic: the same request under the same key must give the same header."""
    ch = shop(channel_id)
    scope = ch.scope(FACTS, AT_MS, NONCE)
    scope.names["token"] = "clt.1"
    request = operation_of(ch, operation).plan.build(scope)
    path = urlsplit(request.url).path
    theirs = security.authorization(APP, OURS["private_key"], "1", request.method, path, request.body, AT_S, NONCE)
    assert request.headers["byte-authorization"] == theirs
    assert request.headers["access-token"] == "clt.1"
    assert theirs != security.authorization(APP, OURS["private_key"], "1", request.method, path, request.body + b" ", AT_S, NONCE)


def test_they_sign_a_mini_programs_order_alike(monkeypatch):
    monkeypatch.setattr("engine.wire.operating.os.urandom", lambda size: bytes.fromhex(NONCE))
    clock.set_to(AT_MS)
    outcome = operate(shop("douyin-mini"), "pay", FACTS)
    params = outcome.client["params"]
    assert params == security.signed_order(params["data"], APP, OURS["private_key"], "1", AT_S, NONCE.lower())
    assert '"' not in params["byteAuthorization"] and (outcome.state, outcome.sent) == ("pending", False)
    order = json.loads(params["data"])
    assert (order["outOrderNo"], order["totalAmount"], order["payExpireSeconds"]) == ("P1", 990, 900)


# --- and what we believe

PAYMENT = {"app_id": APP, "out_order_no": "P1", "order_id": "motb1", "status": "SUCCESS", "total_amount": 990,
           "channel_pay_id": "53", "message": "", "event_time": AT_MS}
REFUND = {"app_id": APP, "status": "SUCCESS", "order_id": "motb1", "event_time": AT_MS, "refund_id": "ot1", "out_refund_no": "R1",
          "refund_total_amount": 300, "message": ""}


def notice(msg: dict[str, Any], kind: str = "payment") -> bytes:
    return json.dumps({"version": "3.0", "msg": json.dumps(msg), "type": kind}).encode()


def signed(body: bytes, pair: dict[str, str] = THEIRS, at_s: int = AT_S) -> dict[str, str]:
    return {"Byte-Timestamp": str(at_s), "Byte-Nonce-Str": "797", "Byte-Signature": rsa(pair, f"{at_s}\n797\n{body.decode()}\n")}


def refuses(check: Callable[..., Any], *args: Any) -> bool:
    try:
        return not check(*args)
    except ByteDanceError:
        return True


@pytest.mark.parametrize("channel_id, event, msg, expected", [
    ("douyin-trade", "ordered", PAYMENT, {"merchant": APP, "shop_order_no": "motb1", "channel_no": "53", "amount_minor": 990,
                                          "paid_at_ms": AT_MS, "reason": "", "state": "succeeded"}),
    ("douyin-trade", "refunded", REFUND, {"merchant": APP, "shop_order_no": "motb1", "refund_no": "R1", "channel_refund_no": "ot1",
                                          "amount_minor": 300, "refunded_at_ms": AT_MS, "reason": "", "state": "succeeded"}),
    ("douyin-mini", "paid", PAYMENT, {"merchant": APP, "payment_no": "P1", "channel_no": "motb1", "amount_minor": 990,
                                      "paid_at_ms": AT_MS, "reason": "", "state": "succeeded"}),
    ("douyin-mini", "refunded", REFUND, {"merchant": APP, "refund_no": "R1", "channel_refund_no": "ot1", "amount_minor": 300,
                                         "refunded_at_ms": AT_MS, "reason": "", "state": "succeeded"}),
])
def test_they_and_we_believe_the_same_notice(channel_id, event, msg, expected):
    body, ch = notice(msg), shop(channel_id)
    assert security.verify_platform(body, signed(body), THEIRS["public_key"])
    taken, = heard(ch, event, body, signed(body))
    assert taken.fields == expected
    for at in range(0, len(body), 3):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        assert refuses(security.verify_platform, changed, signed(body), THEIRS["public_key"]), changed
        assert refused(ch, event, changed, signed(body)) in ("signature_invalid", "unreadable"), changed
    assert said(ch, event, "success") == (200, b'{"err_no":0,"err_tips":"success"}')
    assert said(ch, event, "failure") == (200, b'{"err_no":1,"err_tips":"not believed"}')


@pytest.mark.parametrize("body, headers, at_ms, code", [
    (notice(PAYMENT), {"Byte-Timestamp": str(AT_S + 1)}, AT_MS, "signature_invalid"),
    (notice(PAYMENT), {"Byte-Nonce-Str": "798"}, AT_MS, "signature_invalid"),
    (notice(PAYMENT), signed(notice(PAYMENT), OURS), AT_MS, "signature_invalid"),
    (notice(PAYMENT), {"Byte-Signature": ""}, AT_MS, "signature_missing"),
    (notice(PAYMENT), {}, AT_MS + 301_000, "stale"),
    (notice({**PAYMENT, "app_id": "tt1"}), {}, AT_MS, "mismatch"),
    (notice({**PAYMENT, "total_amount": "9.90"}), {}, AT_MS, "unreadable"),
])
def test_what_a_shop_refuses(body, headers, at_ms, code):
    headers = {**signed(body), **headers}
    unsigned = code in ("signature_invalid", "signature_missing")
    assert refuses(security.verify_platform, body, headers, THEIRS["public_key"]) is unsigned
    assert refused(shop(), "ordered", body, headers, at_ms) == code


# --- escrow pay: sorted values

@pytest.mark.parametrize("operation", ESCROW)
def test_they_sign_escrow_requests_alike(operation):
    tree = json.loads(built(escrow(), operation, FACTS)[0].body)
    sign = tree.pop("sign")
    assert sign == security.ecpay_signature(tree, "SALT")
    for name, value in tree.items():
        if name != "app_id":
            assert security.ecpay_signature({**tree, name: f"{value}0"}, "SALT") != sign, name
    assert security.ecpay_signature(tree, "OTHER") != sign
    values = [str(value) for name, value in tree.items() if name != "app_id"] + ["SALT"]
    assert sign == hashlib.md5("&".join(sorted(values)).encode()).hexdigest(), "and so says the documentation"


ESCROW_PAID = {"appid": APP, "cp_orderno": "P1", "cp_extra": "", "way": "2", "total_amount": 990, "status": "SUCCESS",
               "order_id": "N71", "paid_at": AT_S}
ESCROW_BACK = {"appid": APP, "cp_refundno": "R1", "status": "SUCCESS", "refund_amount": 300, "refunded_at": AT_S, "message": "",
               "order_id": "N71", "refund_no": "69"}


def escrow_notice(tree: dict[str, Any], token: str = "TOKEN", **changes: Any) -> dict[str, Any]:
    fields = {"timestamp": str(AT_S), "nonce": "797", "msg": json.dumps(tree)}
    text = "".join(sorted([token, *fields.values()]))
    return {**fields, "type": "payment", "msg_signature": hashlib.sha1(text.encode()).hexdigest(), **changes}


@pytest.mark.parametrize("event, msg, expected", [
    ("paid", ESCROW_PAID, {"merchant": APP, "payment_no": "P1", "channel_no": "N71", "amount_minor": 990, "paid_at_ms": AT_MS,
                           "state": "succeeded"}),
    ("refunded", ESCROW_BACK, {"merchant": APP, "refund_no": "R1", "channel_refund_no": "69", "amount_minor": 300,
                               "refunded_at_ms": AT_MS, "reason": "", "state": "succeeded"})])
def test_they_and_we_believe_the_same_escrow_notice(event, msg, expected):
    fields = escrow_notice(msg)
    assert security.verify_ecpay(fields, "TOKEN")
    assert heard(escrow(), event, json.dumps(fields))[0].fields == expected
    assert said(escrow(), event, "success") == (200, b'{"err_no":0,"err_tips":"success"}')
    assert said(escrow(), event, "failure") == (200, b'{"err_no":400,"err_tips":"not believed"}')


@pytest.mark.parametrize("fields, at_ms, code", [
    (escrow_notice(ESCROW_PAID, msg=json.dumps({**ESCROW_PAID, "total_amount": 1})), AT_MS, "signature_invalid"),
    (escrow_notice(ESCROW_PAID, nonce="798"), AT_MS, "signature_invalid"),
    (escrow_notice(ESCROW_PAID, timestamp=str(AT_S + 1)), AT_MS, "signature_invalid"),
    (escrow_notice(ESCROW_PAID, "OTHER"), AT_MS, "signature_invalid"),
    (escrow_notice(ESCROW_PAID, msg_signature=""), AT_MS, "signature_missing"),
    (escrow_notice(ESCROW_PAID), AT_MS + 301_000, "stale"),
    (escrow_notice({**ESCROW_PAID, "appid": "tt1"}), AT_MS, "mismatch"),
])
def test_what_escrow_refuses(fields, at_ms, code):
    assert refuses(security.verify_ecpay, fields, "TOKEN") is (code in ("signature_invalid", "signature_missing"))
    assert refused(escrow(), "paid", json.dumps(fields), at_ms=at_ms) == code


def test_a_wrong_amount_is_named():
    taken = heard(escrow(), "paid", json.dumps(escrow_notice({**ESCROW_PAID, "total_amount": 1})))[0].fields
    assert notices.mismatch({"amount_minor": 990, "currency": "CNY"}, taken)
