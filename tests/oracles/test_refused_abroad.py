"""A sale over HTTP through channels whose notices their own libraries sign: a forged, stale, foreign or wrong one is refused in
the sender's own words, changes nothing, and leaves a line that says which interface took it.
"""
from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Mapping, NamedTuple

import pytest
import stripe
from Adyen.util import generate_notification_sig
from alipay import AliPay

from engine.audit import invariants
from engine.base import clock, settings
from engine.wire import sending
from engine.wire.model import Reply
from tests.api.client import Api, everything
from tests.api.shop import FILES, write_secrets
from tests.wire.making import OURS, ROOT, THEIRS

HMAC, HOOK = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056", "whsec_1"
ENVIRONMENT = {"ALIPAY_APP_ID": "M1", "ADYEN_LIVE_PREFIX": "x", "ADYEN_MERCHANT_ACCOUNT": "M1", "ADYEN_API_KEY": "k", "ADYEN_CLIENT_KEY": "c",
               "ADYEN_HMAC_KEY": HMAC, "STRIPE_KEY": "sk_1", "STRIPE_PUBLISHABLE_KEY": "pk_1", "RAZORPAY_KEY_ID": "rzp_1",
               "RAZORPAY_KEY_SECRET": "s", "RAZORPAY_WEBHOOK_SECRET": HOOK, "RAZORPAY_ACCOUNT_ID": "M1"}
Told = tuple[bytes, dict[str, str]]


class Sender(NamedTuple):
    """How a channel tells of a payment, and what it is answered."""
    told: Callable[..., Told]
    taken: tuple[int, str]
    refused: int                           # the status
    words: str                             # the body; {reason} is what our log says too
    lacks: tuple[str, ...] = ()            # what nothing in its notices could get wrong


def alipay(no: str, amount: int, merchant: str, forged: bool, off_s: int) -> Told:
    key = OURS if forged else THEIRS
    by = AliPay(appid="M1", app_private_key_string=key["private_key"], alipay_public_key_string=OURS["public_key"])
    sent = datetime.fromtimestamp(clock.now_ms() / 1000 + off_s * 312, timezone(timedelta(hours=8)))       # a day and two hours are allowed
    at = sent.strftime("%Y-%m-%d %H:%M:%S")
    fields = {"app_id": merchant, "notify_type": "trade_status_sync", "notify_id": "N1", "notify_time": at, "out_trade_no": no, "trade_no": "T1",
              "trade_status": "TRADE_SUCCESS", "total_amount": f"{amount / 100:.2f}", "gmt_payment": at}
    body = by.sign_data(fields) + "&sign_type=RSA2"
    return body.encode(), {"Content-Type": "application/x-www-form-urlencoded"}


def adyen(no: str, amount: int, merchant: str, forged: bool, off_s: int) -> Told:
    item = {"pspReference": "T1", "originalReference": "", "merchantAccountCode": merchant, "merchantReference": no, "success": "true",
            "amount": {"value": amount, "currency": "CNY"}, "eventCode": "AUTHORISATION", "eventDate": "2019-05-06T17:15:34+02:00"}
    signature = generate_notification_sig(item, "00" * 32 if forged else HMAC).decode()
    item["additionalData"] = {"hmacSignature": signature}
    return json.dumps({"live": "true", "notificationItems": [{"NotificationRequestItem": item}]}).encode(), {}


def stripes(no: str, amount: int, merchant: str, forged: bool, off_s: int) -> Told:
    intent = {"id": "T1", "amount": amount, "currency": "cny", "status": "succeeded", "metadata": {"payment_no": no}}
    body = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "created": clock.now_ms() // 1000, "data": {"object": intent}})
    secret = "whsec_2" if forged else HOOK
    return body.encode(), {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, clock.now_ms() // 1000 + off_s)}


def razorpay(no: str, amount: int, merchant: str, forged: bool, off_s: int) -> Told:
    body = json.dumps({"account_id": merchant, "event": "order.paid", "created_at": clock.now_ms() // 1000, "payload": {
        "payment": {"entity": {"id": "T1", "amount": amount, "currency": "CNY"}},
        "order": {"entity": {"id": "order_1", "receipt": no, "status": "paid"}}}}).encode()
    return body, {"X-Razorpay-Signature": hmac.new(b"other" if forged else HOOK.encode(), body, hashlib.sha256).hexdigest()}


