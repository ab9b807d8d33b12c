"""WeChat Pay v3: the vectors of its documentation, and `wechatpayv3`, which nobody here wrote.

It signs as we sign, to the byte; we believe the requests it signs; and both believe, open and refuse the same notices.
"""
from __future__ import annotations

import base64
import copy
import json
import types
from typing import Any, Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from wechatpayv3 import WeChatPay, WeChatPayType, core, utils

from engine.base import clock
from engine.pay import notices
from engine.wire import crypto, keyrings
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.model import IncomingRequest, NoticeRejected, Reply
from engine.wire.secrets import Given
from engine.wire.verifier import compile_verifier
from tests.wire.making import AT_MS, AT_S, NONCE, OURS, THEIRS, built, concluded, facts, reply, rsa

from .certificates import certificate
from .channels import channel, documents, heard, refused, said

KEY_ID, APIV3, MCHID = "PUB_KEY_ID_1", "a" * 32, "1900007291"
SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
FACTS = facts(payment__expires_at_ms=AT_MS, refund__no="R1", refund__amount_minor=300, refund__reason="不想要了 & <b>",
              client__openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", client__ip="203.0.113.7", order__title="周卡 & 100% <b>\"'+/=?")
REQUESTS = [("wechat-native", name) for name in ("pay", "query", "close", "refund", "refund_query")] + [
    ("wechat-jsapi", "pay"), ("wechat-h5", "pay"), ("wechat-app", "pay")]


def secrets(**changes: Any) -> dict[str, Any]:
    return {"mchid": MCHID, "appid": "wxd678efh567hg6787", "serial": "SERIAL", "platform_serial": KEY_ID, "apiv3": APIV3,
            "key": OURS["private_key"], "platform": {KEY_ID: THEIRS["public_key"]}, **changes}


def wechat(channel_id: str = "wechat-native", **changes: Any) -> Channel:
    return channel(channel_id, secrets(**changes))


