"""PayPal's webhooks against `paypalrestsdk`, both ways; and the certificate they name, fetched from a server of the tests'.

The SDK calls pyOpenSSL's `crypto.verify`, which newer ones no longer have: the one primitive is put back here, by
`cryptography`. What the signature covers, whose certificate it is and whether it can be trusted stays the SDK's own judgement.
"""
from __future__ import annotations

import json
from typing import Any, Iterator

import OpenSSL.crypto
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from paypalrestsdk import WebhookEvent

from engine.base import clock, settings
from engine.wire import receive
from engine.wire.compile import compile_channel
from engine.wire.examples import found_by
from engine.wire.model import NoticeRejected
from engine.wire.secrets import Given
from tests.wire.authority import Authority, serving
from tests.wire.making import AT_MS, OURS, THEIRS, facts, incoming, rsa

from .channels import channel, documents, heard, refused, said

HOOK, NAME = "8PT597110X687430LKGECATA", "messageverificationcerts.paypal.com"
CERT = "https://api.paypal.com/v1/notifications/certs/CERT-1"
SENT = "2019-04-02T12:34:20Z"
CAPTURE = {"id": "2GG279541U471931P", "status": "COMPLETED", "custom_id": "P1", "amount": {"currency_code": "USD", "value": "9.90"},
           "create_time": "2019-04-02T12:34:00Z"}
SECRETS = {"client_id": "id", "client_secret": "hush", "webhook_id": HOOK}


def paypal(**more: Any) -> Any:
    secrets = {**documents()["paypal"]["secrets"], "certificates": {"as": "keyring", "file": "certificates"}}
    return channel("paypal", {**SECRETS, "certificates": {CERT: THEIRS["public_key"]}, **more}, secrets=secrets)


def event(kind: str = "PAYMENT.CAPTURE.COMPLETED", resource: dict[str, Any] = CAPTURE) -> str:
    return json.dumps({"id": "WH-1", "event_type": kind, "resource": resource, "summary": "Payment completed for $ 9.90 – ü"},
                      ensure_ascii=False)


def headers(body: str, pair: dict[str, str] = THEIRS, hook: str = HOOK, sent: str = SENT, cert: str = CERT) -> dict[str, str]:
    """Signed over the text that the SDK expects."""
    text = WebhookEvent._get_expected_sig("T-1", sent, hook, body)
    return {"Paypal-Transmission-Id": "T-1", "Paypal-Transmission-Time": sent, "Paypal-Cert-Url": cert,
            "Paypal-Auth-Algo": "SHA256withRSA", "Paypal-Transmission-Sig": rsa(pair, text)}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def verify(authority, monkeypatch) -> Any:
    """WebhookEvent.verify over headers and body, with a certificate of PayPal's name by the tests' authority."""
    def matches(cert: Any, signature: bytes, data: bytes, _: str) -> None:
        cert.to_cryptography().public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())

    store = OpenSSL.crypto.X509Store()
    store.add_cert(OpenSSL.crypto.X509.from_cryptography(authority.certificate))
    pem = authority.certify(NAME, load_pem_public_key(THEIRS["public_key"].encode()))
    certificate = OpenSSL.crypto.X509.from_cryptography(x509.load_pem_x509_certificate(pem.encode()))
    monkeypatch.setattr(OpenSSL.crypto, "verify", matches, raising=False)
    monkeypatch.setattr(WebhookEvent, "_get_certificate_store", classmethod(lambda cls: store))
    monkeypatch.setattr(WebhookEvent, "_get_cert", staticmethod(lambda url: certificate))

    def ask(body: str, sent: dict[str, str]) -> bool:
        return WebhookEvent.verify(sent["Paypal-Transmission-Id"], sent["Paypal-Transmission-Time"], HOOK, body,
                                   sent["Paypal-Cert-Url"], sent["Paypal-Transmission-Sig"], sent["Paypal-Auth-Algo"])
    return ask


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name, body, state", [
    ("paid", event(), "succeeded"), ("paid", event("PAYMENT.CAPTURE.DENIED", {**CAPTURE, "status": "DECLINED"}), "failed"),
    ("approved", event("CHECKOUT.ORDER.APPROVED", {"id": "O1", "purchase_units": [{"custom_id": "P1", "amount": CAPTURE["amount"]}]}),
     "pending"),
    ("refunded", event("PAYMENT.CAPTURE.REFUNDED", {**CAPTURE, "custom_id": "R1"}), "succeeded")])
def test_what_the_sdk_believes_we_believe(name, body, state, verify):
    notice, = heard(paypal(), name, body.encode(), headers(body))
    assert (notice.fields["state"], notice.fields["amount_minor"], notice.fields["currency"]) == (state, 990, "USD")
    assert verify(body, headers(body)) is True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("at", range(0, len(event()), 9))
