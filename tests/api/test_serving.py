"""Buyers, entitlements and work orders over HTTP."""
from __future__ import annotations

from engine import charge, store
from engine.api import keys
from engine.base import clock
from engine.flow import outbox
from engine.workers import jobs                # noqa: F401  the outbox's handlers
from tests.api.client import count
from tests.support.together import at_once, errors


# ── buyers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_buyer_is_registered_and_changed(api):
    first = api.put("/v1/buyers/b1", {"phone": "13800000001", "name": "林", "tags": ["b", "a"]})
    assert (first.status, first["phone"], first["name"], first["tags"]) == (201, "13800000001", "林", ["a", "b"])
    second = api.put("/v1/buyers/b1", {"name": "王"})
    assert (second.status, second["phone"], second["name"], second["tags"]) == (200, "13800000001", "王", ["a", "b"])
    assert api.get("/v1/buyers/b1").json == second.json
    assert api.ask("PUT", "/v1/buyers/b2").status == 201               # knowing the id is enough


def test_a_buyer_who_registers_gets_what_waited(api):
    partner_topped_up(api)
    body = {"partner_order_no": "N1", "scene": "cards-charge", "items": [{"sku": "card/month"}], "phone": "13800000009"}
    waiting = api.partner("POST", "/v1/partners/mall/charges/unregistered", body)
    assert (waiting.status, waiting["state"]) == (202, "charging")
    api.put("/v1/buyers/b9", {"phone": "13800000009"})
    assert api.partner("GET", "/v1/partners/mall/charges/N1")["state"] == "charged"
    assert {e["right"] for e in api.get("/v1/entitlements?buyer=b9")["items"]} == {"contacts", "reports"}


def test_a_buyer_is_registered_even_when_the_charges_stumble(lite, monkeypatch, caplog):
    def fall(*args):
        raise RuntimeError("stumbled")
    monkeypatch.setattr(charge, "buyer_registered", fall)
    assert lite.put("/v1/buyers/b1", {}).status == 201 and "stumbled" in caplog.text


def partner_topped_up(api, amount=100_00):
    reply = api.post("/v1/partners/mall/pool/top-ups", {"unit": "money", "amount": amount}, once="top-up")
    assert reply.status == 201, reply.json


# ── entitlements ─────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_right_is_used_up_and_no_further(api):
    api.buyer()
    no = api.sold()["entitlements"][0]["no"]
    use = api.post("/v1/entitlements/consume", {"buyer": {"id": "b1"}, "right": "contacts", "amount": 7}, once="u1")
    assert (use.status, use.json) == (200, {"right": "contacts", "amount": 7, "left": 3, "parts": [{"entitlement": no, "amount": 7}]})
    over = api.post("/v1/entitlements/consume", {"buyer": {"id": "b1"}, "right": "contacts", "amount": 4}, once="u2")
    assert (over.status, over["code"], over["details"][0]["expected"]) == (409, "quota_exhausted", "at most 3")
    again = api.post("/v1/entitlements/consume", {"buyer": {"id": "b1"}, "right": "contacts", "amount": 7}, once="u1")
    assert again.replayed and again.raw == use.raw
    unlimited = api.post("/v1/entitlements/consume", {"buyer": {"id": "b1"}, "right": "reports"}, once="u3")
    assert (unlimited["left"], unlimited["amount"]) == (None, 1)
    held = {e["right"]: e["quota_used"] for e in api.get("/v1/entitlements?buyer=b1")["items"]}
    assert held == {"contacts": 7, "reports": 1}


def test_uses_at_once_never_pass_the_quota(api):
    api.buyer()
    api.sold()
    body = {"buyer": {"id": "b1"}, "right": "contacts", "amount": 3}
    replies = at_once(lambda n: api.post("/v1/entitlements/consume", body, once=f"u{n // 2}"), range(12))
    assert errors(replies) == []
    assert len({r.raw for r in replies if r.status == 200}) == 3        # of six keys, each sent twice, three fit
    assert {r["code"] for r in replies if r.status != 200} == {"quota_exhausted"}
    assert store.query(store.trade, "SELECT SUM(quota_used) FROM entitlement") == [(9,)]


