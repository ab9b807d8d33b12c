"""Contracts over HTTP: signed, told of, deducted, changed and ended, through a channel that is spoken for real."""
from __future__ import annotations

import re
import uuid

import pytest

from engine import renewing, startup
from engine.api import keys
from engine.base import clock
from engine.config import releases
from engine.config.live import live
from engine.flow import outbox
from engine.workers import jobs                # noqa: F401  the outbox's handlers
from tests.api.client import Api, count
from tests.api.conftest import opened
from tests.api.shop import FILES
from tests.support.contract_files import CONTRACT_FILES
from tests.support.selling import NOON

VAULT = """\
id: vault
title: {zh: 金库, en: Vault}
role: pay
currency: CNY
base: "{settings.sandbox_url}/vault"
timeout: 2s
constants: {shop: S1}
secrets: {key: {file: channel.key}}
verify: &signed
  text: "{header.X-Time}.{body}"
  hmac_sha256: key
  signature: header.X-Signature
  fresh: {at: header.X-Time, within: 300s}
match: {merchant: "{shop}"}
judge: [{http: 400..499, then: failed}]
operations:
  pay: {client: {text: "{payment.no}"}}
  pay_and_sign: {client: {text: "{payment.no} {contract.no}"}}
  sign:
    post: /contracts
    json: {no: "{contract.no}", price: "{contract.amount:fen}"}
    take: {merchant: shop}
    judge: [{http: 200, then: pending}]
    client: {redirect: "{answer.page}"}
  withhold:
    post: /deductions
    json: {no: "{payment.no}", contract: "{contract.channel_no}", amount: "{payment.amount:fen}"}
    take: &payment
      merchant: shop
      payment_no: no
      channel_no: id
      channel_contract_no: contract
      amount: {fen: amount}
      reason: why
      state: {of: state, PAID: succeeded, OPEN: pending, FAILED: failed, else: unknown}
    judge: [{http: 200, then: as_taken}]
  query:
    get: /payments/{payment.no}
    take: *payment
    judge: [{http: 404, then: absent}, {http: 200, then: as_taken}]
  unsign:
    post: /contracts/{contract.channel_no}/end
    take: {merchant: shop}
    judge: [{http: 200, then: succeeded}]
  refund:
    post: /refunds
    json: {no: "{refund.no}", payment: "{payment.no}", amount: "{refund.amount:fen}"}
    take: {merchant: shop}
    judge: [{http: 200, then: succeeded}]
notices:
  paid:
    verify: *signed
    take: *payment
    once_by: [notice.id, notice.state]
    answer: &words
      success: {status: 200, json: {said: "OK"}}
      failure: {status: 500, json: {said: "NO", why: "{reason}"}}
  signed:
    verify: *signed
    take:
      merchant: shop
      contract_no: no
      channel_contract_no: contract
      reason: why
      state: {of: state, IN_FORCE: signed, OVER: ended, else: unknown}
    once_by: [notice.contract, notice.state]
    answer: *words
"""
SHOP = {**FILES, **{path: text for path, text in CONTRACT_FILES.items() if path.startswith(("product", "lines"))},
        "channels/vault.yaml": VAULT,
        "lines/club.yaml": re.sub("template: [a-z]+", "template: opened", CONTRACT_FILES["lines/club.yaml"]),
        "scenes/club.yaml": CONTRACT_FILES["scenes/club.yaml"].replace("pass: all, card: [week, month]", "pass: all").replace(
            "[standing, signet, wallet]", "[vault, till]")}


@pytest.fixture
def api(database, gateway, monkeypatch) -> Api:
    monkeypatch.setattr("tests.api.conftest.FILES", SHOP)
    clock.set_to(NOON)
    return opened(monkeypatch, gateway)


@pytest.fixture
def lite(sqlite_database, gateway, monkeypatch) -> Api:
    monkeypatch.setattr("tests.api.conftest.FILES", SHOP)
    clock.set_to(NOON)
    return opened(monkeypatch, gateway)


def signing(api, once: str = "", **more):
    body = {"scene": "club", "sku": "pass/monthly", "buyer": {"id": api.buyer()}, "channel": "vault", **more}
    return api.post("/v1/contracts", body, once=once or uuid.uuid4().hex)


