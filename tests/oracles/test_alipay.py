"""Alipay against its official SDK for Node.js and against `python-alipay-sdk`, which nobody here wrote.

They verify every request we sign, and refuse it with any one byte changed; they make the same bytes of the same request;
and we believe the answers and notices they sign, and nothing else.
"""
from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from alipay import AliPay

from engine.wire.operating import operation_of
from tests.wire.making import AT_MS, OURS, THEIRS, built, concluded, facts, reply

from .channels import channel, fields_of, heard, refused, said

APP = "2021001122334455"
CONTRACT = {"contract.no": "C1", "contract.channel_no": "20185909", "contract.period_unit": "month", "contract.period_count": 1,
            "contract.next_at_ms": AT_MS, "contract.amount_minor": 1990}
FACTS = facts(payment__expires_at_ms=AT_MS, payment__channel_no="T1", refund__no="R1", refund__amount_minor=300,
              refund__reason="不想要了 & <b>\"'+%", statement__from_ms=AT_MS, order__title="周卡 & 100% <b>\"'+/=?", **CONTRACT)
CHANNELS = {
    "alipay-page": ("pay", "query", "close", "cancel", "refund", "refund_query", "statement"), "alipay-wap": ("pay",), "alipay-app": ("pay",),
    "alipay-qr": ("pay",), "alipay-agreement": ("pay_and_sign", "sign", "contract_query", "unsign", "withhold")}
OPERATIONS = [(channel_id, operation) for channel_id, names in CHANNELS.items() for operation in names]
each_operation = pytest.mark.parametrize("channel_id, operation", OPERATIONS)


def alipay(channel_id: str = "alipay-page", **secrets: str) -> Any:
    return channel(channel_id, {"app_id": APP, "key": OURS["private_key"], "alipay": THEIRS["public_key"], **secrets})


def sdk(private: dict[str, str], public: dict[str, str]) -> AliPay:
    """Signs with the private half of one pair and verifies with the public half of another."""
    return AliPay(appid=APP, app_private_key_string=private["private_key"], alipay_public_key_string=public["public_key"])


US, ALIPAY = sdk(OURS, THEIRS), sdk(THEIRS, OURS)


def node(public: dict[str, str] = OURS) -> dict[str, Any]:
    pem = THEIRS["private_key"].replace("-----BEGIN PRIVATE KEY-----", "").replace("-----END PRIVATE KEY-----", "")
    key = "".join(public["public_key"].split("-----")[2].split())
    return {"export": "AlipaySdk", "new": [{"appId": APP, "privateKey": "".join(pem.split()), "keyType": "PKCS8", "alipayPublicKey": key}]}


def verified(fields: dict[str, str]) -> bool:
    """`python-alipay-sdk` on a request; it takes sign_type for no part of what is signed, in a request it is."""
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if k != "sign")
    return ALIPAY._verify(text, fields["sign"])


@each_operation
def test_they_verify_what_we_sign(channel_id, operation, npm):
    fields = fields_of(built(alipay(channel_id), operation, FACTS)[0])
    assert verified(fields)
    assert npm("alipay-sdk", "checkNotifySignV2", fields, **node()) is True


@each_operation
def test_they_refuse_it_with_one_byte_changed(channel_id, operation, npm):
    fields = fields_of(built(alipay(channel_id), operation, FACTS)[0])
    for name, value in fields.items():
        if name != "sign":
            changed = {**fields, name: chr(ord(value[0]) + 1) + value[1:]}
            assert not verified(changed), name
    assert npm("alipay-sdk", "checkNotifySignV2", {**fields, "app_id": "2021"}, **node()) is False
    assert npm("alipay-sdk", "checkNotifySignV2", fields, **node(THEIRS)) is False, "another key"


@each_operation
def test_the_official_sdk_signs_the_same_text_alike(channel_id, operation, npm):
    """RSA PKCS#1 v1.5 is deterministic: the same parameters under the same key must give the same signature."""
    fields = fields_of(built(alipay(channel_id, key=THEIRS["private_key"]), operation, FACTS)[0])
    params = {name: value for name, value in fields.items() if name not in ("sign", "method", "biz_content")}
    params["biz_content"] = json.loads(fields["biz_content"])
    theirs = npm("alipay-sdk", "sdkExecute", fields["method"], params, **node())
    assert dict(parse_qsl(theirs)) == fields


def test_python_makes_the_same_order_text():
    order = built(alipay("alipay-app"), "pay", FACTS)[0].body.decode()
    fields = dict(parse_qsl(order))
    assert US.sign_data({name: value for name, value in fields.items() if name != "sign"}) == "&".join(
        sorted(order.split("&")[:-1]) + order.split("&")[-1:])


# --- their answers

TRADE = {"code": "10000", "msg": "Success", "out_trade_no": "P1", "trade_no": "T1", "total_amount": "9.90",
         "send_pay_date": "2019-04-02 20:34:20", "trade_status": "TRADE_SUCCESS", "note": "brace } and \\\" quote"}


def answered(member: str, sign: str | None = None, name: str = "alipay_trade_query_response") -> Any:
    sign = ALIPAY._sign(member) if sign is None else sign
    return concluded(alipay(), "query", FACTS, reply('{"%s":%s,"sign":"%s"}' % (name, member, sign)))


