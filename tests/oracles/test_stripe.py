"""Stripe against its own SDK, both ways, and against `localstripe`: a Stripe of its own that runs here as a process, through
which an order is sold, paid by a buyer with Stripe's SDK, told by its webhooks, and given back.
"""
from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Iterator
from urllib.parse import parse_qsl

import pytest
import stripe
import urllib3
from stripe._encode import _api_encode

from engine import settling
from engine.audit import invariants
from engine.base import settings
from engine.pay import channels, payments
from engine.wire import operate
from tests.api.client import Api
from tests.api.shop import FILES, Gateway, write_secrets
from tests.support.processes import Processes, free_ports, status_of
from tests.support.waiting import wait_until
from tests.wire.making import AT_MS, AT_S, ROOT, built, concluded, facts, reply

from .channels import channel, heard, refused, said

HOOK = "whsec_new"
KEYS = {"key": "sk_test_12345", "publishable": "pk_test_12345", "endpoint": {"old": "whsec_old", "new": HOOK}}
INTENT = {"id": "pi_1", "object": "payment_intent", "amount": 990, "currency": "usd", "status": "succeeded",
          "client_secret": "pi_1_secret_1", "metadata": {"payment_no": "P1"}}
REFUND = {"id": "re_1", "object": "refund", "amount": 300, "currency": "usd", "status": "succeeded", "payment_intent": "pi_1",
          "metadata": {"refund_no": "R1", "payment_no": "P1"}}


def ours(**changes: Any) -> Any:
    return channel("stripe", KEYS, **changes)


def event(kind: str = "payment_intent.succeeded", of: dict[str, Any] = INTENT) -> str:
    return json.dumps({"id": "evt_1", "object": "event", "created": AT_S, "type": kind, "data": {"object": of}}, indent=2)


def header(body: str, secret: str = HOOK, at_s: int = AT_S) -> dict[str, str]:
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, at_s)}


# --- the SDK signs, we believe; and the other way round

@pytest.mark.parametrize("name, body", [
    ("paid", event()), ("paid", event("payment_intent.canceled", {**INTENT, "status": "canceled"})),
    ("refunded", event("refund.updated", REFUND)), ("refunded", event("refund.failed", {**REFUND, "status": "failed"}))])
def test_we_believe_what_the_sdk_signs(name, body):
    notice, = heard(ours(), name, body, header(body))
    assert notice.fields["currency"] == "USD" and notice.fields["amount_minor"] in (990, 300)
    assert stripe.WebhookSignature.verify_header(body, header(body)["Stripe-Signature"], HOOK)


@pytest.mark.parametrize("at", range(0, len(event()), 7))
def test_any_byte_of_a_webhook_counts(at):
    body = event()
    changed = body[:at] + chr(ord(body[at]) ^ 1) + body[at + 1:]
    assert refused(ours(), "paid", changed, header(body)) in ("signature_invalid", "unreadable")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(changed, header(body)["Stripe-Signature"], HOOK)


@pytest.mark.parametrize("headers, at_ms, code", [
    (header(event()), AT_MS + 300_000, ""), (header(event()), AT_MS + 301_000, "stale"), (header(event()), AT_MS - 301_000, "stale"),
    (header(event(), "whsec_old"), AT_MS, ""), (header(event(), "whsec_gone"), AT_MS, "signature_invalid"),
    ({}, AT_MS, "signature_missing"), ({"Stripe-Signature": ""}, AT_MS, "signature_missing"),
    ({"Stripe-Signature": header(event())["Stripe-Signature"].replace("v1=", "v0=")}, AT_MS, "signature_missing"),
    ({"Stripe-Signature": header(event(), "whsec_gone")["Stripe-Signature"] + "," +
      header(event())["Stripe-Signature"].partition(",")[2]}, AT_MS, ""),
], ids=["five minutes", "older", "from the future", "the old key", "a foreign key", "no header", "an empty one", "an old scheme",
        "two signatures, one of them ours"])
def test_times_and_keys(headers, at_ms, code):
    assert refused(ours(), "paid", event(), headers, at_ms=at_ms) == code
    assert said(ours(), "paid", "failure") == (400, b"not believed")


