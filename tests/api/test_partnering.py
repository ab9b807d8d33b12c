"""Partners over HTTP: they sign by their own scheme, charge by three entries, and see their pool."""
from __future__ import annotations

import pytest

from engine.api import keys
from engine.base import clock
from tests.api.client import count, everything
from tests.api.test_serving import partner_topped_up
from tests.support.together import at_once, errors

MALL = "/v1/partners/mall"
BODY = {"partner_order_no": "N1", "scene": "cards-charge", "items": [{"sku": "card/month"}], "buyer": {"id": "b1"}}
LATER = {"partner_order_no": "N2", "scene": "cards-charge", "items": [{"sku": "card/month"}], "phone": "13800000009"}


def test_a_registered_buyer_is_charged_at_once(api):
    api.buyer()
    partner_topped_up(api)
    reply = api.partner("POST", f"{MALL}/charges/registered", BODY)
    charge = reply.json
    assert (reply.status, charge["state"], charge["amount"], charge["buyer"]) == (200, "charged", 2800, "b1")
    assert api.partner("GET", f"{MALL}/charges/N1").json == api.partner("GET", f"{MALL}/charges/{charge['no']}").json == charge
    order = api.get(f"/v1/orders/{charge['order']}").json
    assert (order["state"], order["partner"], order["external_no"]) == ("completed", "mall", "N1")
    assert [(p["tender"], p["state"]) for p in order["payments"]] == [("pool", "succeeded")]
    pool = api.partner("GET", f"{MALL}/pool").json
    assert (pool["balance"], pool["available"], pool["drawn"], pool["topped_up"]) == (7200, 7200, 2800, 10000)


def test_a_charge_repeated_or_raced_is_one(api):
    api.buyer()
    partner_topped_up(api)
    replies = at_once(lambda n: api.partner("POST", f"{MALL}/charges/registered", BODY), range(6))
    assert errors(replies) == [] and len({r.raw for r in replies}) == 1 and count("charge") == 1
    other = api.partner("POST", f"{MALL}/charges/registered", {**BODY, "items": [{"sku": "card/week"}]})
    assert (other.status, other["code"]) == (409, "idempotency_key_reused")
    api.buyer("b2")
    other = api.partner("POST", f"{MALL}/charges/registered", {**BODY, "buyer": {"id": "b2"}})
    assert (other.status, other["code"]) == (409, "idempotency_key_reused")


def test_a_waiting_charge_is_its_own_phones(lite):
    first, again = (lite.partner("POST", f"{MALL}/charges/unregistered", LATER) for _ in range(2))
    assert first.raw == again.raw and first.status == 202
    other = lite.partner("POST", f"{MALL}/charges/unregistered", {**LATER, "phone": "13800000008"})
    assert (other.status, other["code"]) == (409, "idempotency_key_reused")


def test_a_buyer_who_is_not_registered_yet(api):
    partner_topped_up(api)
    reply = api.partner("POST", f"{MALL}/charges/unregistered", LATER)
    assert (reply.status, reply["state"], reply["amount"], reply["buyer"]) == (202, "charging", 0, None)
    assert reply["reason"] and reply["try_at"] < reply["give_up_at"]
    tried = api.partner("POST", f"{MALL}/charges/N2/retry")
    assert (tried.status, tried["state"]) == (202, "charging")
    api.put("/v1/buyers/b9", {"phone": LATER["phone"]})
    done = api.partner("POST", f"{MALL}/charges/N2/retry")
    assert (done.status, done["state"], done["buyer"]) == (200, "charged", "b9")


CHARGES_REFUSED = [
    # (entry, what differs, code)
    ("registered", {"buyer": {"id": "stranger"}}, "buyer_unknown"),
    ("registered", {"scene": "cards-app"}, "agreement_refused"),
    ("registered", {"scene": "nowhere"}, "scene_unknown"),
    ("registered", {"items": [{"sku": "filing/standard"}]}, "not_sold_here"),
    ("registered", {"items": [{"sku": "card/month", "quantity": 4}]}, "pool_exhausted"),
    ("registered", {"phone": "138"}, "bad_request"),
    ("unregistered", {"phone": "13800000001"}, "buyer_registered"),
    ("unregistered", {"phone": None}, "bad_request"),
]


@pytest.mark.parametrize("entry, differs, code", CHARGES_REFUSED)
def test_a_refused_charge_changes_nothing(lite, entry, differs, code):
    lite.buyer()
    partner_topped_up(lite)
    before = everything()
    body = {**(BODY if entry == "registered" else LATER), **differs}
    assert lite.partner("POST", f"{MALL}/charges/{entry}", body)["code"] == code
    assert everything() == before


def test_only_the_partner_itself_is_heard(lite):
    lite.buyer()
    now = clock.now_ms() // 1000
    cases = [
        (lite.partner("GET", f"{MALL}/pool", secret="guessed"), 401, "signature_invalid"),
        (lite.partner("GET", f"{MALL}/pool", at_s=now - 400), 401, "clock_skew"),
        (lite.get(f"{MALL}/pool", key=""), 401, "unauthenticated"),
        (lite.partner("GET", "/v1/partners/nobody/pool"), 401, "unauthenticated"),
        (lite.post(f"{MALL}/charges/registered", BODY), 401, "unauthenticated"),       # our own keys do not charge
    ]
    for reply, status, code in cases:
        assert (reply.status, reply["code"]) == (status, code), reply.json
    assert lite.partner("GET", "/v1/partners/gifts/pool").status == 401            # its scheme differs
    assert lite.partner("GET", f"{MALL}/charges/N404")["code"] == "charge_unknown"


