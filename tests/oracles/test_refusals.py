"""A sale through real protocols over HTTP: what is not believed, or says another amount or merchant, is refused in the sender's own
words, changes nothing, and leaves a line that says which interface took it.
"""
from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Mapping

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.base import clock, settings
from engine.wire import sending
from engine.wire.model import Reply
from tests.api.client import Api, everything
from tests.api.shop import FILES, write_secrets
from tests.wire.making import OURS, ROOT, THEIRS, rsa

APIV3 = "a" * 32
CHANNELS = ("wechat-native", "douyin-pay", "douyin-ecpay")
ENVIRONMENT = {"WECHAT_MCHID": "M1", "WECHAT_APPID": "A1", "WECHAT_SERIAL": "S1", "WECHAT_PLATFORM_SERIAL": "PUB_KEY_ID_1",
               "WECHAT_APIV3_KEY": APIV3, "DOUYINPAY_MCHID": "M1", "DOUYINPAY_APPID": "A1", "DOUYINPAY_SERIAL": "S1",
               "DOUYINPAY_APIV3_KEY": APIV3, "DOUYIN_APP_ID": "M1", "DOUYIN_PAY_SALT": "SALT", "DOUYIN_PAY_TOKEN": "TOKEN"}


@pytest.fixture
def api(sqlite_database, monkeypatch) -> Api:
    """The shop, its channels live: what they say comes from here, signed as their files want it."""
    folder = settings.secrets_dir()
    write_secrets(folder)
    (folder / "wechat-platform").mkdir()
    (folder / "wechat-platform" / "PUB_KEY_ID_1.pem").write_text(THEIRS["public_key"])
    for name in ("wechat-apiclient-key.pem", "douyinpay-merchant-key.pem"):
        (folder / name).write_text(OURS["private_key"])
    for name, value in {**ENVIRONMENT, "SALEWRIGHT_CHANNELS": "live", "SALEWRIGHT_PUBLIC_URL": "https://api.example"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sending, "send", answered)
    files = {f"channels/{name}.yaml": (ROOT / "channels" / f"{name}.yaml").read_text().partition("\nexamples:")[0] + "\n"
             for name in CHANNELS}
    scene = FILES["scenes/cards-app.yaml"].replace("[till, desk]", f"[till, desk, {', '.join(CHANNELS)}]")
    return Api({**FILES, **files, "scenes/cards-app.yaml": scene})


def answered(ch: Any, request: Any, timeout_s: float, *limits: int) -> Reply:
    if request.method == "GET" and ch.id == "douyin-pay":                      # its certificates
        sealed = AESGCM(APIV3.encode()).encrypt(b"61f9c719728a", THEIRS["public_key"].encode(), b"")
        body = json.dumps({"certificates": [{"cert_no": "PUB_KEY_ID_1", "encrypt_certificate": {
            "nonce": "61f9c719728a", "cipher_text": base64.b64encode(sealed).decode()}}]})
    elif ch.id == "douyin-ecpay":
        body = json.dumps({"err_no": 0, "err_tips": "", "data": {"order_id": "N1", "order_token": "T"}})
    else:
        body = json.dumps({"code_url": "https://qr.example/1"})
    return Reply(200, {name.lower(): value for name, value in signed(ch.id, body).items()}, body.encode())


def signed(channel: str, body: str, pair: Mapping[str, str] = THEIRS, off_s: int = 0) -> dict[str, str]:
    """The headers of a message of a channel that signs in headers."""
    at_s = clock.now_ms() // 1000 + off_s
    name = {"wechat-native": "Wechatpay", "douyin-pay": "Douyinpay"}.get(channel, "X")
    return {f"{name}-Timestamp": str(at_s), f"{name}-Nonce": "n1", f"{name}-Serial": "PUB_KEY_ID_1",
            f"{name}-Signature": rsa(pair, f"{at_s}\nn1\n{body}\n")}


def told(channel: str, payment: Mapping[str, Any], amount: int | None = None, merchant: str = "M1", no: str = "", key: str = "",
         forged: bool = False, off_s: int = 0) -> tuple[bytes, dict[str, str]]:
    """A notice that says the payment was made, or what a test wants of it."""
    amount, no = payment["amount_minor"] if amount is None else amount, no or payment["no"]
    if channel == "douyin-ecpay":
        msg = json.dumps({"appid": merchant, "cp_orderno": no, "total_amount": amount, "status": "SUCCESS", "order_id": "N1"})
        fields = {"timestamp": str(clock.now_ms() // 1000 + off_s), "nonce": "797", "msg": msg}
        token = key or ("OTHER" if forged else "TOKEN")
        text = "".join(sorted([token, *fields.values()]))
        return json.dumps({**fields, "type": "payment", "msg_signature": hashlib.sha1(text.encode()).hexdigest()}).encode(), {}
    trade = {"mchid": merchant, "out_trade_no": no, "transaction_id": "T1", "trade_state": "SUCCESS",
             "amount": {"total": amount, "currency": "CNY"}}
    sealed = AESGCM((key or APIV3).encode()).encrypt(b"fdasflkja484", json.dumps(trade).encode(), b"transaction")
    body = json.dumps({"id": "EV-1", "resource": {"nonce": "fdasflkja484", "associated_data": "transaction",
                                                  "ciphertext": base64.b64encode(sealed).decode()}})
    return body.encode(), signed(channel, body, OURS if forged else THEIRS, off_s)


TAKEN = {"wechat-native": (204, b""), "douyin-pay": (200, b'{"code":"SUCCESS","message":"OK"}'),
         "douyin-ecpay": (200, b'{"err_no":0,"err_tips":"success"}')}
NOT_TAKEN = [({"forged": True}, "signature_invalid"), ({"off_s": -301}, "stale"), ({"merchant": "M2"}, "mismatch"),
             ({"amount": 1}, "amount is"), ({"no": "P404"}, "there is no payment"), ({"key": "b" * 32}, "")]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_sale_and_what_is_refused_before_it(channel, api, caplog):
    api.buyer()
    payment = api.pay(api.order()["no"], channel)
    for change, word in NOT_TAKEN:
        caplog.clear()
        body, headers = told(channel, payment, **change)
        before = everything()
        reply = api.ask("POST", f"/v1/notices/{channel}/paid", key="", raw=body, headers=headers)
        assert everything() == before, change
        line = next(record for record in caplog.records if record.name == "salewright.notice")
        assert (line.levelname, line.channel, line.event, line.interface) == ("ERROR", channel, "paid", "notices.receive")
        assert word in line.reason
        refusal = {"code": "FAIL", "message": line.reason}
        if channel == "douyin-ecpay":
            refusal = {"err_no": 400, "err_tips": line.reason}
        assert (reply.status, reply.json) == (200 if channel == "douyin-ecpay" else 500, refusal)
    body, headers = told(channel, payment)
    for _ in range(2):
        reply = api.ask("POST", f"/v1/notices/{channel}/paid", key="", raw=body, headers=headers)
        assert (reply.status, reply.raw) == TAKEN[channel]
    order = api.get(f"/v1/orders/{payment['order']}").json
    assert order["state"] == "completed" and [p["state"] for p in order["payments"]] == ["succeeded"]
