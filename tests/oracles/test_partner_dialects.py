"""Direct charge, text messages, result notices and invoices: what the files sign is what plain hashlib and hmac sign by the
protocol's own words, what those sign is believed, and whatever was changed on the way is not.

Published vectors: the two examples of the RPC signature in Aliyun's documentation (DescribeRegions; SendSms).
"""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from engine.base import clock
from engine.wire.compile import compile_channel
from engine.wire.examples import secrets_of
from engine.wire.model import NoticeRejected
from engine.wire.notices import read as read_notice
from engine.wire.secrets import Given
from tests.wire.making import AT_MS, AT_S, NONCE, ROOT, built, channel_file, concluded, incoming, reply

DONE = clock.parse_rfc3339("2019-04-02T20:00:00+08:00")
UPSTREAM = {"upstream.no": "U1", "upstream.item": "vip month", "upstream.quantity": 2, "buyer.phone": "13800138000",
            "order.no": "O1", "order.title": "月卡 & 周卡", "upstream.amount_minor": 990, "notice_url": "https://shop.example/n"}


def channel(name):
    doc = channel_file(ROOT / "channels" / f"{name}.yaml")
    return compile_channel(doc, Given(secrets_of(doc, {})))


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


# ── three ways to sign by MD5, in the words of their documents ───────────────────────────────────────────────────────

def by_sorted_keys(fields, key="192006250b4c09247ec02edce69f6a2d"):
    """Names in ASCII order, no empty values, k=v joined by &, &key=KEY, MD5, upper case."""
    held = {k: v for k, v in fields.items() if v != "" and k != "sign"}
    return md5("&".join(f"{k}={held[k]}" for k in sorted(held)) + f"&key={key}").upper()


def by_entries(fields, secret="0a091b3aa4324435aab703142518a8f7"):
    """`k=v` of every field, empty ones too, as whole entries in order whatever their case; secret + entries + secret."""
    entries = sorted((f"{k}={v}" for k, v in fields.items() if k != "sign"), key=lambda e: e.partition("=")[0].lower() + "="
                     + e.partition("=")[2])
    return md5(secret + "&".join(entries) + secret)


def by_values(fields, ts, key="zQ7mP4xW9kLs"):
    """Values alone in the order of their names (the time among them as `ts`), no empty ones, nothing between, then the key."""
    held = {**{k: v for k, v in fields.items() if v != ""}, "ts": ts}
    return md5("".join(held[k] for k in sorted(held)) + key)


def test_sorted_keys_sign_a_charge():
    request, _ = built(channel("partner-md5-sorted"), "charge", UPSTREAM)
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    assert fields["sign"] == by_sorted_keys(fields) and fields["price"] == "990" and fields["timestamp"] == str(AT_S)
    request, _ = built(channel("partner-md5-sorted"), "charge", {k: v for k, v in UPSTREAM.items() if k != "buyer.phone"})
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    assert "account" not in fields and fields["sign"] == by_sorted_keys(fields)


def test_entries_sign_a_charge_and_differ_from_keys():
    request, _ = built(channel("partner-md5-wrapped"), "charge", UPSTREAM)
    fields = {k: str(v) for k, v in json.loads(request.body).items()}
    assert fields["sign"] == by_entries(fields) and fields["MaxAmount"] == "9.90" and fields["ext1"] == ""
    names = [entry.partition("=")[0] for entry in request.text.removeprefix("0a091b3aa4324435aab703142518a8f7").split("&")]
    assert names.index("ext1") < names.index("ext") and sorted(("ext1", "ext")) == ["ext", "ext1"]
    assert names[0] == "app_key" and "CustomerOrderNo" in names        # case does not matter: A before C
    by_keys = "&".join(f"{k}={fields[k]}" for k in sorted(fields, key=str.lower) if k != "sign")
    assert fields["sign"] != md5(f"0a091b3aa4324435aab703142518a8f7{by_keys}0a091b3aa4324435aab703142518a8f7")