SENDERS = {
    "alipay-page": Sender(alipay, (200, "success"), 200, "failure"),
    "adyen": Sender(adyen, (200, "[accepted]"), 500, "{reason}", ("off_s",)),
    "stripe": Sender(stripes, (200, ""), 400, "{reason}", ("merchant",)),
    "razorpay": Sender(razorpay, (200, ""), 500, "{reason}", ("off_s",)),
}
NOT_TAKEN = [({"forged": True}, "signature_invalid"), ({"off_s": -301}, "stale"), ({"merchant": "M2"}, "mismatch"),
             ({"amount": 1}, "amount is"), ({"no": "P404"}, "there is no payment")]


def answered(ch: Any, request: Any, timeout_s: float, *limits: int) -> Reply:
    asked = json.loads(request.body) if ch.id != "stripe" else {}
    said = {"adyen": (201, {"id": "CS1", "sessionData": "D", **asked}), "stripe": (200, {"id": "pi_1", "client_secret": "x", "status": "processing"}),
            "razorpay": (200, {"id": "order_1", "status": "created", **asked})}[ch.id]
    return Reply(said[0], {"content-type": "application/json"}, json.dumps(said[1]).encode())


@pytest.fixture
def api(sqlite_database, monkeypatch) -> Api:
    """The shop of the tests; its channels are the files that ship, in the shop's currency."""
    folder = settings.secrets_dir()
    write_secrets(folder)
    (folder / "alipay-app.pem").write_text(OURS["private_key"])
    (folder / "alipay.pub.pem").write_text(THEIRS["public_key"])
    (folder / "stripe-endpoint").write_text(json.dumps({"paid": HOOK}))
    for name, value in {**ENVIRONMENT, "SALEWRIGHT_CHANNELS": "live", "SALEWRIGHT_PUBLIC_URL": "https://api.example"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sending, "send", answered)
    files = {}
    for name in SENDERS:
        text = (ROOT / "channels" / f"{name}.yaml").read_text().partition("\nexamples:")[0] + "\n"
        files[f"channels/{name}.yaml"] = "\n".join("currency: CNY" if line.startswith("currency: ") else line for line in text.split("\n"))
    scene = FILES["scenes/cards-app.yaml"].replace("[till, desk]", f"[till, desk, {', '.join(SENDERS)}]")
    return Api({**FILES, **files, "scenes/cards-app.yaml": scene})


def pays(api: Api, channel: str) -> Mapping[str, Any]:
    api.buyer()
    client = {"return_url": "https://shop.example/back"}
    reply = api.post(f"/v1/orders/{api.order()['no']}/pay", {"channel": channel, "client": client}, once=uuid.uuid4().hex)
    assert reply.status == 201, reply.json
    return reply.json


@pytest.mark.parametrize("channel", SENDERS)
def test_a_sale_and_what_is_refused_before_it(channel, api, caplog):
    payment, sender = pays(api, channel), SENDERS[channel]
    right = {"no": payment["no"], "amount": payment["amount_minor"], "merchant": "M1", "forged": False, "off_s": 0}
    for change, word in NOT_TAKEN:
        if change.keys() <= set(sender.lacks):
            continue
        caplog.clear()
        body, headers = sender.told(**{**right, **change})
        before = everything()
        reply = api.ask("POST", f"/v1/notices/{channel}/paid", key="", raw=body, headers=headers)
        assert everything() == before, change
        line = next(record for record in caplog.records if record.name == "salewright.notice")
        assert (line.levelname, line.channel, line.event, line.interface) == ("ERROR", channel, "paid", "notices.receive")
        assert word in line.reason
        assert (reply.status, reply.raw.decode()) == (sender.refused, sender.words.format(reason=line.reason))
    body, headers = sender.told(**right)
    for _ in range(2):
        reply = api.ask("POST", f"/v1/notices/{channel}/paid", key="", raw=body, headers=headers)
        assert (reply.status, reply.raw.decode()) == sender.taken
    order = api.get(f"/v1/orders/{payment['order']}").json
    assert order["state"] == "completed" and [p["state"] for p in order["payments"]] == ["succeeded"]
    assert invariants.violations() == []
