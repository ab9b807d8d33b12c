"""The language says real protocols: each dialect against signatures and texts that others published, or that plain
`hashlib`, `hmac` and `cryptography` make here by the protocol's own words.

Published vectors: WeChat Pay's documentation (v3: signing a request, calling up a payment, verifying an answer; v2: MD5 and
HMAC of stringSignTemp) and the HMAC sample of Adyen's libraries.
"""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.base import clock
from engine.config import shape
from engine.wire import check_channel, codecs, crypto
from engine.wire.model import NoticeRejected, Reply
from engine.wire.notices import answer, read as read_notice

from .making import (AT_MS, AT_S, DIALECTS, NONCE, OURS, THEIRS, built, concluded, dialect, facts, incoming, read, reply, rsa)


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize("path", sorted(DIALECTS.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_dialect_is_a_right_file(path):
    doc = read(path)
    assert shape.faults("channels", doc) == []
    assert check_channel(doc) == []


# --- WeChat Pay v3

# The public half of the key pair that the documentation publishes for trying the algorithm.
DOCUMENTED_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAptpm+qvIDCh/9wjU26SQ
CK26ogYkBhDrYxnAaw2JbbBsp1oDbHKk+1r381NeBUG2HEFAuU+Fr72u5ot3yKdz
oF/FajAzQNKnm569/D3upKoi8mYBaST15Uig8j8qoUW1U217LL0jEHlSnHV3lcaD
TXqDpTRR4Bfz9IqOgJgFZ8/oTfEomSrjrLYef81Eyxr7ZIMQXEKKEK7V4UXKS0+/
fDsiG/cXidhzt8UbTL9vqXqxM2+IDImyO+FAc/tkBG55LmzxPto1Nq0WbnZzRM/w
Tzrd0I/8NlevxtFbphg4evlHjFNI7+GrqR87ViEwuAJJ9Je5QQjct5YJfFRWiZ5C
MQIDAQAB
-----END PUBLIC KEY-----"""
DOCUMENTED_REQUEST = ("jnks4dlrPw3ZX+ozVvSK39oa0t7OMBsg83BHAwd8BRdUFiVaQNTLTvci+wURgP1OQBbKYhFGvt7iqYpDSTQkp7Uq1sltaQKync"
                      "CyrA1g88m5bsKERQfPyT0ahSwKTYJ1CAn9QiJuSJRq1QsQs07eehbU/k9BCS51jTyc1Jpsi2H77HF9f/BnjXAOP3/sPObg"
                      "6V5Ee4EzwLox684hhuMuIwHo7D8KFk3LIHOKDcNI4It1aCXydFWNpNK+SG86VUDe5kwoDpw4Ulqfu9z8OFDGbDs9TCxEv8"
                      "iqQzbpxOlEVoOe2kalSYM5kApQb3nZcxdUtoE0liJGW3RGUNE0t4v01A==")
DOCUMENTED_CALL_UP = ("mI35pfNEQV6777ke/1T+LJLQDNTm7yeoUJH+j/adPGhmCCi0PbgkvYQTRcXH0uibcLVtvFLdGLpmoYO9FV6lBBsTAjuhh5YOvQ"
                      "i0e2g3e0yytitiNET9FEuqM0pjnKfRW4K6LIZDdbWJv9KhZUx3DrJa5TL7OJ7VdADVivxVySIlPVKjGwuCXzuXSJes0UcI"
                      "LgWQUMyha5/3nYofuHtS7r+KYyMuxD+oJ9VM1Qdxk4UIG59CP5Y3wtYIFybyF3bdu1caHTRRX+DLyMXyYA/IrTmiW01c4R"
                      "PjpHBX5Dk1sZyY1zVsWNsvMHr2e1NTWtBxKJ+qk5N61J7caYoepHFaxw==")
DOCUMENTED_PLATFORM = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwXNI6sdlknHBnK8Fu2U6
Cwor9qY747jP8KAfeBMeveEt1TqaHkLfaSD07trZLhGpfs8/AHqjhgSMO1O10YQW
OrrJ4hjIWPKqxbgrYMkBQc+mwdiWp4W3ByCqxBRagCveCXRWCmuJYovl9H/bsDI0
iGbpVtEOghJtfciisYSgxcLufUDTRkvwxjIBK1pCRjk33jJ5YTBWTHMRtMAOcFLN
F6hdEYdX8SPsgHHeLZ5Lv2T/686w1xtgCHef/sd4uSfWmyzsalQdHG/e4IyYmrhx
+O3VBoNDzE3nx23bFeV/RVNCG7cV6VhmYokJNHa/erIPkEmEFID6A5wQOXuxUkmJ
WwIDAQAB
-----END PUBLIC KEY-----"""
DOCUMENTED_ANSWER = ("mfI1CPqvBrgcXfgXMFjdNIhBf27ACE2YyeWsWV9ZI7T7RU0vHvbQpu9Z32ogzc+k8ZC5n3kz7h70eWKjgqNdKQF0eRp8mVKlmfzM"
                     "LBVHbssB9jEZEDXThOX1XFqX7s7ymia1hoHQxQagPGzkdWxtlZPZ4ZPvr1RiqkgAu6Is8MZgXXrRoBKqjmSdrP1N7uxzJ/cj"
                     "fSiis9FiLjuADoqmQ1P7p2N876YPAol7Rn0+GswwAwxldbdLrmVSjfytfSBJFqTMHn4itojgxSWWN1byuckQt8hSTEv/Lg97"
                     "QoeGniYP17T80pJeQyL3b+295FPHSO2AtvCgyIbKMZ0BALilAA==")


def wechat_v3(**changes):
    return dialect("wechat-v3", {
        "mchid": "1900007291", "appid": "wxd678efh567hg6787", "serial": "SERIAL", "apiv3": "a" * 32,
        "key": OURS["private_key"], "platform": {"PUB_KEY_ID_1": THEIRS["public_key"]}, "seal_key": THEIRS["public_key"],
        **changes})


def matches(public_pem: str, text: str, signature: str) -> bool:
    key = serialization.load_pem_public_key(public_pem.encode())
    return crypto.rsa_matches("rsa_sha256", key, text.encode(), base64.b64decode(signature))


DOCUMENTED_FACTS = {
    "payment.no": "1217752501201407033233368018", "order.title": "Image形象店-深圳腾大-QQ公仔", "payment.amount_minor": 100,
    "notice_url": "https://www.weixin.qq.com/wxpay/pay.php", "client.openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}


def test_wechat_v3_signs_the_documented_request():
    request, _ = built(wechat_v3(), "pay", DOCUMENTED_FACTS)
    assert matches(DOCUMENTED_KEY, request.text, DOCUMENTED_REQUEST)
    assert request.headers["authorization"] == (
        f'WECHATPAY2-SHA256-RSA2048 mchid="1900007291",nonce_str="{NONCE}",signature="{rsa(OURS, request.text)}",'
        f'timestamp="{AT_S}",serial_no="SERIAL"')


def test_wechat_v3_calls_up_the_documented_payment():
    ch = wechat_v3(appid="wx2421b1c4370ec43b")
    body = b'{"prepay_id":"wx201410272009395522657a690389285100"}'
    outcome = concluded(ch, "pay", DOCUMENTED_FACTS, signed_v3(body))
    params = outcome.client["params"]
    text = f"wx2421b1c4370ec43b\n{AT_S}\n{NONCE}\n{params['package']}\n"
    assert matches(DOCUMENTED_KEY, text, DOCUMENTED_CALL_UP)
    assert params == {"appId": "wx2421b1c4370ec43b", "timeStamp": str(AT_S), "nonceStr": NONCE, "signType": "RSA",
                      "package": "prepay_id=wx201410272009395522657a690389285100", "paySign": rsa(OURS, text)}


def test_wechat_v3_verifies_the_documented_answer():
    ch = wechat_v3(platform={"PUB_KEY_ID_1": DOCUMENTED_PLATFORM})
    headers = dict(Wechatpay_Timestamp="1722850421", Wechatpay_Nonce="d824f2e086d3c1df967785d13fcd22ef",
                   Wechatpay_Serial="PUB_KEY_ID_1", Wechatpay_Signature=DOCUMENTED_ANSWER)
    body = '{"code_url":"weixin://wxpay/bizpayurl?pr=JyC91EIz1"}'
    believed = concluded(ch, "pay", DOCUMENTED_FACTS, reply(body, **headers), 1722850421000)
    assert believed.reason == "no judgement of the channel file holds for this answer"      # a native answer, no prepay_id
    changed = concluded(ch, "pay", DOCUMENTED_FACTS, reply(body + " ", **headers), 1722850421000)
    assert changed.reason == "the answer can't be believed: the signature does not match the message"


def signed_v3(body: bytes, serial: str = "PUB_KEY_ID_1", at_s: int = AT_S, status: int = 200) -> Reply:
    return Reply(status, v3_headers(body, serial, at_s), body)


def v3_headers(body: bytes, serial: str = "PUB_KEY_ID_1", at_s: int = AT_S) -> dict[str, str]:
    return {"wechatpay-timestamp": str(at_s), "wechatpay-nonce": "n1", "wechatpay-serial": serial,
            "wechatpay-signature": rsa(THEIRS, f"{at_s}\nn1\n{body.decode()}\n")}


def v3_notice(trade: dict, key: bytes = b"a" * 32) -> bytes:
    sealed = AESGCM(key).encrypt(b"fdasflkja484", json.dumps(trade).encode(), b"transaction")
    return json.dumps({"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource": {
        "algorithm": "AEAD_AES_256_GCM", "nonce": "fdasflkja484", "associated_data": "transaction",
        "ciphertext": base64.b64encode(sealed).decode()}}).encode()


TRADE = {"mchid": "1900007291", "out_trade_no": "P1", "transaction_id": "T1", "trade_state": "SUCCESS",
         "success_time": "2019-04-02T20:34:20+08:00", "amount": {"total": 990, "currency": "CNY"}}


def test_wechat_v3_opens_a_notice():
    body = v3_notice(TRADE)
    notice, = read_notice(wechat_v3(), "paid", incoming(body, v3_headers(body)), AT_MS)
    assert notice.dedupe_key == "paid:EV-1"
    assert notice.fields == {"merchant": "1900007291", "payment_no": "P1", "channel_no": "T1", "currency": "CNY",
                             "amount_minor": 990, "paid_at_ms": AT_MS, "state": "succeeded"}


@pytest.mark.parametrize("body, headers, at_ms, code", [
    (v3_notice(TRADE), {"wechatpay-serial": "PUB_KEY_ID_2"}, AT_MS, "key_unknown"),
    (v3_notice(TRADE), {"wechatpay-nonce": "n2"}, AT_MS, "signature_invalid"),
    (v3_notice(TRADE), {"wechatpay-timestamp": str(AT_S + 1)}, AT_MS, "signature_invalid"),
    (v3_notice(TRADE), {"wechatpay-signature": ""}, AT_MS, "signature_missing"),
    (v3_notice(TRADE), {}, AT_MS + 301_000, "stale"),
    (v3_notice(TRADE, b"b" * 32), {}, AT_MS, "undecryptable"),
    (v3_notice({**TRADE, "mchid": "other"}), {}, AT_MS, "mismatch"),
    (v3_notice({**TRADE, "amount": {"total": "9.90"}}), {}, AT_MS, "unreadable"),
])
def test_wechat_v3_refuses_a_notice(body, headers, at_ms, code):
    with pytest.raises(NoticeRejected) as refused:
        read_notice(wechat_v3(), "paid", incoming(body, {**v3_headers(body), **headers}), at_ms)
    assert refused.value.code == code


def test_wechat_v3_seals_a_name():
    request, _ = built(wechat_v3(), "transfer", facts(buyer__name="张三"))
    sealed = base64.b64decode(codecs.read_json(request.body)["user_name"])
    key = serialization.load_pem_private_key(THEIRS["private_key"].encode(), None)
    plain = key.decrypt(sealed, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    assert plain.decode() == "张三"


# --- WeChat Pay v2

DOCUMENTED_V2 = {"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "device_info": "1000", "body": "test",
                 "nonce_str": "ibuaiVcKdpRxkhJA"}


@pytest.mark.parametrize("digest, expected", [
    ({"hash": "md5"}, "9A0A8659F005D6984697E2CA0A9CF3B7"),
    ({"hmac_sha256": "key"}, "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
])
def test_wechat_v2_signs_the_documented_fields(digest, expected):
    sign = {"pairs": {"after": "&key={key}"}, "encode": "HEX", "body": {"sign": "{signature}"}, **digest}
    ch = dialect("wechat-v2", wechat_v2_secrets(), operations={"pay": {
        "post": "/pay", "xml": {**DOCUMENTED_V2, "attach": ""}, "sign": sign, "judge": [{"http": 200, "then": "pending"}]}})
    request, _ = built(ch, "pay", {})
    assert codecs.read_xml(request.body)["sign"] == expected


def wechat_v2_secrets():
    return {"mch_id": "10000100", "appid": "wxd930ea5d5a258f4f", "key": "192006250b4c09247ec02edce69f6a2d"}


def test_wechat_v2_signs_a_contract_page():
    outcome_url = built(dialect("wechat-v2", wechat_v2_secrets()), "sign", facts(contract__no="C1"))[0].url
    query = dict(parse_qsl(urlsplit(outcome_url).query, strict_parsing=True))
    sign = query.pop("sign")
    text = "&".join(f"{k}={v}" for k, v in sorted(query.items())) + "&key=192006250b4c09247ec02edce69f6a2d"
    assert sign == md5(text).upper()


def test_wechat_v2_success_needs_both_codes():
    ch = dialect("wechat-v2", wechat_v2_secrets())

    def answered(**fields):
        text = "&".join(f"{k}={v}" for k, v in sorted(fields.items())) + "&key=192006250b4c09247ec02edce69f6a2d"
        tree = {**fields, "sign": md5(text).upper()}
        xml = "<xml>" + "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in tree.items()) + "</xml>"
        return concluded(ch, "withhold", facts(contract__channel_no="W1"), reply(xml)).state

    assert answered(return_code="SUCCESS", result_code="SUCCESS") == "accepted"
    assert answered(return_code="SUCCESS", result_code="FAIL") == "failed"
    assert answered(return_code="FAIL", result_code="SUCCESS") == "unknown"


def test_wechat_v2_opens_a_refund_notice():
    inner = "<root><out_refund_no>R1</out_refund_no><refund_id>X1</refund_id><refund_fee>300</refund_fee>" \
            "<refund_status>SUCCESS</refund_status></root>".encode().decode()
    data = inner.encode()
    data += bytes([16 - len(data) % 16]) * (16 - len(data) % 16)
    worker = Cipher(algorithms.AES(md5("192006250b4c09247ec02edce69f6a2d").encode()), modes.ECB()).encryptor()
    sealed = base64.b64encode(worker.update(data) + worker.finalize()).decode()
    fields = {"return_code": "SUCCESS", "req_info": sealed}
    sign = md5("&".join(f"{k}={v}" for k, v in sorted(fields.items())) + "&key=192006250b4c09247ec02edce69f6a2d").upper()
    body = codecs.write_xml({**fields, "sign": sign}, str)
    notice, = read_notice(dialect("wechat-v2", wechat_v2_secrets()), "refunded", incoming(body), AT_MS)
    assert notice.fields == {"refund_no": "R1", "amount_minor": 300, "state": "succeeded"}
    assert notice.dedupe_key == "refunded:X1"


# --- Alipay v2

def alipay():
    return dialect("alipay-v2", {"app_id": "2014072300007148", "key": OURS["private_key"], "alipay": THEIRS["public_key"]})


def test_alipay_makes_an_order_string_without_a_call():
    from engine.wire.operating import operate

    clock.set_to(AT_MS)
    outcome = operate(alipay(), "pay", facts(order__title="大乐透 & more"))
    order = dict(parse_qsl(outcome.client["text"], strict_parsing=True))
    sign = order.pop("sign")
    text = "&".join(f"{k}={v}" for k, v in sorted(order.items()))
    assert "sign_type=RSA2" in text and sign == rsa(OURS, text)
    assert order["timestamp"] == "2019-04-02 20:34:20"
    assert json.loads(order["biz_content"]) == {"out_trade_no": "P1", "total_amount": "9.90", "subject": "大乐透 & more"}
    assert (outcome.state, outcome.sent) == ("pending", False)


ALIPAY_TRADE = '{"code":"10000","trade_no":"T1","out_trade_no":"P1","note":"a } \\" brace","trade_status":"TRADE_SUCCESS",' \
               '"total_amount":"9.90"}'


@pytest.mark.parametrize("wrap, member, state", [
    ('{{"alipay_trade_query_response":{m},"sign":"{s}"}}', ALIPAY_TRADE, "succeeded"),
    ('{{ "sign" : "{s}" , "alipay_trade_query_response" : {m} }}', ALIPAY_TRADE, "succeeded"),
    ('{{"alipay_trade_query_response":{m} ,"sign":"{s}"}}', ALIPAY_TRADE.replace("9.90", "9.91"), "unknown"),
    ('{{"error_response":{m}}}', '{"code":"40004","sub_code":"isv.invalid"}', "failed"),
    ('{{"error_response":{m},"sign":"{s}"}}', '{"code":"40004","sub_code":"isv.invalid"}', "unknown"),
    ('{{"error_response":{m}}}', '{"code":"10000","trade_status":"TRADE_SUCCESS","out_trade_no":"P1"}', "unknown"),
    ('{{"alipay_trade_query_response":{m}}}', ALIPAY_TRADE, "unknown"),
])
def test_alipay_signs_one_member_of_its_answer_as_it_stands(wrap, member, state):
    body = wrap.format(m=member, s=rsa(THEIRS, ALIPAY_TRADE))
    assert concluded(alipay(), "query", facts(), reply(body)).state == state


@pytest.mark.parametrize("change, code", [({}, None), ({"total_amount": "9.91"}, "signature_invalid"),
                                          ({"passback": "x"}, "signature_invalid"), ({"sign_type": "RSA"}, None)])
def test_alipay_signs_its_notice_with_empty_fields(change, code):
    fields = {"app_id": "2014072300007148", "notify_id": "N1", "out_trade_no": "P1", "trade_no": "T1", "passback": "",
              "trade_status": "TRADE_SUCCESS", "total_amount": "9.90", "gmt_payment": "2019-04-02 20:34:20"}
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()))
    form = {**fields, "sign": rsa(THEIRS, text), "sign_type": "RSA2", **change}
    request = incoming(codecs.write_form(form, str))
    if code:
        with pytest.raises(NoticeRejected) as refused:
            read_notice(alipay(), "paid", request, AT_MS)
        assert refused.value.code == code
    else:
        notice, = read_notice(alipay(), "paid", request, AT_MS)
        assert (notice.fields["amount_minor"], notice.fields["paid_at_ms"]) == (990, AT_MS)
        assert answer(alipay(), "paid", "success") == (200, {"content-type": "text/plain; charset=utf-8"}, b"success")


# --- Douyin ecpay

def douyin():
    return dialect("douyin-ecpay", {"app_id": "tt1", "salt": "SALT", "token": "TOKEN"})


def test_douyin_ecpay_signs_sorted_values():
    request, _ = built(douyin(), "pay", facts())
    tree = codecs.read_json(request.body)
    values = [str(tree[k]) for k in tree if k not in ("app_id", "sign")] + ["SALT"]
    assert tree["sign"] == md5("&".join(sorted(values)))


def test_douyin_ecpay_reads_json_in_json():
    msg = json.dumps({"cp_orderno": "P1", "channel_no": "C1", "total_amount": 990, "status": "SUCCESS"})
    signature = hashlib.sha1("".join(sorted(["TOKEN", str(AT_S), "n", msg])).encode()).hexdigest()
    body = json.dumps({"timestamp": AT_S, "nonce": "n", "msg": msg, "type": "payment", "msg_signature": signature})
    notice, = read_notice(douyin(), "paid", incoming(body), AT_MS)
    assert notice.fields == {"payment_no": "P1", "channel_no": "C1", "amount_minor": 990, "state": "succeeded"}
    assert answer(douyin(), "paid", "success")[2] == b'{"err_no":0,"err_tips":"success"}'
    with pytest.raises(NoticeRejected):
        read_notice(douyin(), "paid", incoming(body.replace('"n"', '"m"')), AT_MS)


# --- Stripe, Adyen, Razorpay, a supplier

def stripe():
    return dialect("stripe", {"key": "sk_test_1", "endpoint": {"old": "whsec_old", "new": "whsec_new"}})


def test_stripe_writes_brackets():
    request, _ = built(stripe(), "pay", facts(payment__currency="USD"))
    assert parse_qs(request.body.decode()) == {
        "amount": ["990"], "currency": ["usd"], "confirm": ["true"], "automatic_payment_methods[enabled]": ["true"],
        "metadata[payment_no]": ["P1"], "expand[0]": ["latest_charge"]}
    assert request.headers["authorization"] == "Bearer sk_test_1" and request.headers["idempotency-key"] == "P1"


STRIPE_EVENT = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {
    "id": "pi_1", "amount": 990, "metadata": {"payment_no": "P1"}}}})