def test_a_dialect_without_any_marks_is_a_few_words_away():
    doc = channel_file(ROOT / "channels" / "partner-md5-wrapped.yaml")
    pairs = {"sort": "entry", "ignore_case": True, "join": "", "between": "", "before": "{app_secret}", "after": "{app_secret}"}
    doc["sign"] = {"pairs": pairs, "hash": "md5", "body": {"Sign": "{signature}"}}
    doc["operations"] = {"charge": {"post": "/charge", "verify": "none", "judge": [{"http": 200, "then": "accepted"}], "form": {
        "a1": "{upstream.item}", "a": "{upstream.no}", "B": "{upstream.quantity}"}}}
    ch = compile_channel(doc, Given({"app_key": "A", "app_secret": "K"}))
    request, _ = built(ch, "charge", {"upstream.no": "2", "upstream.item": "1", "upstream.quantity": 3})
    # entries a2, a11, B3 without their marks: `a11` < `a2` < `b3`, while by key a < a1
    assert dict(parse_qsl(request.body.decode()))["Sign"] == md5("K" + "a11" + "a2" + "B3" + "K")


def test_values_sign_a_charge():
    request, _ = built(channel("partner-md5-values"), "charge", UPSTREAM)
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    assert request.headers["x-sign"] == by_values(fields, str(AT_S)) and request.headers["x-user"] == "u8801"


SORTED = {"mch_id": "10086", "out_order_no": "U1", "order_no": "S1", "price": "990", "finish_time": "2019-04-02 20:00:00",
          "status": "1", "attach": "", "timestamp": str(AT_S)}
WRAPPED = {"app_key": "AK20261121", "CustomerOrderNo": "U1", "OrderNo": "S1", "OrderPrice": "9.90", "ext": "a", "ext1": "",
           "FinishTime": "20190402200000", "OrderStatus": "1", "timestamp": "20190402203420"}
