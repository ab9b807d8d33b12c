"""Scenes, quotes and payments over HTTP."""
from __future__ import annotations

from engine import store
from engine.api import keys


def test_scenes_are_listed_for_whom_they_are(lite):
    mine = keys.create("cards only", ["sell"], ["cards-*"])
    assert {s["id"] for s in lite.get("/v1/scenes").json["items"]} == {
        "cards-app", "cards-page", "cards-shop", "cards-charge", "filings-pc"}
    shown = lite.get("/v1/scenes", key=mine).json
    assert {s["id"] for s in shown["items"]} == {"cards-app", "cards-page", "cards-shop", "cards-charge"}
    assert shown["release"] == 1
    assert lite.get("/v1/scenes/filings-pc", key=mine)["code"] == "scene_unknown"


def test_a_scene_says_what_is_sold_there(lite):
    scene = lite.get("/v1/scenes/cards-app").json
    assert scene["title"] == {"zh": "会员 APP", "en": "Cards in the app"} and scene["login"] == "required"
    week = next(s for s in scene["skus"] if s["sku"] == "card/week")
    assert (week["price_minor"], week["purchase_cap"], week["currency"]) == (1490, 1, "CNY")
    assert [(g["right"], g["count"], g["unit"], g["quota"]) for g in week["grants"]] == [
        ("contacts", 1, "week", 10), ("reports", 1, "week", None)]
    assert [(c["id"], c["needs"], c["conditional"]) for c in scene["channels"]] == [
        ("till", ["openid"], False), ("desk", [], False)]
    assert scene["fields"]["properties"]["seats"] == {"type": "integer", "minimum": 1, "maximum": 9, "title": "Seats",
                                                      "x-title-zh": "席位"}
    assert lite.get("/v1/scenes/cards-page")["channels"][1]["conditional"] is True
    assert lite.get("/v1/scenes/nowhere")["code"] == "scene_unknown"


def test_a_quote_says_its_price_and_why(api):
    api.buyer(tags=["fresh"])
    reply = api.post("/v1/quotes", {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/week"}],
                                    "fields": {"from_page": "search", "seats": 2}})
    quote = reply.json
    assert reply.status == 201 and quote["no"][0] == "Q"
    assert (quote["subtotal_minor"], quote["discount_minor"], quote["payable_minor"]) == (1490, 500, 990)
    assert [(d["id"], d["amount_minor"], d["shares"]) for d in quote["discounts"]] == [("five", 500, {"1": 500})]
    assert [(n["id"], n["reason"]) for n in quote["not_applied"]] == [("gift", "not_in_scope")]
    assert [c["id"] for c in quote["channels"]] == ["till", "desk"]
    assert quote["lines"][0]["payable_minor"] == 990 and quote["expires_at"].endswith("Z")


def test_a_channel_with_a_condition_is_offered_when_it_holds(lite):
    def offered(sku):
        quote = lite.post("/v1/quotes", {"scene": "cards-page", "items": [{"sku": sku}], "fields": {"campaign": "a"}})
        return [c["id"] for c in quote["channels"]]
    assert (offered("card/week"), offered("card/month")) == (["till"], ["till", "desk"])


def test_a_quote_under_a_key_is_one_quote(api):
    body = {"scene": "filings-pc", "items": [{"sku": "filing/standard"}]}
    first, again = (api.post("/v1/quotes", body, once="q1") for _ in range(2))
    assert (first.json, first.replayed) == (again.json, False) and again.replayed
    assert store.query(store.trade, "SELECT COUNT(*) FROM quote") == [(1,)]


def test_a_guests_quote_costs_one_statement_and_one_commit(lite):
    body = {"scene": "filings-pc", "items": [{"sku": "filing/standard"}]}
    lite.post("/v1/quotes", body)
    store.counts.reset()
    lite.post("/v1/quotes", body)
    assert (store.counts.statements, store.counts.commits) == (1, 1)


def test_a_payment_shows_where_its_order_is(api):
    api.buyer()
    order = api.order()
    payment = api.pay(order["no"])
    assert api.get(f"/v1/payments/{payment['no']}")["order_state"] == "awaiting_payment"
    api.notice("till", "paid", api.paid_notice(payment))
    after = api.get(f"/v1/payments/{payment['no']}").json
    assert (after["state"], after["order_state"], after["channel_no"]) == ("succeeded", "completed", f"T-{payment['no']}")
    other = keys.create("filings only", ["sell"], ["filings-*"])
    assert api.get(f"/v1/payments/{payment['no']}", key=other)["code"] == "payment_unknown"
    assert api.get("/v1/payments/P1")["code"] == "payment_unknown"
