"""The language says real protocols: each dialect against signatures and texts that others published, or that plain
`hashlib`, `hmac` and `cryptography` make here by the protocol's own words.

Published vectors: WeChat Pay's documentation (v3: signing a request, calling up a payment, verifying an answer; v2: MD5 and
HMAC of stringSignTemp). What has a channel file of its own is held against SDKs in tests/oracles.
"""
from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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


# --- a supplier