VALUED = {"sn": "U1", "trade": "S1", "fee": "990", "done": str(DONE // 1000), "state": "1"}


def told(name, fields, status=None):
    """The notice a supplier sends, signed by hand: (body, headers)."""
    if name == "partner-md5-values":
        fields = {**fields, **({"state": status} if status else {})}
        return json.dumps(fields), {"X-Ts": str(AT_S), "X-Sign": by_values(fields, str(AT_S))}
    key, sign = ("status", by_sorted_keys) if name == "partner-md5-sorted" else ("OrderStatus", by_entries)
    fields = {**fields, **({key: status} if status else {})}
    return urlencode({**fields, "sign": sign(fields)}), {}


FILES = {"partner-md5-sorted": SORTED, "partner-md5-wrapped": WRAPPED, "partner-md5-values": VALUED}


@pytest.mark.parametrize("status, state", [("-1", "failed"), ("0", "pending"), ("1", "succeeded"), ("2", "partial"), ("7", "unknown")])
@pytest.mark.parametrize("name", FILES)
def test_a_delivery_signed_by_hand_is_believed(name, status, state):
    body, headers = told(name, FILES[name], status)
    [notice] = read_notice(channel(name), "delivered", incoming(body, headers), AT_MS)
    fields = {k: v for k, v in notice.fields.items() if not k.startswith("extra.")}
    assert fields.items() >= {"upstream_no": "U1", "channel_no": "S1", "amount_minor": 990, "delivered_at_ms": DONE,
                              "state": state}.items()


@pytest.mark.parametrize("name, at", [(name, at) for name, fields in FILES.items() for at in fields if fields[at]])
def test_a_delivery_that_was_changed_anywhere_is_not(name, at):
    body, headers = told(name, FILES[name])
    changed = body.replace(FILES[name][at], FILES[name][at][:-1] + ("3" if FILES[name][at][-1] != "3" else "4")) \
        if name == "partner-md5-values" else urlencode({**dict(parse_qsl(body, keep_blank_values=True)), at: FILES[name][at] + "1"})
    with pytest.raises(NoticeRejected) as refused:
        read_notice(channel(name), "delivered", incoming(changed, headers), AT_MS)
    assert refused.value.code == "signature_invalid"


@pytest.mark.parametrize("name", FILES)
def test_an_old_an_unsigned_and_a_foreign_delivery_is_not(name):
    body, headers = told(name, FILES[name])
    late = {"partner-md5-wrapped": 601}.get(name, 301) * 1000
    for changed, at_ms, code in (({}, AT_MS + late, "stale"), ({"X-Sign": ""}, AT_MS, "signature_missing")):
        sent = body.replace("sign=", "gins=") if code == "signature_missing" else body
        with pytest.raises(NoticeRejected) as refused:
            read_notice(channel(name), "delivered", incoming(sent, {**headers, **changed}), at_ms)
        assert refused.value.code == code
    if name != "partner-md5-values":           # signed rightly, for another merchant
        mine = "mch_id" if name == "partner-md5-sorted" else "app_key"
        body, headers = told(name, {**FILES[name], mine: "other"})
        with pytest.raises(NoticeRejected) as refused:
            read_notice(channel(name), "delivered", incoming(body, headers), AT_MS)
        assert refused.value.code == "mismatch"


@pytest.mark.parametrize("code, state", [(0, "accepted"), (404, "absent"), (429, "busy"), (402, "failed"), (999, "unknown")])
def test_code_0_means_taken_and_no_more(code, state):
    fields = {"code": str(code), "mch_id": "10086", "out_order_no": "U1", "order_no": "S1", "timestamp": str(AT_S)}
    answer = json.dumps({**fields, "sign": by_sorted_keys(fields)})
    assert concluded(channel("partner-md5-sorted"), "charge", UPSTREAM, reply(answer)).state == state
    forged = json.dumps({**fields, "order_no": "S2", "sign": by_sorted_keys(fields)})
    assert concluded(channel("partner-md5-sorted"), "charge", UPSTREAM, reply(forged)).state == "unknown"


# ── text messages ────────────────────────────────────────────────────────────────────────────────────────────────────

def rpc(fields, method, secret):
    """Aliyun's RPC signature by its documentation's words."""
    def encoded(text):
        return quote(text, safe="-_.~")
    query = "&".join(f"{encoded(k)}={encoded(v)}" for k, v in sorted(fields.items()) if k != "Signature")
    text = f"{method}&{encoded('/')}&{encoded(query)}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), "sha1").digest()).decode()


def test_the_words_give_the_published_signatures():
    common = {"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "Format": "XML"}
    assert rpc({**common, "AccessKeyId": "testid", "Action": "DescribeRegions", "Timestamp": "2016-02-23T12:46:24Z",
                "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf", "Version": "2014-05-26"}, "GET", "testsecret") \
        == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="
    assert rpc({**common, "AccessKeyId": "testId", "Timestamp": "2017-07-12T02:42:19Z", "Action": "SendSms", "OutId": "123",
                "SignatureNonce": "45e25e9b-0a6f-4070-8c85-2956eda1b466", "Version": "2017-05-25", "RegionId": "cn-hangzhou",
                "PhoneNumbers": "15300000001", "SignName": "阿里云短信测试专用", "TemplateParam": '{"customer":"test"}',
                "TemplateCode": "SMS_71390007"}, "GET", "testSecret") == "zJDF+Lrzhj/ThnlvIToysFRq6t4="


@pytest.mark.parametrize("text", ["您的订单已开通", "a & b = c + d ~ e * f/g %", '{"x": "y"}', "😀 emoji"])
def test_a_text_message_is_signed_so(text):
    given = {"message.no": "M1", "message.to": "13800138000", "message.text": text}
    request, _ = built(channel("sms-acs"), "send", given)
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
    assert fields["Signature"] == rpc(fields, "POST", "testSecret")
    assert json.loads(fields["TemplateParam"]) == {"text": text} and fields["OutId"] == "M1"
    assert fields["Timestamp"] == "2019-04-02T12:34:20Z" and fields["SignatureNonce"] == NONCE


RECEIPT = {"out_id": "M1", "biz_id": "B1", "phone_number": "13800138000", "success": True, "err_code": "DELIVERED",
           "report_time": "2019-04-02 12:00:00"}


def receipts(*items, key=b"relay-test-secret"):
    body = json.dumps({"receipts": list(items)})
    sign = hmac.new(key, f"{AT_S}.{body}".encode(), "sha256").hexdigest()
    return incoming(body, {"X-Relay-Timestamp": str(AT_S), "X-Relay-Signature": sign})


def test_receipts_come_by_the_list():
    one, two = read_notice(channel("sms-acs"), "receipt", receipts(RECEIPT, {**RECEIPT, "out_id": "M2", "success": False}), AT_MS)
    assert (one.fields["message_no"], one.fields["state"], one.fields["delivered_at_ms"]) == ("M1", "succeeded", DONE)
    assert (two.fields["message_no"], two.fields["state"]) == ("M2", "failed")
    for request, at_ms, code in ((receipts(RECEIPT, key=b"other"), AT_MS, "signature_invalid"),
                                 (receipts(RECEIPT), AT_MS + 301_000, "stale")):
        with pytest.raises(NoticeRejected) as refused:
            read_notice(channel("sms-acs"), "receipt", request, at_ms)
        assert refused.value.code == code


# ── result notices, invoices ─────────────────────────────────────────────────────────────────────────────────────────

NOTIFY = {"notify.no": "N1", "notify.event": "charged", "notify.at_ms": AT_MS, "charge.partner_order_no": "B-1", "charge.no": "D1",
          "order.no": "O1", "charge.items": "vip/month*1", "charge.amount_minor": 2800, "charge.currency": "CNY",
          "charge.drawn": 2800, "charge.account": "13800138000"}


def test_a_merchant_can_check_our_notice_with_hmac_alone():
    request, _ = built(channel("merchant-notice"), "notify", NOTIFY)
    sent = request.headers
    text = f"{sent['x-notice-timestamp']}\n{sent['x-notice-id']}\nPOST\n/callbacks/results\n{request.body.decode()}\n"
    mac = hmac.new(b"merchant-notice-test-key", text.encode(), "sha256").digest()
    assert sent["x-notice-signature"] == f"v1={base64.b64encode(mac).decode()}" and sent["x-notice-id"] == "N1"
    body = json.loads(request.body)
    assert (body["event"], body["partner_order_no"], body["amount"], body["happened_at"]) == \
        ("charged", "B-1", 2800, "2019-04-02T20:34:20+08:00") and "reason" not in body


@pytest.mark.parametrize("answer, status, state", [
    ('{"code":"SUCCESS"}', 200, "succeeded"), ('{"code":"FAIL","message":"later"}', 200, "unknown"), ("", 200, "unknown"),
    ('{"code":"SUCCESS"}', 500, "unknown"), ("<html>", 502, "unknown"), ('{"message":"not ours"}', 410, "failed")])
def test_only_a_clear_word_acknowledges_it(answer, status, state):
    assert concluded(channel("merchant-notice"), "notify", NOTIFY, reply(answer, status)).state == state


def issued(status="ISSUED", key=b"invoice-callback-key", **changes):
    data = {"seller_tax_no": "91110000MA01ABCD2X", "serial_no": "I1", "invoice_num": "26112000000012345678", "status": status,
            "amount_with_tax": "268.00", "issued_at": "2019-04-02 20:00:00", "pdf_url": "https://i.example/1.pdf", **changes}
    body = json.dumps({"data": data})
    sign = hmac.new(key, f"{AT_MS}.{body}".encode(), "sha256").hexdigest()
    return incoming(body, {"X-Timestamp": str(AT_MS), "X-Signature": sign})


def test_an_invoice_is_issued_later_or_taken_back():
    given = {"invoice.no": "I1", "invoice.title": "某某公司", "invoice.item": "会员服务", "invoice.rate": "0.06",
             "invoice.amount_minor": 26800, "order.no": "O1", "invoice.created_at_ms": AT_MS, "notice_url": "https://shop.example/n"}
    request, _ = built_with_token(channel("e-invoice"), "invoice", given)
    body = json.loads(request.body)
    assert request.headers["authorization"] == "Bearer T1" and body["lines"][0]["amount_with_tax"] == "268.00"
    assert body["buyer"] == {"name": "某某公司"} and body["issue_date"] == "2019-04-02"
    red, _ = built_with_token(channel("e-invoice"), "red_invoice", {
        "invoice.no": "I2", "invoice.original_no": "I1", "invoice.channel_no": "261120", "invoice.amount_minor": 26800,
        "notice_url": "https://shop.example/n"})
    assert json.loads(red.body)["amount_with_tax"] == "-268.00" and json.loads(red.body)["kind"] == "red"
    [notice] = read_notice(channel("e-invoice"), "issued", issued(), AT_MS)
    assert (notice.fields["invoice_no"], notice.fields["amount_minor"], notice.fields["state"]) == ("I1", 26800, "succeeded")
    for request, code in ((issued(key=b"other"), "signature_invalid"), (issued(seller_tax_no="other"), "mismatch")):
        with pytest.raises(NoticeRejected) as refused:
            read_notice(channel("e-invoice"), "issued", request, AT_MS)
        assert refused.value.code == code


def built_with_token(ch, operation, given):
    from engine.wire.operating import operation_of, prepare
    scope = ch.scope(given, AT_MS, NONCE)
    scope.names["token"] = "T1"
    return prepare(ch, operation_of(ch, operation), scope), scope
