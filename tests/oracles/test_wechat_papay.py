"""WeChat's withholding (the XML interface): the documentation's vectors, signatures that another project's tests hold
(shenghui0779/gochat), and `tenpay` for Node.js, which nobody here wrote.

It signs every request of ours alike; we believe what it signs; and both believe, open and refuse the same notices.
"""
from __future__ import annotations

import copy
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.pay import notices
from engine.wire import codecs, crypto
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.secrets import Given
from tests.wire.making import AT_MS, NONCE, built, concluded, facts, reply

from .channels import channel, documents, fields_of, heard, refused, said
from .conftest import NpmError

KEY = "192006250b4c09247ec02edce69f6a2d"
IDS = {"appid": "wx2421b1c4370ec43b", "mch_id": "10000100"}
OK = {"return_code": "SUCCESS", "result_code": "SUCCESS"}
FACTS = facts(payment__expires_at_ms=AT_MS, order__no="O1", buyer__id="b1", contract__no="C1", contract__channel_no="W1",
              contract__reason="不再需要", refund__no="R1", refund__amount_minor=300, refund__reason="不想要了 & <b>",
              order__title="周卡 & 100% <b>\"'+/=?")
OPERATIONS = ("pay_and_sign", "withhold", "query", "withhold_query", "close", "contract_query", "unsign", "refund", "refund_query")


def secrets(**changes: Any) -> dict[str, Any]:
    return {"mchid": "10000100", "appid": "wx2421b1c4370ec43b", "plan_id": "123", "key": KEY, **changes}


def papay(**changes: Any) -> Channel:
    return channel("wechat-papay", secrets(**changes))


def sdk(key: str = KEY, mchid: str = "10000100") -> dict[str, Any]:
    return {"new": [{"appid": "wx2421b1c4370ec43b", "mchid": mchid, "partnerKey": key}]}


def xml(fields: dict[str, Any]) -> bytes:
    return codecs.write_xml(fields, str)


# --- vectors

