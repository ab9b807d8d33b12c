"""Razorpay's webhooks and return check against the verifier of its own SDK, both ways."""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
import razorpay

from engine.wire import casts, codecs
from tests.wire.making import built, facts

from .channels import channel, heard, refused, said

HOOK, SECRET = "webhook-secret", "key-secret"
SDK = razorpay.Client(auth=("rzp_test_1", SECRET)).utility
PAID = {"entity": "event", "account_id": "acc_1", "event": "order.paid", "contains": ["payment", "order"], "created_at": 1554208460,
        "payload": {"payment": {"entity": {"id": "pay_1", "amount": 990, "currency": "INR", "status": "captured", "notes": []}},
                    "order": {"entity": {"id": "order_1", "amount": 990, "receipt": "P1", "status": "paid"}}}}
REFUNDED = {**PAID, "event": "refund.processed", "payload": {"refund": {"entity": {
    "id": "rfnd_1", "amount": 300, "currency": "INR", "payment_id": "pay_1", "receipt": "R1", "status": "processed"}}}}
BACK = {"razorpay_order_id": "order_1", "razorpay_payment_id": "pay_1"}


def ours(**secrets: str) -> Any:
    return channel("razorpay", {"key_id": "rzp_test_1", "key_secret": SECRET, "webhook": HOOK, "account": "acc_1", **secrets})


def digest(text: str, secret: str = HOOK) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def verifies(check: Any, *given: Any) -> bool:
    try:
        return bool(check(*given))
    except razorpay.errors.SignatureVerificationError:
        return False


@pytest.mark.parametrize("event, tree, state", [
    ("paid", PAID, "succeeded"), ("refunded", REFUNDED, "succeeded"), ("paid", {**PAID, "note": "ü & 周卡"}, "succeeded")])
def test_we_believe_what_the_sdk_verifies(event, tree, state):
    body = json.dumps(tree, ensure_ascii=False)
    notice, = heard(ours(), event, body.encode(), {"X-Razorpay-Signature": digest(body), "X-Razorpay-Event-Id": "E1"})
    assert notice.fields["state"] == state
    assert verifies(SDK.verify_webhook_signature, body, digest(body), HOOK)


@pytest.mark.parametrize("at", range(0, len(json.dumps(PAID)), 5))
def test_any_byte_of_a_webhook_counts(at):
    body = json.dumps(PAID)
    changed = body[:at] + chr(ord(body[at]) ^ 1) + body[at + 1:]
    assert refused(ours(), "paid", changed, {"X-Razorpay-Signature": digest(body)}) in ("signature_invalid", "unreadable")
    assert not verifies(SDK.verify_webhook_signature, changed, digest(body), HOOK)


@pytest.mark.parametrize("tree, signature, code", [
    (PAID, "", "signature_missing"), (PAID, digest(json.dumps(PAID), "another"), "signature_invalid"),
    (PAID, digest(json.dumps(PAID), SECRET), "signature_invalid"), (PAID, digest(json.dumps(PAID)).upper(), "signature_invalid"),
    ({**PAID, "account_id": "acc_2"}, None, "mismatch"),
], ids=["none", "a foreign key", "the API's key instead of the webhook's", "upper case", "a foreign account"])
def test_what_we_refuse(tree, signature, code):
    body = json.dumps(tree)
    header = digest(body) if signature is None else signature
    assert refused(ours(), "paid", body, {"X-Razorpay-Signature": header}) == code
    assert said(ours(), "paid", "failure") == (500, b"not believed")


def test_the_same_webhook_under_another_event_id_is_the_same():
    body, keys = json.dumps(PAID), set()
    for event_id in ("E1", "E2"):
        notice, = heard(ours(), "paid", body, {"X-Razorpay-Signature": digest(body), "X-Razorpay-Event-Id": event_id})
        keys.add(notice.dedupe_key)
    assert len(keys) == 1, "the header is signed by nobody"


@pytest.mark.parametrize("changes, good", [
    ({}, True), ({"razorpay_order_id": "order_2"}, False), ({"razorpay_payment_id": "pay_2"}, False),
    ({"razorpay_signature": digest("order_1|pay_1")}, False), ({"razorpay_signature": digest("order_1|pay_1", SECRET)}, True)])
def test_the_buyer_who_comes_back(changes, good):
    given = {**BACK, "razorpay_signature": digest("order_1|pay_1", SECRET), **changes}
    form = codecs.write_form(given, casts.as_text)
    assert verifies(SDK.verify_payment_signature, given) is good
    assert (refused(ours(), "returned", form, query={"payment_no": "P1"}) == "") is good
    if good:
        notice, = heard(ours(), "returned", form, query={"payment_no": "P1"})
        assert notice.fields == {"payment_no": "P1", "state": "pending"}, "it proves no money"


def test_requests_carry_the_key_and_refunds_can_be_repeated():
    given = facts(payment__currency="INR", payment__channel_no="pay_1", refund__no="R123456789", refund__amount_minor=300)
    request, _ = built(ours(), "refund", given)
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"rzp_test_1:{SECRET}".encode()).decode()
    assert request.headers["x-refund-idempotency"] == "R123456789"
    assert request.url == "https://api.razorpay.com/v1/payments/pay_1/refund"
