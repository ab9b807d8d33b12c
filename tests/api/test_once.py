"""Idempotency: one request is one order, whatever is repeated, raced or cut off."""
from __future__ import annotations

import json

import pytest

from engine import paying, settling, store
from engine.api import keys, ordering
from engine.api.once import Once
from engine.base import clock, settings
from engine.trade import idempotency
from tests.api.client import count
from tests.support.together import at_once, errors

ORDER = {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/month"}]}


class Died(BaseException):
    """Stands for SIGKILL: nothing that handles errors may catch it."""


def die(*args, **more):
    raise Died


# ── repeats ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_the_same_request_gets_its_first_answer_again_to_the_byte(api):
    api.buyer()
    body = {**ORDER, "pay": {"channel": "till", "client": {"openid": "o1"}}}
    first = api.post("/v1/orders", body, once="k1")
    # Another order of the fields is the same request.
    again = api.post("/v1/orders", raw=json.dumps(dict(reversed(body.items())), indent=1).encode(), once="k1")
    assert (first.status, again.status, first.replayed, again.replayed) == (201, 201, False, True)
    assert again.raw == first.raw and count("trade_order") == 1 and count("payment_order") == 1


def test_a_repeat_of_what_used_up_its_quote_is_no_refusal(api):
    api.buyer(tags=["fresh"])
    quote = api.post("/v1/quotes", {**ORDER, "items": [{"sku": "card/week"}]}).json
    body = {"scene": "cards-app", "buyer": {"id": "b1"}, "quote": quote["no"]}
    first = api.post("/v1/orders", body, once="k1")
    again = api.post("/v1/orders", body, once="k1")
    assert again.replayed and again.raw == first.raw


def test_a_guest_whose_answer_was_lost_gets_the_same_claim_token(lite):
    body = {"scene": "filings-pc", "items": [{"sku": "filing/standard"}]}
    first, again = (lite.post("/v1/orders", body, once="k1").json for _ in range(2))
    assert first["claim_token"] and again["claim_token"] == first["claim_token"]


@pytest.mark.parametrize("path, body", [
    ("/v1/orders", {**ORDER, "items": [{"sku": "card/month", "quantity": 2}]}),
    ("/v1/orders", {**ORDER, "lang": "en"}),
    ("/v1/entitlements/consume", {"buyer": {"id": "b1"}, "right": "contacts"})])
def test_another_request_under_the_key_is_refused(lite, path, body):
    lite.buyer()
    lite.sold()
    lite.post("/v1/orders", ORDER, once="k1")
    before = count("trade_order")
    reply = lite.post(path, body, once="k1")
    assert (reply.status, reply["code"]) == (409, "idempotency_key_reused") and count("trade_order") == before


def test_keys_of_two_clients_are_two(lite):
    lite.buyer()
    other = keys.create("other", ["sell"])
    first, second = lite.post("/v1/orders", ORDER, once="k1"), lite.post("/v1/orders", ORDER, once="k1", key=other)
    assert first["no"] != second["no"] and not second.replayed


def test_a_refusal_is_not_kept(lite):
    assert lite.post("/v1/orders", ORDER, once="k1")["code"] == "buyer_unknown"
    lite.buyer()
    reply = lite.post("/v1/orders", ORDER, once="k1")
    assert reply.status == 201 and not reply.replayed


@pytest.mark.parametrize("key, status", [("", 400), ("x" * 100, 201), ("x" * 101, 400), ("two words", 400), ("clé", 400)])
def test_a_key_is_needed_and_has_a_form(lite, key, status):
    lite.buyer()
    reply = lite.post("/v1/orders", ORDER, headers={"Idempotency-Key": key.encode().decode("latin-1")})
    assert reply.status == status
    if status == 400:
        assert reply["code"] == ("bad_request" if key else "idempotency_key_required")
        assert reply["details"][0]["path"] == "Idempotency-Key"


# ── races ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_twins_are_one_order(api):
    api.buyer()
    replies = at_once(lambda n: api.post("/v1/orders", ORDER, once="k1"), range(8))
    assert errors(replies) == [] and {r.status for r in replies} == {201}
    assert len({r.raw for r in replies}) == 1 and sum(not r.replayed for r in replies) == 1
    assert count("trade_order") == 1 and count("purchase_count") == 0


def test_twins_of_a_scarce_thing_are_one_order(api):
    api.buyer(tags=["fresh"])
    body = {**ORDER, "items": [{"sku": "card/week"}]}
    replies = at_once(lambda n: api.post("/v1/orders", body, once="k1"), range(8))
    assert errors(replies) == [] and {r.status for r in replies} == {201} and len({r["no"] for r in replies}) == 1


def test_twins_with_a_payment_call_are_one_order_and_one_call(api, gateway):
    gateway.says("POST", "/desk/payments", lambda path, body: (200, {"qr": body["no"]}))
    api.buyer()
    body = {**ORDER, "pay": {"channel": "desk"}}
    replies = at_once(lambda n: api.post("/v1/orders", body, once="k1"), range(6))
    assert errors(replies) == []
    good = [r for r in replies if r.status == 201]
    assert good and len({r.raw for r in good}) == 1
    assert {r["code"] for r in replies if r.status != 201} <= {"idempotency_in_flight"}
    assert count("trade_order") == 1 and len(gateway.asked) == 1


# ── cut off ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_an_order_whose_payment_call_was_cut_off_goes_on(api, gateway, monkeypatch):
    gateway.says("POST", "/desk/payments", lambda path, body: (200, {"qr": body["no"]}))
    api.buyer()
    body = {"scene": "cards-page", "items": ORDER["items"], "fields": {"campaign": "a"}, "pay": {"channel": "desk"}}
    with monkeypatch.context() as patch:
        patch.setattr(paying, "call", die)
        with pytest.raises(Died):
            api.post("/v1/orders", body, once="k1")
    order_no, payment_no = store.query(store.trade, "SELECT order_no, no FROM payment_order")[0]

    # At first nobody can tell it from a slow one.
    monkeypatch.setattr("engine.api.once.WAIT_S", 0.1)
    reply = api.post("/v1/orders", body, once="k1")
    assert (reply.status, reply["code"], reply["retryable"]) == (409, "idempotency_in_flight", True)

    # Then the sweep asks the channel, which has never heard of it, and the next repeat pays anew.
    clock.advance(120)
    gateway.says("GET", f"/desk/payments/{payment_no}", (404, {"why": "absent"}))
    assert settling.ask_payment(payment_no) in ("closed", "failed")
    done = api.post("/v1/orders", body, once="k1")
    assert (done.status, done["no"], len(done["claim_token"])) == (201, order_no, 32)
    assert done["payment"]["state"] == "pending" and done["payment"]["no"] != payment_no
    assert api.post("/v1/orders", body, once="k1").raw == done.raw
    assert count("trade_order") == 1 and len([a for a in gateway.asked if a[0] == "POST"]) == 1


def test_a_payment_that_was_taken_and_not_answered_is_given_again(api, gateway, monkeypatch):
    gateway.says("POST", "/desk/payments", lambda path, body: (200, {"qr": body["no"]}))
    api.buyer()
    order = api.order()
    path = f"/v1/orders/{order['no']}/pay"
    with monkeypatch.context() as patch:
        patch.setattr(Once, "finish", die)
        with pytest.raises(Died):
            api.post(path, {"channel": "desk"}, once="p1")
    again = api.post(path, {"channel": "desk"}, once="p1")
    assert again.status == 201 and again["client"] == {"qr": again["no"]} and len(gateway.asked) == 1
    assert idempotency.recall(api.key.partition(".")[0], "p1", _fingerprint(api, "p1"))["status"] == 201


def _fingerprint(api, key):
    return store.query(store.trade, "SELECT fingerprint FROM idempotency_key WHERE key = ?", (key,))[0][0]


def test_how_long_a_call_may_take_follows_the_setting(monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_CALL_TIMEOUT_S", "3")
    assert ordering._call_may_take_ms() == 8000
    monkeypatch.delenv("SALEWRIGHT_CALL_TIMEOUT_S")
    assert settings.get_int("ASK_AFTER_S") * 1000 > ordering._call_may_take_ms()