def stripe_header(secret: str, at_s: int = AT_S) -> str:
    return hmac.new(secret.encode(), f"{at_s}.{STRIPE_EVENT}".encode(), "sha256").hexdigest()


@pytest.mark.parametrize("header, at_ms, code", [
    (f"t={AT_S},v1={stripe_header('whsec_new')}", AT_MS, None),
    (f"t={AT_S},v1={stripe_header('whsec_old')}", AT_MS, None),
    (f"t={AT_S},v0=junk,v1=bad,v1={stripe_header('whsec_new')}", AT_MS, None),
    (f"t={AT_S},v1={stripe_header('whsec_gone')}", AT_MS, "signature_invalid"),
    (f"t={AT_S},v0={stripe_header('whsec_new')}", AT_MS, "signature_missing"),
    (f"t={AT_S + 1},v1={stripe_header('whsec_new')}", AT_MS, "signature_invalid"),
    (f"v1={stripe_header('whsec_new')}", AT_MS, "signature_missing"),
    (f"t={AT_S},v1={stripe_header('whsec_new')}", AT_MS + 300_001, "stale"),
])
def test_stripe_webhooks(header, at_ms, code):
    request = incoming(STRIPE_EVENT, {"Stripe-Signature": header})
    if code is None:
        notice, = read_notice(stripe(), "paid", request, at_ms)
        assert notice.fields == {"payment_no": "P1", "channel_no": "pi_1", "amount_minor": 990, "state": "succeeded"}
    else:
        with pytest.raises(NoticeRejected) as refused:
            read_notice(stripe(), "paid", request, at_ms)
        assert refused.value.code == code


