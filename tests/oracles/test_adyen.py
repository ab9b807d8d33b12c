"""Adyen's webhooks against the HMAC validator of its own library, both ways, and the sample that its libraries publish."""
from __future__ import annotations

import json
from typing import Any

import pytest
from Adyen.util import generate_notification_sig, is_valid_hmac_notification

from tests.wire.making import built, facts

from .channels import channel, heard, refused, said

KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
ITEM = {"pspReference": "7914073381342284", "originalReference": "", "merchantAccountCode": "TestMerchant",
        "merchantReference": "P1", "amount": {"value": 1130, "currency": "EUR"}, "eventCode": "AUTHORISATION", "success": "true",
        "eventDate": "2019-05-06T17:15:34.121+02:00", "reason": "033899:1111:03/2030", "operations": ["CANCEL", "CAPTURE", "REFUND"]}
REFUND = {**ITEM, "eventCode": "REFUND", "originalReference": "7914073381342284", "pspReference": "8825408195409505",
          "merchantReference": "R1"}


def adyen(hmac: str = KEY, merchant: str = "TestMerchant") -> Any:
    return channel("adyen", {"live_prefix": "x", "merchant": merchant, "api_key": "k", "client_key": "c", "hmac": hmac})


def signed(item: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    """An item with the signature that Adyen's library makes for it."""
    return {**item, "additionalData": {"hmacSignature": generate_notification_sig(item, key).decode()}}


def batch(*items: dict[str, Any]) -> str:
    return json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item} for item in items]})


@pytest.mark.parametrize("event, item, state", [
    ("paid", ITEM, "succeeded"), ("paid", {**ITEM, "success": "false"}, "pending"),
    ("paid", {**ITEM, "merchantReference": "订单 é : \\ \"1\""}, "succeeded"),
    ("refunded", REFUND, "succeeded"), ("refunded", {**REFUND, "success": "false"}, "failed"),
    ("refund_failed", {**REFUND, "eventCode": "REFUND_FAILED"}, "failed")])
def test_we_believe_what_the_library_signs(event, item, state):
    one = signed(item)
    notice, = heard(adyen(), event, batch(one))
    assert notice.fields["state"] == state and notice.dedupe_key == f"{event}:{item['eventCode']}:{item['pspReference']}"
    assert is_valid_hmac_notification(one, KEY)


def test_each_item_of_a_batch_is_verified_by_itself():
    first, second = heard(adyen(), "paid", batch(signed(ITEM), signed({**ITEM, "pspReference": "2", "merchantReference": "P2"})))
    assert (first.fields["payment_no"], second.fields["payment_no"]) == ("P1", "P2")
    assert first.fields["amount_minor"] == 1130 and first.fields["currency"] == "EUR"
    assert refused(adyen(), "paid", batch(signed(ITEM), signed(ITEM, "00" * 32))) == "signature_invalid"
    assert said(adyen(), "paid", "success") == (200, b"[accepted]")


SIGNED = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference", "eventCode", "success")


@pytest.mark.parametrize("name, value", [*((name, f"{ITEM[name]}x") for name in SIGNED),
                                         ("amount", {"value": 1131, "currency": "EUR"}), ("amount", {"value": 1130, "currency": "USD"})])
def test_what_is_signed_can_not_be_changed(name, value):
    changed = {**signed(ITEM), name: value}
    assert refused(adyen(), "paid", batch(changed)) == "signature_invalid"
    assert not is_valid_hmac_notification(changed, KEY)


@pytest.mark.parametrize("item, ours, code", [
    (ITEM, {}, "signature_missing"), ({**ITEM, "additionalData": {"hmacSignature": ""}}, {}, "signature_missing"),
    (signed(ITEM, "11" * 32), {}, "signature_invalid"), (signed(ITEM), {"hmac": "11" * 32}, "signature_invalid"),
    (signed(ITEM), {"merchant": "AnotherMerchant"}, "mismatch"),
    (signed({**ITEM, "amount": {"value": "11.30", "currency": "EUR"}}), {}, "unreadable"),
], ids=["unsigned", "an empty signature", "a foreign key", "a swapped key", "a foreign merchant", "an amount with a point"])
def test_what_we_refuse(item, ours, code):
    assert refused(adyen(**ours), "paid", batch(item)) == code
    assert said(adyen(), "paid", "failure") == (500, b"not believed")


def test_the_sample_of_adyens_libraries():
    sample = {"pspReference": "pspReference", "originalReference": "originalReference", "merchantAccountCode": "merchantAccount",
              "merchantReference": "reference", "amount": {"currency": "EUR", "value": 1000}, "eventCode": "EVENT", "success": "true",
              "additionalData": {"hmacSignature": "ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="}}
    ours = adyen("DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00", "merchantAccount")
    assert heard(ours, "paid", batch(sample)) == [], "believed, and passed over: it is no payment"
    assert refused(ours, "paid", batch({**sample, "success": "false"})) == "signature_invalid"


def test_a_key_that_can_be_repeated_is_on_every_request_that_moves_money():
    given = facts(client__return_url="https://shop.example", payment__expires_at_ms=0, payment__channel_no="7914073381342284",
                  refund__no="R1", refund__amount_minor=300)
    assert built(adyen(), "pay", given)[0].headers["idempotency-key"] == "P1"
    assert built(adyen(), "refund", given)[0].headers["idempotency-key"] == "R1"