@pytest.mark.parametrize("operation", ["pay", "refund"])
def test_a_form_is_written_as_the_sdk_writes_it(operation):
    given = facts(payment__currency="USD", payment__channel_no="pi_1", refund__no="R1", refund__amount_minor=300,
                  refund__reason="a & b [c] = ü")
    request, _ = built(ours(), operation, given)
    trees = {"pay": {"amount": 990, "currency": "usd", "metadata": {"payment_no": "P1", "title": "周卡"}},
             "refund": {"payment_intent": "pi_1", "amount": 300,
                        "metadata": {"refund_no": "R1", "payment_no": "P1", "reason": "a & b [c] = ü"}}}
    assert parse_qsl(request.body.decode()) == [(name, str(value)) for name, value in _api_encode(trees[operation])]
    assert request.headers["idempotency-key"] == {"pay": "P1", "refund": "R1"}[operation]


@pytest.mark.parametrize("status, error, state", [
    (400, {"type": "idempotency_error", "message": "Keys for idempotent requests can only be used with the same parameters"}, "unknown"),
    (409, {"type": "invalid_request_error", "code": "idempotency_key_in_use"}, "unknown"),
    (402, {"type": "card_error", "code": "card_declined"}, "failed"), (429, {"code": "rate_limit"}, "busy"),
    (500, {"type": "api_error"}, "unknown"), (502, {}, "unknown")])
def test_errors(status, error, state):
    given = facts(payment__channel_no="pi_1", refund__no="R1", refund__amount_minor=300)
    assert concluded(ours(), "refund", given, reply(json.dumps({"error": error}), status)).state == state


# --- a sale through localstripe

class Hooks:
    """Where localstripe's webhooks arrive: each is handed to the interface as it came."""

    def __init__(self) -> None:
        self.api: Api | None = None
        self.answers: list[tuple[str, int, bytes]] = []
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                status = hooks.take(self.path, raw, self.headers["Stripe-Signature"])
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def take(self, path: str, raw: bytes, signature: str) -> int:
        assert self.api is not None
        answer = self.api.ask("POST", path, key="", raw=raw, headers={"Stripe-Signature": signature})
        self.answers.append((json.loads(raw)["type"], answer.status, raw))
        return answer.status

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    server = Hooks()
    yield server
    server.close()