# --- the vectors of the documentation

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
DOCUMENTED_FACTS = {
    "payment.no": "1217752501201407033233368018", "order.title": "Image形象店-深圳腾大-QQ公仔", "payment.amount_minor": 100,
    "payment.expires_at_ms": AT_MS, "payment.currency": "CNY", "client.openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "notice_url": "https://www.weixin.qq.com/wxpay/pay.php"}


def as_documented(**changes: Any) -> Channel:
    """The channel with the body that the documentation signs: an end is not named there, and the notice's address is bare."""
    doc = copy.deepcopy(dict(documents()["wechat-jsapi"]))
    body = doc["operations"]["pay"]["json"]
    del body["time_expire"], body["scene_info"]
    body["notify_url"] = "{notice_url}"
    return compile_channel(doc, Given(secrets(**changes)))


def matches(public_pem: str, text: str, signature: str) -> bool:
    key = serialization.load_pem_public_key(public_pem.encode())
    return crypto.matches("rsa_sha256", key, text.encode(), base64.b64decode(signature))


def test_the_documented_request():
    request, _ = built(as_documented(), "pay", DOCUMENTED_FACTS)
    assert matches(DOCUMENTED_KEY, request.text, DOCUMENTED_REQUEST)
    assert request.headers["authorization"] == (
        f'WECHATPAY2-SHA256-RSA2048 mchid="{MCHID}",nonce_str="{NONCE}",signature="{rsa(OURS, request.text)}",'
        f'timestamp="{AT_S}",serial_no="SERIAL"')


def test_the_documented_call_up():
    body = b'{"prepay_id":"wx201410272009395522657a690389285100"}'
    ch = as_documented(appid="wx2421b1c4370ec43b")
    params = concluded(ch, "pay", DOCUMENTED_FACTS, reply(body, **dashes(signed(body)))).client["params"]
    text = f"wx2421b1c4370ec43b\n{AT_S}\n{NONCE}\n{params['package']}\n"
    assert matches(DOCUMENTED_KEY, text, DOCUMENTED_CALL_UP)
    assert params == {"appId": "wx2421b1c4370ec43b", "timeStamp": str(AT_S), "nonceStr": NONCE, "signType": "RSA",
                      "package": "prepay_id=wx201410272009395522657a690389285100", "paySign": rsa(OURS, text)}


@pytest.mark.parametrize("change, state, why", [
    ("", "pending", ""), (" ", "unknown", "the answer can't be believed: the signature does not match the message")])
def test_the_documented_answer(change, state, why):
    headers = {"Wechatpay-Timestamp": "1722850421", "Wechatpay-Nonce": "d824f2e086d3c1df967785d13fcd22ef",
               "Wechatpay-Serial": KEY_ID, "Wechatpay-Signature": DOCUMENTED_ANSWER}
    body = '{"code_url":"weixin://wxpay/bizpayurl?pr=JyC91EIz1"}' + change
    outcome = concluded(wechat(platform={KEY_ID: DOCUMENTED_PLATFORM}), "pay", FACTS, reply(body, **dashes(headers)), 1722850421000)
    assert (outcome.state, outcome.reason) == (state, why)
    assert outcome.client == ({"qr": "weixin://wxpay/bizpayurl?pr=JyC91EIz1"} if state == "pending" else {})


def signed(body: bytes, serial: str = KEY_ID, pair: dict[str, str] = THEIRS, at_s: int = AT_S) -> dict[str, str]:
    return {"Wechatpay-Timestamp": str(at_s), "Wechatpay-Nonce": "n1", "Wechatpay-Serial": serial,
            "Wechatpay-Signature": rsa(pair, f"{at_s}\nn1\n{body.decode()}\n"),
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048"}


def dashes(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


# --- the SDK signs as we sign

def sdk(**changes: Any) -> WeChatPay:
    keys = {} if "cert_dir" in changes else {"public_key": THEIRS["public_key"], "public_key_id": KEY_ID}
    return WeChatPay(**{"wechatpay_type": WeChatPayType.NATIVE, "mchid": MCHID, "private_key": OURS["private_key"],
                        "cert_serial_no": "SERIAL", "appid": "wxd678efh567hg6787", "apiv3_key": APIV3,
                        "notify_url": "https://shop.example/n/paid", **keys, **changes})


@pytest.mark.parametrize("channel_id, operation", REQUESTS)
def test_they_sign_our_requests_alike(channel_id, operation, monkeypatch):
    """RSA PKCS#1 v1.5 is deterministic: the same request under the same key must give the same header."""
    monkeypatch.setattr(utils.time, "time", lambda: AT_S)
    request, _ = built(wechat(channel_id), operation, FACTS)
    path = request.url.removeprefix("https://api.mch.weixin.qq.com")
    key = utils.load_private_key(OURS["private_key"])
    assert request.headers["authorization"] == utils.build_authorization(
        path, request.method, MCHID, "SERIAL", key, data=request.body.decode() or None, nonce_str=NONCE)
    assert request.headers["wechatpay-serial"] == KEY_ID


@pytest.mark.parametrize("channel_id, parts", [
    ("wechat-jsapi", ("wxd678efh567hg6787", "timeStamp", "nonceStr", "package", "paySign")),
    ("wechat-app", ("wxd678efh567hg6787", "timestamp", "noncestr", "prepayid", "sign"))])
def test_they_sign_the_call_up_alike(channel_id, parts):
    body = b'{"prepay_id":"wx201410272009395522657a690389285100"}'
    params = concluded(wechat(channel_id), "pay", FACTS, reply(body, **dashes(signed(body)))).client["params"]
    appid, *names, sign = parts
    assert params[sign] == sdk().sign([appid, *(params[name] for name in names)])


# --- and we believe what it signs

OUR_SIDE = {
    "parts": {"of": "header.Authorization", "prefix": "WECHATPAY2-SHA256-RSA2048 "},
    "text": "{method}\n{path_and_query}\n{parts.timestamp}\n{parts.nonce_str}\n{body}\n",
    "rsa_sha256": "merchant", "signature": "parts.signature", "fresh": {"at": "parts.timestamp", "within": "300s"},
    "secrets": {"merchant": {"file": "merchant.pem", "as": "public_key"}}}
CALLS: list[tuple[str, Callable[[WeChatPay], Any]]] = [
    ("pay", lambda pay: pay.pay(description="周卡", out_trade_no="P1", amount={"total": 990, "currency": "CNY"})),
    ("query", lambda pay: pay.query(out_trade_no="P1")),
    ("close", lambda pay: pay.close(out_trade_no="P1")),
    ("refund", lambda pay: pay.refund(out_refund_no="R1", out_trade_no="P1",
                                      amount={"refund": 300, "total": 990, "currency": "CNY"})),
    ("refund_query", lambda pay: pay.query_refund(out_refund_no="R1"))]


class Sent(Exception):
    """The request, as the SDK handed it to its HTTP library."""


@pytest.mark.parametrize("operation, call", CALLS, ids=[name for name, _ in CALLS])
def test_we_believe_the_requests_they_sign(operation, call, monkeypatch):
    def send(url: str, headers: dict[str, str], json: Any = None, **_: Any) -> None:
        raise Sent(url, headers, json)

    monkeypatch.setattr(core.requests, "post", send)
    monkeypatch.setattr(core.requests, "get", send)
    with pytest.raises(Sent) as sent:
        call(sdk())
    url, headers, tree = sent.value.args
    ours, _ = built(wechat(), operation, FACTS)
    assert url == ours.url
    body = json.dumps(tree).encode() if tree else b""
    path, _, query = url.removeprefix("https://api.mch.weixin.qq.com").partition("?")
    ours_tree = json.loads(ours.body or b"{}")
    assert {name: ours_tree[name] for name in tree or {} if name not in ("description", "notify_url")} == \
        {name: value for name, value in (tree or {}).items() if name not in ("description", "notify_url")}

    def believed(public: dict[str, str], content: bytes, off_s: int = 0) -> str:
        verify = compile_verifier(OUR_SIDE, Given({"merchant": public["public_key"]}))
        lower = {name.lower(): value for name, value in headers.items()}
        clock.set_to(int(lower["authorization"].split('timestamp="')[1].split('"')[0]) * 1000 + off_s * 1000)
        try:
            verify(IncomingRequest(ours.method, path, {}, lower, content, query))
        except NoticeRejected as error:
            return error.code
        return ""

    assert believed(OURS, body) == ""
    assert believed(OURS, body + b" ") == "signature_invalid"
    assert believed(THEIRS, body) == "signature_invalid"
    assert believed(OURS, body, 301) == "stale"


# --- notices: both read the same and refuse the same

TRADE = {"mchid": MCHID, "appid": "wxd678efh567hg6787", "out_trade_no": "P1", "transaction_id": "T1", "trade_state": "SUCCESS",
         "success_time": "2019-04-02T20:34:20+08:00", "amount": {"total": 990, "currency": "CNY"}, "payer": {"openid": "o1"}}
REFUND = {"mchid": MCHID, "out_trade_no": "P1", "out_refund_no": "R1", "refund_id": "50", "refund_status": "SUCCESS",
          "success_time": "2019-04-02T20:34:20+08:00", "amount": {"total": 990, "refund": 300}}


def notice(inner: dict[str, Any], key: str = APIV3, aad: str | None = "transaction") -> bytes:
    sealed = AESGCM(key.encode()).encrypt(b"fdasflkja484", json.dumps(inner).encode(), (aad or "").encode())
    resource = {"algorithm": "AEAD_AES_256_GCM", "nonce": "fdasflkja484", "ciphertext": base64.b64encode(sealed).decode()}
    return json.dumps({"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource",
                       "resource": resource | ({} if aad is None else {"associated_data": aad})}).encode()


def opened(body: bytes, headers: dict[str, str], pay: WeChatPay | None = None) -> Any:
    """What the SDK makes of a notice, None when it refuses it."""
    try:
        return (pay or sdk()).callback(headers, body)
    except Exception:
        return None


@pytest.mark.parametrize("event, inner", [("paid", TRADE), ("refunded", REFUND)])
@pytest.mark.parametrize("aad", ["transaction", "", None])
def test_they_and_we_open_the_same_notice(event, inner, aad):
    body = notice(inner, aad=aad)
    theirs = opened(body, signed(body))["resource"]
    ours, = heard(wechat(), event, body, signed(body))
    assert theirs == inner and ours.dedupe_key == f"{event}:EV-1"
    assert ours.fields["payment_no"] == theirs["out_trade_no"] and ours.fields["state"] == "succeeded"
    assert ours.fields["amount_minor"] == theirs["amount"]["total" if event == "paid" else "refund"]


def test_they_and_we_refuse_a_notice_with_any_byte_changed():
    body = notice(TRADE)
    headers, ch = signed(body), wechat()
    for at in range(0, len(body), 5):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        assert opened(changed, headers) is None, changed
        assert refused(ch, "paid", changed, headers) in ("signature_invalid", "unreadable"), changed


@pytest.mark.parametrize("body, headers, code", [
    (notice(TRADE), {"Wechatpay-Nonce": "n2"}, "signature_invalid"),
    (notice(TRADE), {"Wechatpay-Timestamp": str(AT_S + 1)}, "signature_invalid"),
    (notice(TRADE), signed(notice(TRADE), pair=OURS), "signature_invalid"),
    (notice(TRADE), {"Wechatpay-Signature": ""}, "signature_missing"),
    (notice(TRADE, key="b" * 32), {}, "undecryptable"),
])
def test_they_and_we_refuse_a_notice(body, headers, code):
    headers = {**signed(body), **headers}
    assert not opened(body, headers)
    assert refused(wechat(), "paid", body, headers) == code
    assert said(wechat(), "paid", "failure") == (500, b'{"code":"FAIL","message":"not believed"}')


@pytest.mark.parametrize("inner, at_ms, code", [
    (TRADE, AT_MS + 300_000, ""), (TRADE, AT_MS + 301_000, "stale"), (TRADE, AT_MS - 301_000, "stale"),
    ({**TRADE, "mchid": "1900000000"}, AT_MS, "mismatch"), ({**TRADE, "amount": {"total": "9.90"}}, AT_MS, "unreadable")])
def test_what_only_we_refuse(inner, at_ms, code):
    body = notice(inner)
    assert opened(body, signed(body)) is not None
    assert refused(wechat(), "paid", body, signed(body), at_ms) == code


def test_a_wrong_amount_is_named():
    body = notice({**TRADE, "amount": {"total": 1, "currency": "CNY"}})
    fields = heard(wechat(), "paid", body, signed(body))[0].fields
    assert notices.mismatch({"amount_minor": 990, "currency": "CNY"}, fields)
    assert said(wechat(), "paid", "success") == (204, b"")


def test_certificates_and_the_public_key_at_once(tmp_path):
    """While a merchant changes over, answers and notices are signed with either; the SDK knows one mode at a time."""
    pem = certificate(SERIAL)
    (tmp_path / "5157.pem").write_text(pem)
    ch = wechat(platform={KEY_ID: OURS["public_key"], SERIAL: pem})
    body = notice(TRADE)
    with_certificate, with_key = signed(body, SERIAL), signed(body, KEY_ID, OURS)
    assert opened(body, with_certificate, sdk(cert_dir=str(tmp_path)))["resource"] == TRADE
    assert opened(body, with_key, sdk(public_key=OURS["public_key"]))["resource"] == TRADE
    assert [refused(ch, "paid", body, headers) for headers in (with_certificate, with_key)] == ["", ""]
    assert refused(ch, "paid", body, {**with_key, "Wechatpay-Serial": SERIAL}) == "signature_invalid"
    assert refused(ch, "paid", body, signed(body, "ABCD")) == "key_unknown"


def handed_out(key: str = APIV3) -> bytes:
    """The platform's answer to `/v3/certificates`: each certificate sealed."""
    sealed = AESGCM(key.encode()).encrypt(b"61f9c719728a", certificate(SERIAL).encode(), b"certificate")
    return json.dumps({"data": [{
        "serial_no": SERIAL, "effective_time": "2018-01-01T00:00:00+08:00", "expire_time": "2100-01-01T00:00:00+08:00",
        "encrypt_certificate": {"algorithm": "AEAD_AES_256_GCM", "nonce": "61f9c719728a", "associated_data": "certificate",
                                "ciphertext": base64.b64encode(sealed).decode()}}]}).encode()


@pytest.mark.parametrize("body, headers, code, they_take", [
    (handed_out(), signed(handed_out(), SERIAL), "", True),
    (handed_out("b" * 32), signed(handed_out("b" * 32), SERIAL), "key_unknown", False),
    (handed_out(), signed(handed_out(), SERIAL, OURS), "key_unknown", True),
    (handed_out() + b" ", signed(handed_out(), SERIAL), "key_unknown", True)])
def test_they_and_we_take_the_certificates_that_are_handed_out(body, headers, code, they_take, monkeypatch):
    """What is not sealed with our key both leave alone; the answer's own signature only we look at."""
    asked = []

    def send(ch: Channel, request: Any, timeout_s: float, *limits: int) -> Reply:
        asked.append(request)
        return Reply(200, {name.lower(): value for name, value in headers.items()}, body)

    clock.set_to(AT_MS)
    monkeypatch.setattr(keyrings.sending, "send", send)
    without = {name: value for name, value in secrets().items() if name != "platform"}
    told = notice(TRADE)
    assert refused(channel("wechat-native", without), "paid", told, signed(told, SERIAL)) == code
    assert [(request.method, request.url) for request in asked] == [("GET", "https://api.mch.weixin.qq.com/v3/certificates")]

    answer = types.SimpleNamespace(status_code=200, headers={"Content-Type": "application/json"}, text=body.decode())
    monkeypatch.setattr(core.requests, "get", lambda **_: answer)
    if they_take:
        assert opened(told, signed(told, SERIAL), sdk(cert_dir=None))["resource"] == TRADE
    else:
        with pytest.raises(Exception, match="No wechatpay platform certificate"):
            sdk(cert_dir=None)


def test_they_open_what_we_seal():
    """Names of payees travel sealed (RSA-OAEP over SHA-1); here beside a payment, as some interfaces want them."""
    doc = copy.deepcopy(dict(documents()["wechat-native"]))
    doc["secrets"]["seal"] = {"file": "platform.pem", "as": "public_key"}
    doc["operations"]["pay"]["json"]["user_name"] = {"$seal": {"rsa_oaep_sha1": "seal", "of": "{buyer.name}"}}
    ch = compile_channel(doc, Given(secrets(seal=THEIRS["public_key"])))
    sealed = json.loads(built(ch, "pay", {**FACTS, "buyer.name": "张三"})[0].body)["user_name"]
    assert sdk(private_key=THEIRS["private_key"]).decrypt(sealed) == "张三"