def test_two_clients_with_one_key_are_two_uses(lite):
    lite.buyer()
    lite.sold()
    other = keys.create("other", ["sell"])
    body = {"buyer": {"id": "b1"}, "right": "contacts"}
    lite.post("/v1/entitlements/consume", body, once="u" * 100), lite.post("/v1/entitlements/consume", body, once="u" * 100, key=other)
    assert count("entitlement_use") == 2


def test_what_is_not_in_force_is_not_used(lite):
    lite.buyer()
    lite.sold()
    body = {"buyer": {"id": "b1"}, "right": "contacts"}
    assert lite.post("/v1/entitlements/consume", {**body, "right": "watch"}, once="u0")["code"] == "entitlement_unknown"
    clock.advance(40 * 86_400)
    assert lite.post("/v1/entitlements/consume", body, once="u1")["code"] == "entitlement_inactive"
    assert lite.get("/v1/entitlements?buyer=b1&only_now=true")["items"] == []
    assert len(lite.get("/v1/entitlements?buyer=b1")["items"]) == 2


# ── work orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

def filed(api):
    order = api.sold(scene="filings-pc", sku="filing/standard", buyer="")
    assert order["state"] == "fulfilling" and {w["kind"] for w in order["work_orders"]} == {"prepare", "file"}
    return order


def test_work_orders_are_listed_taken_and_finished(api):
    order = filed(api)
    listed = api.get("/v1/work-orders?queue=agents").json
    assert [w["order"] for w in listed["items"]] == [order["no"]] * 2 and listed["next"] is None
    first, last = (w["no"] for w in listed["items"])
    taken = api.post(f"/v1/work-orders/{first}/take", {"worker": "Lin"}).json
    assert (taken["state"], taken["worker"]) == ("in_progress", "Lin")
    assert api.post(f"/v1/work-orders/{first}/take", {"worker": "Lin"}).status == 200
    for no in (first, last):
        done = api.post(f"/v1/work-orders/{no}/finish", {"worker": "Lin", "result": {"receipt": no}}).json
        assert (done["state"], done["result"]) == ("done", {"receipt": no})
    assert api.post(f"/v1/work-orders/{last}/finish", {"worker": "Lin", "result": {}}).status == 200
    assert api.get("/v1/work-orders?queue=agents")["items"] == []
    assert [w["no"] for w in api.get("/v1/work-orders?queue=agents&state=done")["items"]] == [first, last]
    while outbox.drain():
        pass
    after = api.get(f"/v1/orders/{order['no']}").json
    assert after["state"] == "completed" and [e["right"] for e in after["entitlements"]] == ["watch"]


def test_work_orders_page_by_page(lite):
    filed(lite), filed(lite)
    first = lite.get("/v1/work-orders?queue=agents&limit=3").json
    rest = lite.get(f"/v1/work-orders?queue=agents&limit=3&cursor={first['next']}").json
    assert len(first["items"]) == 3 and len(rest["items"]) == 1 and rest["next"] is None
    assert len({w["no"] for w in first["items"] + rest["items"]}) == 4
    assert lite.get("/v1/work-orders?queue=others")["items"] == []


def test_work_orders_of_other_scenes_are_not_there(lite):
    no = filed(lite)["work_orders"][0]["no"]
    cards = keys.create("cards", ["support"], ["cards-*"])
    mine = keys.create("filings", ["support"], ["filings-pc"])
    assert lite.get("/v1/work-orders?queue=agents", key=cards)["items"] == []
    assert len(lite.get("/v1/work-orders?queue=agents", key=mine)["items"]) == 2
    for action in ("take", "finish"):
        reply = lite.post(f"/v1/work-orders/{no}/{action}", {"worker": "x"}, key=cards)
        assert (reply.status, reply["code"]) == (404, "work_order_unknown")
    assert lite.post(f"/v1/work-orders/{no}/take", {"worker": "x"}, key=mine).status == 200
    assert lite.post("/v1/work-orders/W1/take", {"worker": "x"})["code"] == "work_order_unknown"