def test_a_partner_may_repeat_a_request_byte_by_byte(lite):
    lite.buyer()
    partner_topped_up(lite)
    stamp = clock.now_ms() // 1000
    first, again = (lite.partner("POST", f"{MALL}/charges/registered", BODY, at_s=stamp) for _ in range(2))
    assert first.raw == again.raw and first.status == 200


def test_finance_sees_and_fills_pools(api):
    finance, seller = keys.create("finance", ["finance"]), keys.create("seller", ["sell"])
    assert api.get("/v1/partners/gifts/pool", key=finance).json == {
        "partner": "gifts", "pool": "gifts", "unit": "pieces", "currency": "CNY", "balance": 0, "floor": 0, "available": 0, "topped_up": 0,
        "drawn": 0, "returned": 0}
    body = {"unit": "pieces", "amount": 5}
    path = "/v1/partners/gifts/pool/top-ups"
    first, again = (api.post(path, body, once="k1", key=finance) for _ in range(2))
    assert (first.status, first["balance"], again.replayed, again.raw) == (201, 5, True, first.raw)
    assert api.post(path, {**body, "amount": 6}, once="k1", key=finance)["code"] == "idempotency_key_reused"
    assert api.post(path, body, once="k2", key=finance)["balance"] == 10
    other = keys.create("second finance", ["finance"])
    assert api.post(path, body, once="k2", key=other)["balance"] == 15                 # another client's key is another
    assert api.post(path, {"unit": "money", "amount": 5}, once="k3", key=finance)["details"][0] == {
        "path": "/unit", "found": "money", "expected": "pieces"}
    assert api.post(path, body, key=finance)["code"] == "idempotency_key_required"
    assert api.post(path, body, once="k4", key=seller)["code"] == "forbidden"
    assert api.post("/v1/partners/nobody/pool/top-ups", body, once="k5", key=finance)["code"] == "partner_unknown"
    assert api.get("/v1/partners/gifts/pool", key=seller)["code"] == "forbidden"


def test_top_ups_at_once_all_count(api):
    replies = at_once(lambda n: api.post(f"{MALL}/pool/top-ups", {"unit": "money", "amount": 100}, once=f"k{n % 4}"), range(12))
    assert errors(replies) == [] and {r.status for r in replies} == {201}
    assert api.partner("GET", f"{MALL}/pool")["balance"] == 400


# ── statements and refunds ───────────────────────────────────────────────────────────────────────────────────────────

def test_a_day_as_json_and_as_a_table(api):
    api.buyer()
    partner_topped_up(api)
    api.partner("POST", f"{MALL}/charges/registered", BODY)
    day = clock.business_date(clock.now_ms(), "Asia/Shanghai")
    said = api.partner("GET", f"{MALL}/statements/{day}")
    assert (said.status, said["opening"], said["topped_up"], said["drawn"], said["closing"]) == (200, 0, 10000, 2800, 7200)
    assert said["posted_minor"] == 7200 and said["final"] is False
    assert [(e["kind"], e["partner_order_no"]) for e in said["entries"]] == [("top_up", None), ("draw", "N1")]
    assert api.get(f"{MALL}/statements/{day}").json == said.json
    table = api.get(f"{MALL}/statements/{day}?format=csv")
    assert table.status == 200 and "N1" in table.raw.decode("utf-8-sig") and b"7200" not in table.raw and b"72.00" in table.raw
    for bad in ("tomorrow", "2999-01-01", "2026-02-30"):
        assert (api.get(f"{MALL}/statements/{bad}").status, api.get(f"{MALL}/statements/{bad}")["code"]) == (400, "bad_request")
    assert api.get(f"{MALL}/statements/{day}?format=xls").status == 400
    assert api.get(f"/v1/partners/nobody/statements/{day}").status == 404


def test_an_operator_takes_a_charge_back_once(api):
    api.buyer()
    partner_topped_up(api)
    charge = api.partner("POST", f"{MALL}/charges/registered", BODY).json
    path, why = f"{MALL}/charges/N1/refund", {"reason": "wrong number"}
    replies = at_once(lambda n: api.post(path, why, once=f"back-{n % 2}"), range(6))
    assert errors(replies) == [] and {r.status for r in replies} == {200} and len({r.raw for r in replies}) == 1
    assert (replies[0]["state"], replies[0]["reason"], replies[0]["no"]) == ("returned", "wrong number", charge["no"])
    pool = api.partner("GET", f"{MALL}/pool").json
    assert (pool["balance"], pool["drawn"], pool["returned"]) == (10000, 2800, 2800)
    order = api.get(f"/v1/orders/{charge['order']}").json
    assert (order["state"], order["refunded_minor"]) == ("refunded", 2800)
    assert {e["state"] for e in order["entitlements"]} == {"revoked"} and order["refunds"][0]["kind"] == "charge"


def test_who_may_take_a_charge_back_and_which(api):
    api.partner("POST", f"{MALL}/charges/unregistered", LATER)
    path, why = f"{MALL}/charges/N2/refund", {"reason": "x"}
    assert (api.post(path, why, once="k1").status, api.post(path, why, once="k1")["code"]) == (409, "state_refused")
    assert api.post(f"{MALL}/charges/none/refund", why, once="k2").status == 404
    assert api.post(path, {"reason": ""}, once="k3").status == 400 and api.post(path, why).status == 400
    assert api.partner("POST", path, why).status == 401