@pytest.fixture
def localstripe(processes: Processes, hooks: Hooks) -> stripe.StripeClient:
    """The process, told where our endpoints are; what the test gets is the buyer's way to it."""
    port = free_ports()
    process = processes.start(sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch")
    wait_until(lambda: process.popen.poll() is None and status_of(port, "/js.stripe.com/v3/") == 200, "localstripe")
    client = stripe.StripeClient("sk_test_12345", base_addresses={"api": f"http://127.0.0.1:{port}"}, max_network_retries=0)
    for name, kinds in (("paid", ["payment_intent.succeeded", "payment_intent.canceled"]), ("refunded", ["refund.updated"])):
        address = f"http://127.0.0.1:{port}/_config/webhooks/{name}"
        hook = {"url": f"{hooks.url}/v1/notices/stripe/{name}", "secret": HOOK, "events": kinds}
        assert urllib3.request("POST", address, json=hook).status == 200
    client.here = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
    return client


@pytest.fixture
def api(sqlite_database, localstripe, hooks, monkeypatch) -> Iterator[Api]:
    """A shop of the tests that takes Stripe by the file that ships; what differs is the address, the currency of the shop,
    and that localstripe can list intents but not search them."""
    text = (ROOT / "channels" / "stripe.yaml").read_text().split("\nexamples:\n")[0] + "\n"
    for old, new in (("base: https://api.stripe.com", f"base: {localstripe.here}"), ("currency: USD", "currency: CNY"),
                     ("/v1/payment_intents/search", "/v1/payment_intents"),
                     ("    query: {query: \"metadata['payment_no']:'{payment.no}'\"}\n", "")):
        assert old in text
        text = text.replace(old, new)
    for name, value in {"SALEWRIGHT_CHANNELS": "live", "STRIPE_KEY": "sk_test_12345", "STRIPE_PUBLISHABLE_KEY": "pk_test_12345"}.items():
        monkeypatch.setenv(name, value)
    gateway = Gateway()
    monkeypatch.setenv("SALEWRIGHT_SANDBOX_URL", gateway.url)
    monkeypatch.setenv("SALEWRIGHT_PUBLIC_URL", hooks.url)
    write_secrets(settings.secrets_dir())
    (settings.secrets_dir() / "stripe-endpoint").write_text(json.dumps({"old": "whsec_old", "new": HOOK}))
    scene = FILES["scenes/cards-app.yaml"].replace("[till, desk]", "[till, desk, stripe]")
    hooks.api = Api({**FILES, "channels/stripe.yaml": text, "scenes/cards-app.yaml": scene})
    hooks.api.buyer()
    yield hooks.api
    gateway.close()
    assert invariants.violations() == []


def buys(localstripe: stripe.StripeClient, payment: dict[str, Any], card: str = "pm_card_visa") -> str:
    """What Stripe's form does in the buyer's browser: a card, and confirm. Returns the intent's id."""
    intent_id = payment["client"]["params"]["client_secret"].partition("_secret_")[0]
    method = localstripe.v1.payment_methods.retrieve(card)
    localstripe.v1.payment_intents.update(intent_id, {"payment_method": method.id})
    localstripe.v1.payment_intents.confirm(intent_id)
    return intent_id


def test_a_sale_through_localstripe(api, localstripe, hooks):
    order = api.order()
    payment = api.pay(order["no"], "stripe")
    assert payment["client"]["params"]["publishable_key"] == "pk_test_12345"
    assert api.get(f"/v1/orders/{order['no']}")["state"] == "awaiting_payment"

    intent_id = buys(localstripe, payment)
    wait_until(lambda: hooks.answers, "the webhook")
    assert [(kind, status) for kind, status, _ in hooks.answers] == [("payment_intent.succeeded", 200)]
    sold = api.get(f"/v1/orders/{order['no']}").json
    assert (sold["state"], sold["payments"][0]["channel_no"]) == ("completed", intent_id)
    kept = localstripe.v1.payment_intents.retrieve(intent_id)
    assert (kept.amount, kept.currency, kept.metadata["payment_no"]) == (4000, "cny", payment["no"])

    _, _, raw = hooks.answers[0]
    stamp = header(raw.decode(), at_s=int(time.time()))
    assert api.ask("POST", "/v1/notices/stripe/paid", key="", raw=raw, headers=stamp).status == 200, "told again: nothing new"
    forged = raw.replace(b"4000", b"4001")
    assert api.ask("POST", "/v1/notices/stripe/paid", key="", raw=forged, headers=stamp).status == 400
    less = json.loads(raw)
    less["id"], less["data"]["object"]["amount"] = "evt_less", 3999
    text = json.dumps(less)
    wrong = api.ask("POST", "/v1/notices/stripe/paid", key="", raw=text.encode(), headers=header(text, at_s=int(time.time())))
    assert wrong.status == 400 and b"amount" in wrong.raw, "signed well, and of another amount"


def test_money_nobody_asked_for_is_heard_of_without_a_webhook_and_given_back(api, localstripe, hooks):
    """The order is paid elsewhere first; the buyer pays the intent all the same, and no webhook comes."""
    hooks.take = lambda path, raw, signature: 500  # type: ignore[method-assign]
    order = api.order()
    payment = api.pay(order["no"], "stripe")
    assert settling.ask_payment(payment["no"]) == "pending"
    till = api.pay(order["no"])
    assert api.notice("till", "paid", api.paid_notice(till)).status == 200
    intent_id = buys(localstripe, payment)
    assert settling.ask_payment(payment["no"]) == "succeeded"

    refund, = api.get(f"/v1/orders/{order['no']}").json["refunds"]
    assert refund["payment"] == payment["no"]
    assert settling.send_refund(refund["no"]) == "succeeded"
    given_back = localstripe.v1.refunds.list({"payment_intent": intent_id}).data
    assert [(r.amount, r.metadata["refund_no"]) for r in given_back] == [(4000, refund["no"])]
    channel_facts = {"payment.no": payment["no"], "payment.channel_no": intent_id}
    ch = channels.get("stripe")
    assert operate(ch, "refund_query", {**channel_facts, "refund.no": refund["no"]}).state == "succeeded"
    assert operate(ch, "refund_query", {**channel_facts, "refund.no": "R-none"}).state == "absent"


def test_an_intent_nobody_paid_is_canceled(api, localstripe):
    payment = api.pay(api.order()["no"], "stripe")
    settling.close_payment(payment["no"])
    assert payments.find(payment["no"])["state"] == "closed"
    intent_id = payment["client"]["params"]["client_secret"].partition("_secret_")[0]
    assert localstripe.v1.payment_intents.retrieve(intent_id).status == "canceled"