@pytest.mark.parametrize("write", [
    lambda tree: json.dumps(tree, ensure_ascii=False, separators=(",", ":")), lambda tree: json.dumps(tree),
    lambda tree: json.dumps(tree, indent=1, ensure_ascii=True)], ids=["compact", "spaced", "lines and escapes"])
def test_we_believe_the_answers_they_sign_and_so_do_they(write, npm):
    member = write({**TRADE, "buyer": "张三"})
    assert answered(member).state == "succeeded"
    text = '{"alipay_trade_query_response":%s,"sign":"%s"}' % (member, ALIPAY._sign(member))
    assert npm("alipay-sdk", "checkResponseSign", text, "alipay_trade_query_response", ALIPAY._sign(member), "t",
               **node(THEIRS)) is None


def test_any_byte_of_an_answer_counts():
    member = json.dumps(TRADE, separators=(",", ":"))
    sign = ALIPAY._sign(member)
    for at in range(0, len(member), 3):
        changed = member[:at] + chr(ord(member[at]) ^ 1) + member[at + 1:]
        assert answered(changed, sign).state == "unknown", changed
    assert answered(member, US._sign(member)).state == "unknown", "another key"
    assert answered(member, sign[:-4] + "AAA=").state == "unknown"
    assert answered(member, sign, "alipay_trade_refund_response").state == "succeeded", "the member's name is not signed"


# --- their notices

NOTICE = {"app_id": APP, "notify_type": "trade_status_sync", "notify_id": "N1", "notify_time": "2019-04-02 20:34:20", "charset": "utf-8",
          "version": "1.0", "out_trade_no": "P1", "trade_no": "T1", "passback_params": "", "subject": "周卡 & 100%+",
          "trade_status": "TRADE_SUCCESS", "total_amount": "9.90", "gmt_payment": "2019-04-02 20:34:20"}
SIGNED = {**NOTICE, "notify_type": "dut_user_sign", "external_agreement_no": "C1", "agreement_no": "20185909", "status": "NORMAL",
          "sign_time": "2019-04-02 20:34:20"}


def form(fields: dict[str, str], by: AliPay = ALIPAY, **changes: str) -> str:
    """Signed by `python-alipay-sdk`, which leaves sign_type out, as Alipay does; changed afterwards."""
    signed = dict(parse_qsl(by.sign_data(dict(fields)), keep_blank_values=True))
    from engine.wire import casts, codecs
    return codecs.write_form({**signed, "sign_type": "RSA2", **changes}, casts.as_text).decode()


@pytest.mark.parametrize("channel_id, event, fields, state", [
    ("alipay-page", "paid", NOTICE, "succeeded"), ("alipay-page", "paid", {**NOTICE, "trade_status": "TRADE_CLOSED"}, "closed"),
    ("alipay-qr", "paid", NOTICE, "succeeded"), ("alipay-agreement", "paid", NOTICE, "succeeded"),
    ("alipay-agreement", "signed", SIGNED, "signed"),
    ("alipay-agreement", "signed", {**SIGNED, "notify_type": "dut_user_unsign", "status": "UNSIGN"}, "ended")])
def test_we_believe_the_notices_they_sign_and_so_do_they(channel_id, event, fields, state, npm):
    body = form(fields)
    notice, = heard(alipay(channel_id), event, body)
    assert notice.fields["state"] == state and notice.dedupe_key == f"{event}:N1"
    posted = dict(parse_qsl(body, keep_blank_values=True))
    assert npm("alipay-sdk", "checkNotifySignV2", posted, **node(THEIRS)) is True


@pytest.mark.parametrize("name", NOTICE)
def test_any_field_of_a_notice_counts(name, npm):
    changed = form(NOTICE, **{name: NOTICE[name] + "1"})
    assert refused(alipay(), "paid", changed) == "signature_invalid"
    assert npm("alipay-sdk", "checkNotifySignV2", dict(parse_qsl(changed, keep_blank_values=True)), **node(THEIRS)) is False


@pytest.mark.parametrize("body, at_ms, code", [
    (form(NOTICE, sign=""), AT_MS, "signature_missing"),
    (form(NOTICE, extra="1"), AT_MS, "signature_invalid"),
    (form(NOTICE, by=US), AT_MS, "signature_invalid"),
    (form({name: value for name, value in NOTICE.items() if name != "passback_params"}, passback_params=""), AT_MS, "signature_invalid"),
    (form(NOTICE), AT_MS + 26 * 3600_000 + 1000, "stale"),
    (form({**NOTICE, "app_id": "2021999"}), AT_MS, "mismatch"),
    (form({**NOTICE, "total_amount": "9.901"}), AT_MS, "unreadable"),
], ids=["no signature", "one field more", "our own key", "an empty field more", "old", "another app", "an amount of three decimals"])
def test_what_we_refuse(body, at_ms, code):
    assert refused(alipay(), "paid", body, at_ms=at_ms) == code
    assert said(alipay(), "paid", "failure") == (200, b"failure")


def test_only_the_link_leaves_the_house_for_a_page():
    request = built(alipay(), "pay", FACTS)[0]
    assert urlsplit(request.url)[:3] == ("https", "openapi.alipay.com", "/gateway.do")
    assert not operation_of(alipay(), "pay").sends and not operation_of(alipay("alipay-app"), "pay").sends
    assert datetime.strptime(fields_of(request)["timestamp"], "%Y-%m-%d %H:%M:%S") == datetime(2019, 4, 2, 20, 34, 20)