def told(api, contract, state="IN_FORCE", **more):
    return api.notice("vault", "signed", {"shop": "S1", "no": contract["no"], "contract": f"A-{contract['no']}", "state": state, **more})


def in_force(api):
    """A contract that is paid and signed by one notice."""
    made = signing(api).json
    payment = made["order"]["payment"]
    reply = api.notice("vault", "paid", {**api.paid_notice(payment), "contract": f"A-{made['contract']['no']}"})
    assert reply.status == 200
    assert told(api, made["contract"]).status == 200
    return made["contract"]["no"]


def work(api):
    renewing.scan()
    while outbox.drain():
        pass


def a_month_later(api):
    for days in (29, 1):                       # announced, then deducted
        clock.advance(days * 86_400)
        work(api)


def paid_by(gateway, state="PAID"):
    gateway.says("POST", "/vault/deductions", lambda path, body: (200, {
        "shop": "S1", "no": body["no"], "id": f"D-{body['no']}", "contract": body["contract"], "amount": int(body["amount"]),
        "state": state, "why": "no money"}))


def test_signed_with_the_payment_and_renewed(api, gateway):
    made = signing(api).json
    contract, payment = made["contract"], made["order"]["payment"]
    assert (contract["state"], contract["next_price_minor"], payment["client"]) == (
        "signing", 2500, {"text": f"{payment['no']} {contract['no']}"})
    assert api.notice("vault", "paid", api.paid_notice(payment)).status == 200
    assert api.get(f"/v1/orders/{made['order']['no']}")["state"] == "completed"
    assert told(api, contract).status == 200 and told(api, contract).status == 200
    whole = api.get(f"/v1/contracts/{contract['no']}").json
    assert (whole["state"], whole["paid_periods"], whole["channel_no"], [p["state"] for p in whole["periods"]]) == (
        "active", 1, f"A-{contract['no']}", ["paid"])
    paid_by(gateway)
    a_month_later(api)
    whole = api.get(f"/v1/contracts/{contract['no']}").json
    assert [(p["n"], p["state"], p["amount_minor"]) for p in whole["periods"]] == [(1, "paid", 3000), (2, "paid", 2500)]
    assert {m["what"] for m in whole["timeline"]} == {"contract", "contract_period"}
    renewal = api.get(f"/v1/orders/{whole['periods'][1]['order']}").json
    assert (renewal["state"], renewal["quote"], renewal["payable_minor"]) == ("completed", None, 2500)


def test_one_notice_says_that_it_is_paid_and_signed(api):
    made = signing(api).json
    notice = {**api.paid_notice(made["order"]["payment"]), "contract": "A-9"}
    assert told(api, {"no": "C0"}).status == 500                       # no contract of ours
    assert api.notice("vault", "paid", notice).status == 200           # its number is not known yet, the payment is
    assert told(api, made["contract"]).status == 200
    assert api.get(f"/v1/contracts/{made['contract']['no']}")["state"] == "active"


def test_signed_first(api, gateway):
    gateway.says("POST", "/vault/contracts", (200, {"shop": "S1", "page": "https://vault.example/sign"}))
    paid_by(gateway)
    made = signing(api, sign="first").json
    assert made["order"]["payment"]["client"] == {"redirect": "https://vault.example/sign"}
    assert told(api, made["contract"]).status == 200
    work(api)
    whole = api.get(f"/v1/contracts/{made['contract']['no']}").json
    assert (whole["state"], whole["paid_periods"]) == ("active", 1)
    assert [body["amount"] for method, path, body in gateway.asked if path == "/vault/deductions"] in (["3000"], [3000])


def test_the_same_request_signs_once(api, gateway):
    gateway.says("POST", "/vault/contracts", (200, {"shop": "S1", "page": "https://vault.example/sign"}))
    for sign in ("first", "with_payment"):
        first, again = (signing(api, once=sign, sign=sign) for _ in range(2))
        assert first.status == again.status == 201 and first.json == again.json and again.replayed
    assert count("contract") == 2