def test_any_byte_of_a_webhook_counts(at, verify):
    body = event()
    changed = body[:at] + chr(ord(body[at]) ^ 1) + body[at + 1:]
    assert refused(paypal(), "paid", changed.encode(), headers(body)) in ("signature_invalid", "unreadable")
    assert verify(changed, headers(body)) is False


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("sent, code", [
    ({"Paypal-Transmission-Id": "T-2"}, "signature_invalid"), ({"Paypal-Transmission-Time": "2019-04-02T12:34:21Z"}, "signature_invalid"),
    (headers(event(), OURS), "signature_invalid"), (headers(event(), hook="ANOTHER"), "signature_invalid")],
    ids=["another id", "another time", "a swapped key", "another webhook"])
def test_any_signed_header_counts(sent, code, verify):
    changed = {**headers(event()), **sent}
    assert refused(paypal(), "paid", event().encode(), changed) == code
    assert verify(event(), changed) is False
    assert said(paypal(), "paid", "failure") == (500, b"not believed")


@pytest.mark.parametrize("sent, at_ms, code", [
    ({}, AT_MS + 73 * 3600_000, ""), ({}, AT_MS + 73 * 3600_000 + 1000, "stale"), ({}, AT_MS - 73 * 3600_000 - 1000, "stale"),
    ({"Paypal-Cert-Url": "https://api.paypal.com.evil.example/cert"}, AT_MS, "key_unknown"),
    ({"Paypal-Transmission-Sig": ""}, AT_MS, "signature_missing")])
def test_times_and_certificates(sent, at_ms, code):
    assert refused(paypal(), "paid", event().encode(), {**headers(event()), **sent}, at_ms=at_ms) == code


# --- the certificate, fetched

@pytest.fixture
def fetched(tmp_path, authority) -> Iterator[Any]:
    """fetched(name): the channel by the file that ships, whose certificates of that name lie on a server of the tests'."""
    folder = settings.secrets_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_text(authority.pem())
    (tmp_path / "server.pem").write_text(authority.issue("127.0.0.1"))
    names: list[str] = []

    def answers(request: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, authority.certify(names[0], load_pem_public_key(THEIRS["public_key"].encode())).encode()

    with serving(answers, tmp_path / "server.pem") as server:
        def make(name: str) -> tuple[Any, str]:
            names[:] = [name]
            doc = documents()["paypal"]
            linked = {**doc["secrets"]["certificates"]["linked"], "hosts": [server.address], "ca": "ca"}
            secrets = {**doc["secrets"], "ca": {"file": "ca.pem"}, "certificates": {"as": "keyring", "linked": linked}}
            ch = compile_channel({**doc, "secrets": secrets, "tls": {"ca": "ca"}}, Given({**SECRETS, "ca": authority.pem()}))
            return ch, f"https://{server.address}/v1/notifications/certs/CERT-1"
        yield make


def told(cert: str) -> Any:
    sent = clock.to_datetime(clock.now_ms()).isoformat(timespec="seconds").replace("+00:00", "Z")
    return incoming(event().encode(), headers(event(), cert=cert, sent=sent))


def test_the_certificate_is_fetched_and_must_be_paypals(fetched):
    ch, address = fetched(NAME)
    notice, = receive(ch, "paid", told(address))
    assert notice.fields["payment_no"] == "P1"
    with pytest.raises(NoticeRejected) as refusal:
        receive(ch, "paid", told("https://api.paypal.com/v1/notifications/certs/CERT-1"))
    assert refusal.value.code == "key_unknown", "that host is not in this copy's list"
    ch, address = fetched("shop.evil.example")
    with pytest.raises(NoticeRejected) as refusal:
        receive(ch, "paid", told(address))
    assert refusal.value.code == "key_unknown"


def test_an_approval_alone_is_never_money():
    """The order is read as captured only where a capture stands in the answer, and only for what was asked."""
    given = facts(payment__currency="USD", payment__channel_no="O1")
    ours = paypal()

    def captured(tree: Any, status: int = 201) -> str:
        answer = {"status": status, "json": tree}
        return found_by(ours, {"operation": "query", "token": "t", "facts": given, "answer": answer})["state"]

    whole = {"id": "O1", "status": "COMPLETED", "purchase_units": [{"payments": {"captures": [CAPTURE]}}]}
    assert captured(whole) == "succeeded"
    assert captured({"id": "O1", "status": "COMPLETED"}) == "unknown"
    assert captured({"id": "O1", "status": "APPROVED", "purchase_units": [{"custom_id": "P1"}]}) == "unknown"
    assert captured({"details": [{"issue": "ORDER_NOT_APPROVED"}]}, 422) == "pending"