def test_adyen_verifies_the_sample_of_its_libraries_item_by_item():
    ch = dialect("adyen", {"api_key": "k", "hmac": "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"})
    item = {"pspReference": "pspReference", "originalReference": "originalReference", "merchantAccountCode": "merchantAccount",
            "merchantReference": "reference", "amount": {"currency": "EUR", "value": 1000}, "eventCode": "EVENT",
            "success": "true", "additionalData": {"hmacSignature": "ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="}}

    def received(*items):
        return read_notice(ch, "paid", incoming(json.dumps({"live": "false", "notificationItems": [
            {"NotificationRequestItem": i} for i in items]})), AT_MS)

    one, two = received(item, item)
    assert one.fields == two.fields == {"payment_no": "reference", "channel_no": "pspReference", "currency": "EUR",
                                        "amount_minor": 1000, "state": "succeeded"}
    assert one.dedupe_key == "paid:EVENT:pspReference"
    with pytest.raises(NoticeRejected):
        received(item, {**item, "success": "false"})
    assert answer(ch, "paid", "success")[2] == b"[accepted]"


def test_razorpay_webhook_and_return_check():
    ch = dialect("razorpay", {"key_id": "rzp_1", "key_secret": "s1", "webhook": "w1"})
    assert built(ch, "pay", facts(payment__currency="INR"))[0].headers["authorization"] == \
        "Basic " + base64.b64encode(b"rzp_1:s1").decode()
    event = json.dumps({"event": "payment.captured", "payload": {"payment": {"entity": {
        "id": "pay_1", "amount": 990, "notes": {"payment_no": "P1"}}}}})
    signature = hmac.new(b"w1", event.encode(), "sha256").hexdigest()
    headers = {"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": "E1"}
    notice, = read_notice(ch, "paid", incoming(event, headers), AT_MS)
    assert (notice.fields["amount_minor"], notice.dedupe_key) == (990, "paid:E1")
    other = event.replace("captured", "failed")
    headers["X-Razorpay-Signature"] = hmac.new(b"w1", other.encode(), "sha256").hexdigest()
    assert read_notice(ch, "paid", incoming(other, headers), AT_MS) == []
    back = {"razorpay_order_id": "o1", "razorpay_payment_id": "pay_1",
            "razorpay_signature": hmac.new(b"s1", b"o1|pay_1", "sha256").hexdigest()}
    notice, = read_notice(ch, "returned", incoming(codecs.write_form(back, str)), AT_MS)
    assert notice.fields == {"channel_no": "pay_1", "state": "pending"}


def test_a_supplier_sorts_entries_without_case_between_two_secrets():
    ch = dialect("direct-charge", {"secret": "K"})
    request, _ = built(ch, "charge", {"upstream.no": "2", "upstream.item": "1", "upstream.quantity": 3})
    # entries: a2, a11, B3 without their marks; `a11` < `a2` < `b3`, while by key a < a1
    assert dict(parse_qsl(request.body.decode()))["Sign"] == md5("K" + "a11" + "a2" + "B3" + "K")