def test_refused(api):
    assert signing(api, sku="card/month").json["code"] == "not_sold_here"
    assert signing(api, channel="till").json["code"] == "contract_refused"
    assert signing(api, channel="desk").json["code"] == "channel_not_allowed"
    assert count("contract") == 0
    for verb, path in (("GET", ""), ("POST", "/terminate"), ("POST", "/retry")):
        assert api.ask(verb, f"/v1/contracts/C0{path}", {} if "term" in path else None).json["code"] == "contract_unknown"


def test_nothing_is_signed_with_an_order_that_costs_nothing(lite, monkeypatch):
    gift = SHOP | {"coupons/gift.yaml": "id: gift\ntitle: {zh: 首月免费, en: First month free}\nbenefit: {price: 0.00}\n"
                                        "scope: {products: [pass/monthly]}\n"}
    releases.publish(gift, "gift", "tests", startup.vocabulary())
    live.look()
    refused = signing(lite)
    assert (refused.status, refused["code"]) == (422, "contract_refused") and "nothing is to be paid" in refused["message"]
    assert count("trade_order") == count("contract") == count("coupon_hold") == 0
    assert lite.post("/v1/orders", {"scene": "club", "items": [{"sku": "pass/monthly"}], "buyer": {"id": lite.buyer()}},
                     once="free")["state"] == "completed"


def test_a_buyers_contracts_page_by_page(lite):
    numbers = [signing(lite).json["contract"]["no"] for _ in range(3)]
    first = lite.get("/v1/contracts?buyer=b1&limit=2").json
    second = lite.get(f"/v1/contracts?buyer=b1&limit=2&cursor={first['next']}").json
    assert [c["no"] for c in first["items"] + second["items"]] == sorted(numbers, reverse=True) and second["next"] is None
    assert lite.get("/v1/contracts?buyer=b2")["items"] == []


def test_another_clients_contract_is_not_there(lite):
    no = signing(lite).json["contract"]["no"]
    other = keys.create("others", ["sell", "support"], ["cards-*"])
    assert lite.get(f"/v1/contracts/{no}", key=other).json["code"] == "contract_unknown"
    assert lite.get("/v1/contracts?buyer=b1", key=other)["items"] == []
    mine = keys.create("mine", ["sell"], ["club"])
    assert lite.get(f"/v1/contracts/{no}", key=mine).status == 200
    assert [c["no"] for c in lite.get("/v1/contracts?buyer=b1", key=mine)["items"]] == [no]


def test_a_price_is_proposed_and_agreed_to(api):
    no = in_force(api)
    assert api.post(f"/v1/contracts/{no}/price", {"price_minor": 9900})["proposed_price_minor"] == 9900
    assert api.post(f"/v1/contracts/{no}/consent", {"price_minor": 9800}).json["code"] == "consent_mismatch"
    agreed = api.post(f"/v1/contracts/{no}/consent", {"price_minor": 9900}).json
    assert (agreed["proposed_price_minor"], agreed["next_price_minor"]) == (None, 9900)


def test_retried_and_terminated(api, gateway):
    no = in_force(api)
    paid_by(gateway, "FAILED")
    assert api.ask("POST", f"/v1/contracts/{no}/retry").json["code"] == "contract_state"
    a_month_later(api)
    whole = api.get(f"/v1/contracts/{no}").json
    assert (whole["state"], whole["periods"][1]["state"], whole["periods"][1]["tries"], whole["periods"][1]["reason"]) == (
        "overdue", "failed", 1, "no money")
    paid_by(gateway)
    assert api.ask("POST", f"/v1/contracts/{no}/retry")["paid_periods"] == 2
    gateway.says("POST", "/vault/contracts", (200, {"shop": "S1"}))
    ended = api.post(f"/v1/contracts/{no}/terminate", {"reason": "no longer wanted"}).json
    assert (ended["state"], ended["reason"]) == ("ended", "no longer wanted")
    assert api.post(f"/v1/contracts/{no}/terminate").json == ended
    work(api)
    assert ("POST", f"/vault/contracts/A-{no}/end") in [asked[:2] for asked in gateway.asked]


def test_ended_at_the_channel(api):
    no = in_force(api)
    assert told(api, {"no": no}, "OVER", why="ended by the buyer").status == 200
    assert api.get(f"/v1/contracts/{no}")["state"] == "ended"
    assert api.notice("vault", "signed", {"shop": "S1", "no": no, "contract": "A-other", "state": "IN_FORCE"}).status == 500