@pytest.mark.parametrize("digest, expected", [
    ({"hash": "md5"}, "9A0A8659F005D6984697E2CA0A9CF3B7"),
    ({"hmac_sha256": "key"}, "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
])
def test_the_documented_fields(digest, expected):
    """The documentation's sample, under the file's own way of listing fields; the file itself uses MD5."""
    doc = copy.deepcopy(dict(documents()["wechat-papay"]))
    sign = {name: value for name, value in doc["sign"].items() if name != "hash"} | digest
    fields = {"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "device_info": "1000", "body": "test", "attach": "",
              "nonce_str": "ibuaiVcKdpRxkhJA"}
    doc["operations"]["query"] |= {"xml": fields, "sign": sign}
    request, _ = built(compile_channel(doc, Given(secrets())), "query", {})
    assert codecs.read_xml(request.body)["sign"] == expected


@pytest.mark.parametrize("operation, given, plan_id, sign", [
    ("contract_query", {"contract.no": "1023658866"}, "123", "1FCDD5BAF037DF736096306BB5213920"),
    ("unsign", {"contract.no": "1234", "contract.reason": "原因"}, "12251", "5498EE11E3B24F7AE1308F61FC9A25C2"),
    ("withhold_query", {"payment.no": "1415757673"}, "123", "31A8D85095AE5762A86C1EEC10D1FB7C"),
])
def test_requests_that_others_signed(operation, given, plan_id, sign):
    nonce = "0b9f35f484df17a732e537c37708d1d0"
    assert built(papay(plan_id=plan_id), operation, given, nonce=nonce)[0].signature == sign


def test_a_contract_page_that_others_signed():
    doc = copy.deepcopy(dict(documents()["wechat-papay"]))
    doc["operations"]["sign"]["query"] |= {"request_serial": "123", "notify_url": "{notice_url}"}
    ch = compile_channel(doc, Given(secrets(plan_id="106")))
    given = {"contract.no": "122", "buyer.id": "name1", "notice_url": "www.qq.com/test/papay"}
    request, _ = built(ch, "sign", given, 1414488825000)
    assert request.signature == "EB82C3E01B0DB4639921AE07F5A1E68F"
    assert request.url.startswith("https://api.mch.weixin.qq.com/papay/entrustweb?")


CONTRACT = {"contract_id": "201509160000028648", "plan_id": "123", "openid": "oHZx6uMbIG46UXQ3SKxVYEgw1LZs",
            "request_serial": "1000", "contract_code": "1023658866", "contract_display_account": "test", "contract_state": "1",
            "contract_signed_time": "1438141845", "contract_expired_time": "1453953047", "contract_terminated_time": "1438157486",
            "contract_termination_mode": "3", "contract_termination_remark": "delete ...."}
PAID = {"return_msg": "OK", "device_info": "1000", "openid": "oUpF8uN95-Ptaags6E_roPHg7AG0", "is_subscribe": "Y",
        "trade_type": "MICROPAY", "bank_type": "CCB_DEBIT", "total_fee": "1", "fee_type": "CNY",
        "transaction_id": "1008450740201411110005820873", "out_trade_no": "1415757673", "attach": "订单额外描述",
        "time_end": "20141111170043", "trade_state": "SUCCESS", "nonce_str": "TN55wO9Pba5yENl8"}


@pytest.mark.parametrize("operation, given, answer, sign, state", [
    ("contract_query", {"contract.no": "1023658866"}, CONTRACT, "35B3B9261A6A4E75BFB560FE0D6EA8CE", "ended"),
    ("withhold_query", {"payment.no": "1415757673"}, PAID, "9C2A03FD2D080D1B9618946C73C7608D", "succeeded"),
    ("unsign", {"contract.no": "1", "contract.reason": "x"}, {"contract_id": "100005698"},
     "D1F898877B9FC523A6F2FC993BE5B78F", "ended"),
    ("withhold", FACTS, {"return_msg": "OK", "nonce_str": "IITRi8Iabbblz1Jc"}, "1D001A3A187A984976FDB371813F898F", "pending"),
])
def test_answers_that_others_signed(operation, given, answer, sign, state):
    fields = {**OK, **IDS, **answer}
    assert concluded(papay(), operation, given, reply(xml({**fields, "sign": sign}))).state == state
    for name in fields:
        changed = {**fields, name: fields[name] + "0", "sign": sign}
        outcome = concluded(papay(), operation, given, reply(xml(changed)))
        assert (outcome.state, outcome.reason[:28]) == ("unknown", "the answer can't be believed"), name


# --- tenpay signs as we sign

@pytest.mark.parametrize("operation", OPERATIONS)
def test_they_sign_our_requests_alike(operation, npm):
    fields = codecs.read_xml(built(papay(), operation, FACTS)[0].body)
    sign = fields.pop("sign")
    assert fields["mch_id"] == "10000100" and npm("tenpay", "_getSign", fields, "MD5", **sdk()) == sign
    for name, value in fields.items():
        assert npm("tenpay", "_getSign", {**fields, name: value + "0"}, "MD5", **sdk()) != sign, name
    assert npm("tenpay", "_getSign", fields, "MD5", **sdk("0" * 32)) != sign, "another key"


def test_they_sign_the_contract_page_alike(npm):
    request, _ = built(papay(), "sign", FACTS)
    fields = dict(parse_qsl(urlsplit(request.url).query, strict_parsing=True))
    sign = fields.pop("sign")
    assert fields["contract_code"] == "C1" and npm("tenpay", "_getSign", fields, "MD5", **sdk()) == sign == request.signature
    assert fields_of(request)["notify_url"] == "https://shop.example/n/contract"


def test_they_sign_the_request_they_make_for_us_alike(npm):
    """tenpay signs with the same words for itself: its own call-up parameters and its own answers."""
    theirs = codecs.read_xml(npm("tenpay", "_getNativeReply", "wx2014", **sdk()).encode())
    assert concluded(papay(), "withhold", FACTS, reply(xml(theirs))).state == "pending"
    assert concluded(papay(), "withhold", FACTS, reply(xml({**theirs, "prepay_id": "wx2015"}))).state == "unknown"
    assert concluded(papay(key="0" * 32), "withhold", FACTS, reply(xml(theirs))).state == "unknown"
    refusal = codecs.read_xml(npm("tenpay", "_getNativeReply", "wx2014", "余额不足", **sdk()).encode())
    assert concluded(papay(), "withhold", FACTS, reply(xml(refusal))).state == "failed"


@pytest.mark.parametrize("change, state", [
    ({}, "pending"), ({"result_code": "FAIL"}, "failed"), ({"return_code": "FAIL"}, "unknown"), ({"mch_id": "1"}, "unknown")])
def test_success_needs_both_codes_and_our_number(change, state, npm):
    fields = {**OK, **IDS, "nonce_str": NONCE, **change}
    fields["sign"] = npm("tenpay", "_getSign", fields, "MD5", **sdk())
    assert concluded(papay(), "withhold", FACTS, reply(xml(fields))).state == state


# --- notices: both read the same and refuse the same

NOTICE = {**OK, **IDS, "nonce_str": NONCE, "openid": "o1", "trade_type": "PAP", "total_fee": "990", "fee_type": "CNY",
          "transaction_id": "T1", "out_trade_no": "P1", "attach": "", "time_end": "20190402203420"}
CHANGE = {**OK, **IDS, "contract_code": "C1", "plan_id": "123", "openid": "o1", "change_type": "ADD", "contract_id": "W1"}
REFUSAL = (200, b"<xml><return_code>FAIL</return_code><return_msg>not believed</return_msg></xml>")


def believed(npm: Any, body: bytes, kind: str = "middleware_pay", **how: Any) -> dict[str, Any]:
    """What tenpay makes of a notice, {} when it refuses it."""
    try:
        return npm("tenpay", "_parse", body.decode(), kind, **(how or sdk()))
    except NpmError:
        return {}


@pytest.mark.parametrize("event, fields, expected", [
    ("paid", NOTICE, {"payment_no": "P1", "channel_no": "T1", "amount_minor": 990, "currency": "CNY", "paid_at_ms": AT_MS,
                      "payer": "o1", "merchant": "10000100", "state": "succeeded"}),
    ("withheld", NOTICE, {"payment_no": "P1", "channel_no": "T1", "amount_minor": 990, "currency": "CNY", "paid_at_ms": AT_MS,
                          "payer": "o1", "merchant": "10000100", "state": "succeeded"}),
    ("contract", CHANGE, {"contract_no": "C1", "channel_contract_no": "W1", "payer": "o1", "merchant": "10000100",
                          "state": "signed"}),
])
def test_they_and_we_believe_the_same_notice(event, fields, expected, npm):
    body = xml({**fields, "sign": npm("tenpay", "_getSign", fields, "MD5", **sdk())})
    notice, = heard(papay(), event, body)
    assert notice.fields == expected
    assert believed(npm, body)["openid"] == "o1"
    assert not believed(npm, body, **sdk("0" * 32)) and refused(papay(key="0" * 32), event, body) == "signature_invalid"
    for name, value in fields.items():
        if value:
            changed = xml({**codecs.read_xml(body), name: value + "0"})
            assert not believed(npm, changed) and refused(papay(), event, changed) == "signature_invalid", name
    assert said(papay(), event, "failure") == REFUSAL
    assert codecs.read_xml(said(papay(), event, "success")[1])["return_code"] == "SUCCESS"


def test_what_is_for_another_merchant(npm):
    fields = {**NOTICE, "mch_id": "10000101"}
    body = xml({**fields, "sign": npm("tenpay", "_getSign", fields, "MD5", **sdk())})
    assert not believed(npm, body) and believed(npm, body, **sdk(mchid="10000101"))
    assert refused(papay(), "paid", body) == "mismatch"


def test_a_wrong_amount_is_named(npm):
    fields = {**NOTICE, "total_fee": "1"}
    body = xml({**fields, "sign": npm("tenpay", "_getSign", fields, "MD5", **sdk())})
    taken = heard(papay(), "paid", body)[0].fields
    assert notices.mismatch({"amount_minor": 990, "currency": "CNY"}, taken)


INNER = {"out_trade_no": "P1", "out_refund_no": "R1", "refund_id": "50", "refund_fee": "300", "total_fee": "990",
         "refund_status": "SUCCESS", "success_time": "2019-04-02 20:34:20"}


def sealed(key: str = KEY, mch_id: str = "10000100", **inner: str) -> bytes:
    """A refund's notice: nothing of it is signed, its part `req_info` is sealed."""
    plain = codecs.write_xml({**INNER, **inner}, str, "root")
    raw = crypto.seal("aes_ecb", hashlib.md5(key.encode()).hexdigest().encode(), plain)
    return xml({"return_code": "SUCCESS", **IDS, "mch_id": mch_id, "nonce_str": NONCE,
                "req_info": codecs.encode_bytes(raw, "base64")})


def test_they_and_we_open_the_same_refund_notice(npm):
    theirs = believed(npm, sealed(), "middleware_refund")["req_info"]
    ours, = heard(papay(), "refunded", sealed())
    assert theirs == INNER
    assert ours.fields == {"merchant": "10000100", "payment_no": "P1", "refund_no": "R1", "channel_refund_no": "50",
                           "amount_minor": 300, "refunded_at_ms": AT_MS, "state": "succeeded"}
    assert ours.dedupe_key == "refunded:50:SUCCESS"


def test_they_and_we_refuse_a_refund_notice_sealed_with_another_key(npm):
    assert not believed(npm, sealed("0" * 32), "middleware_refund")
    assert refused(papay(), "refunded", sealed("0" * 32)) == "undecryptable"
    assert not believed(npm, sealed(mch_id="1"), "middleware_refund")
    assert refused(papay(), "refunded", sealed(mch_id="1")) == "mismatch"
    assert said(papay(), "refunded", "failure") == REFUSAL
