"""Orders over HTTP: placing, paying, closing, claiming, looking; each refusal has its code and changes nothing."""
from __future__ import annotations

import uuid

import pytest

from engine import sale, store
from engine.api import keys
from engine.base import clock
from tests.api.client import count, everything


def place(api, once="", key=None, **body):
    given = {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/month"}], **body}
    return api.post("/v1/orders", {k: v for k, v in given.items() if v is not None}, once=once or uuid.uuid4().hex, key=key)


# ── placing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_an_order_from_items(api):
    api.buyer()
    order = place(api, fields={"from_page": "home"}, contact={"phone": "+86 138-0000", "name": "林"}).json
    assert (order["state"], order["payable_minor"], order["buyer"], order["release"]) == ("awaiting_payment", 4000, "b1", 1)
    assert order["lines"][0]["sku"] == "card/month" and order["discounts"] == [] and order["claim_token"] is None
    assert order["payment"] is None and order["expires_at"] > order["created_at"]
    assert len(order["trace_id"]) == 32


def test_an_order_from_a_quote_takes_its_price(api):
    api.buyer(tags=["fresh"])
    quote = api.post("/v1/quotes", {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/week"}]}).json
    order = place(api, items=None, quote=quote["no"], expected_payable_minor=990).json
    assert (order["quote"], order["payable_minor"], order["discounts"][0]["id"]) == (quote["no"], 990, "five")
    assert place(api, items=None, quote=quote["no"])["code"] == "quote_used"


def test_an_order_may_bring_its_first_payment(api):
    api.buyer()
    order = place(api, pay={"channel": "till", "client": {"openid": "o1"}}).json
    payment = order["payment"]
    assert (payment["state"], payment["amount_minor"], payment["order"]) == ("pending", 4000, order["no"])
    assert payment["client"]["params"]["no"] == payment["no"] and len(payment["client"]["params"]["sign"]) == 64


def test_what_costs_nothing_is_delivered_at_once(api):
    api.buyer(tags=["lucky"])
    order = place(api).json
    assert (order["state"], order["payable_minor"], order["payment"]) == ("completed", 0, None)
    assert {e["right"] for e in api.get(f"/v1/orders/{order['no']}")["entitlements"]} == {"contacts", "reports"}


def test_a_guest_is_given_a_claim_token_and_claims_once_registered(api):
    order = place(api, scene="cards-page", buyer=None, fields={"campaign": "spring"}).json
    token, no = order["claim_token"], order["no"]
    assert order["buyer"] is None and len(token) == 32
    assert "claim_token" not in api.get(f"/v1/orders/{no}").json
    claim = {"claim_token": token, "buyer": {"id": "b9"}}
    assert api.post(f"/v1/orders/{no}/claim", claim)["code"] == "buyer_unknown"
    api.buyer("b9")
    assert api.post(f"/v1/orders/{no}/claim", {**claim, "claim_token": "0" * 32})["code"] == "claim_token_invalid"
    assert api.post(f"/v1/orders/{no}/claim", claim)["buyer"] == "b9"
    assert api.post(f"/v1/orders/{no}/claim", claim).status == 200
    api.buyer("b8")
    assert api.post(f"/v1/orders/{no}/claim", {**claim, "buyer": {"id": "b8"}})["code"] == "order_already_claimed"


def test_an_order_that_was_paid_in_a_shop(api):
    body = {"scene": "cards-shop", "buyer": None, "external": {"no": "S-1", "paid_minor": 4000}}
    order = place(api, **body).json
    assert (order["state"], order["external_no"], bool(order["claim_token"])) == ("completed", "S-1", True)
    again = place(api, **body).json
    assert again["no"] == order["no"] and again["claim_token"] is None
    assert place(api, **{**body, "external": {"no": "S-2", "paid_minor": 3900}})["code"] == "price_changed"
    assert count("trade_order") == 1


REFUSED = [
    # (what differs from a good order, code, status, path of the first detail)
    ({"scene": "nowhere"}, "scene_unknown", 404, "/scene"),
    ({"items": [{"sku": "filing/standard"}]}, "not_sold_here", 422, "/items"),
    ({"items": [{"sku": "card/month", "quantity": 6}]}, "quantity_invalid", 422, "/items"),
    ({"fields": {"seats": "two"}}, "field_invalid", 422, "/fields/seats"),
    ({"fields": {"seat": 2}}, "field_invalid", 422, "/fields/seat"),
    ({"fields": {"seats": 10}}, "field_invalid", 422, "/fields/seats"),
    ({"buyer": None}, "login_required", 422, "/buyer/id"),
    ({"buyer": {"id": "stranger"}}, "buyer_unknown", 422, "/buyer/id"),
    ({"expected_payable_minor": 3900}, "price_changed", 409, "/expected_payable_minor"),
    ({"coupons": ["ten"]}, "coupon_unknown", 422, "/coupons"),
    ({"quote": "Q1", "items": None}, "quote_unknown", 404, "/quote"),
    ({"scene": "cards-charge"}, "method_mismatch", 422, None),
    ({"scene": "cards-shop", "buyer": None}, "method_mismatch", 422, "external"),
    ({"external": {"no": "S-1", "paid_minor": 4000}}, "method_mismatch", 422, "/external"),
    ({"pay": {"channel": "cash"}}, "channel_not_allowed", 422, None),
    ({"scene": "cards-page", "fields": {}}, "field_invalid", 422, "/fields/campaign"),
]


@pytest.mark.parametrize("differs, code, status, path", REFUSED, ids=[f"{r[1]}-{n}" for n, r in enumerate(REFUSED)])
def test_a_refused_order_changes_nothing(lite, differs, code, status, path):
    lite.buyer()
    before = everything()
    reply = place(lite, **differs)
    assert (reply["code"], reply.status) == (code, status), reply.json
    assert path is None or reply["details"][0]["path"] == path
    assert everything() == before


def test_a_quote_that_expired_or_is_another_ones(lite):
    lite.buyer(), lite.buyer("b2")
    quote = lite.post("/v1/quotes", {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/week"}]}).json
    assert place(lite, items=None, quote=quote["no"], buyer={"id": "b2"})["code"] == "quote_unknown"
    assert place(lite, quote=quote["no"])["code"] == "quote_mismatch"
    clock.set_to(clock.parse_rfc3339(quote["expires_at"]))
    assert place(lite, items=None, quote=quote["no"])["code"] == "quote_expired"


@pytest.mark.parametrize("differs, path", [
    ({"items": [{"sku": "card/month", "quantity": 2}]}, "/items"), ({"fields": {"seats": 3}}, "/fields"),
    ({"fields": {}}, "/fields"), ({"coupons": ["five"]}, "/coupons"), ({"coupons": []}, "/coupons")])
def test_an_order_gets_what_was_quoted_or_nothing(lite, differs, path):
    lite.buyer()
    quote = lite.post("/v1/quotes", {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/month"}],
                                     "fields": {"seats": 2}}).json
    before = everything()
    reply = place(lite, **{"items": None, "quote": quote["no"], **differs})
    assert (reply["code"], reply["details"][0]["path"]) == ("quote_mismatch", path) and everything() == before
    assert place(lite, quote=quote["no"], fields={"seats": 2}).status == 201


def test_a_cap_is_kept(api):
    api.buyer()
    assert place(api, items=[{"sku": "card/week"}]).status == 201
    second = place(api, items=[{"sku": "card/week"}])
    assert (second["code"], second.status) == ("purchase_cap_reached", 422)


def test_a_key_sells_only_in_its_scenes_and_sees_only_theirs(lite):
    lite.buyer()
    order = lite.order()
    filings = keys.create("filings", ["sell", "support"], ["filings-*"])
    assert place(lite, key=filings)["code"] == "forbidden"
    no = order["no"]
    for reply in (lite.get(f"/v1/orders/{no}", key=filings), lite.post(f"/v1/orders/{no}/close", key=filings),
                  lite.post(f"/v1/orders/{no}/pay", {"channel": "till"}, key=filings, once="p"),
                  lite.post(f"/v1/orders/{no}/claim", {"claim_token": "x", "buyer": {"id": "b1"}}, key=filings)):
        assert (reply.status, reply["code"]) == (404, "order_unknown")
    assert lite.get("/v1/orders?buyer=b1", key=filings)["items"] == []
    assert lite.get(f"/v1/orders/{no}", key=keys.create("cards", ["support"], ["cards-a*"])).status == 200


# ── paying ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_paying_through_a_channel_that_is_called(api, gateway):
    gateway.says("POST", "/desk/payments", lambda path, body: (200, {"qr": f"qr:{body['no']}"}))
    api.buyer()
    order = api.order()
    payment = api.post(f"/v1/orders/{order['no']}/pay", {"channel": "desk"}, once="p1").json
    assert (payment["state"], payment["client"]) == ("pending", {"qr": f"qr:{payment['no']}"})
    assert [(method, path, body["amount"]) for method, path, body in gateway.asked] == [("POST", "/desk/payments", 4000)]
    again = api.post(f"/v1/orders/{order['no']}/pay", {"channel": "desk"}, once="p2")
    assert again["no"] == payment["no"] and not again.replayed and len(gateway.asked) == 1


def test_a_live_attempt_is_given_again_and_another_channel_closes_it(api, gateway):
    api.buyer()
    order = api.order()
    first = api.pay(order["no"])
    assert api.pay(order["no"])["no"] == first["no"]
    gateway.says("POST", "/desk/payments", (200, {"qr": "x"}))
    second = api.pay(order["no"], "desk")
    assert second["no"] != first["no"]
    assert store.query(store.trade, "SELECT task, subject_no FROM outbox") == [("payment.close", first["no"])]


def test_a_channel_that_refuses_is_said_so_and_may_be_tried_again(api, gateway):
    gateway.says("POST", "/desk/payments", (422, {"why": "too late in the day"}))
    api.buyer()
    order = api.order()
    reply = api.post(f"/v1/orders/{order['no']}/pay", {"channel": "desk"}, once="p1")
    assert (reply.status, reply["code"], reply["retryable"]) == (502, "channel_unavailable", True)
    assert reply.headers["Retry-After"] == "1"
    gateway.says("POST", "/desk/payments", (200, {"qr": "now"}))
    again = api.post(f"/v1/orders/{order['no']}/pay", {"channel": "desk"}, once="p1")
    assert (again.status, again["client"]) == (201, {"qr": "now"})
    assert api.post(f"/v1/orders/{order['no']}/pay", {"channel": "desk"}, once="p1").raw == again.raw


def test_an_order_stands_when_its_first_payment_is_not_taken(api):
    api.buyer()
    order = place(api, pay={"channel": "desk"}).json
    assert (order["state"], order["payment"]["state"]) == ("awaiting_payment", "failed") and order["payment"]["reason"]


def test_what_is_not_to_be_paid_is_refused(lite):
    lite.buyer()
    order = lite.sold()
    assert lite.post(f"/v1/orders/{order['no']}/pay", {"channel": "till"}, once="p")["code"] == "order_state"
    assert lite.post("/v1/orders/O1/pay", {"channel": "till"}, once="p")["code"] == "order_unknown"
    late = lite.order()
    clock.set_to(clock.parse_rfc3339(late["expires_at"]))
    assert lite.post(f"/v1/orders/{late['no']}/pay", {"channel": "till"}, once="p")["code"] == "order_state"


# ── closing and looking ──────────────────────────────────────────────────────────────────────────────────────────────

def test_closing_is_quiet_the_second_time_and_refused_after_payment(api):
    api.buyer()
    order = api.order()
    closed = api.post(f"/v1/orders/{order['no']}/close", {"reason": "changed his mind"}).json
    assert closed["state"] == "closed" and closed["ended_at"]
    assert api.ask("POST", f"/v1/orders/{order['no']}/close")["state"] == "closed"     # a body is not needed
    moves = [(m["what"], m["to"], m["cause"]) for m in api.get(f"/v1/orders/{order['no']}")["timeline"]]
    assert moves == [("order", "awaiting_payment", "scene cards-app"), ("order", "closed", "changed his mind")]
    assert api.post(f"/v1/orders/{api.sold()['no']}/close")["code"] == "state_refused"


def test_an_order_shows_all_that_belongs_to_it(api):
    api.buyer(tags=["fresh"])
    order = api.sold(sku="card/week", fields={"from_page": "home"})
    assert order["state"] == "completed" and order["paid_at"] and order["ended_at"]
    assert [d["id"] for d in order["discounts"]] == ["five"] and order["fields"] == {"from_page": "home"}
    assert [(p["state"], p["channel"], p["tender"]) for p in order["payments"]] == [("succeeded", "till", "channel")]
    assert [(e["right"], e["quota_total"]) for e in order["entitlements"]] == [("contacts", 10), ("reports", None)]
    assert [(m["template"], m["state"]) for m in order["messages"]] == [("opened", "queued")]
    assert (order["refunds"], order["work_orders"]) == ([], [])
    moves = [(m["what"], m["from"], m["to"]) for m in order["timeline"]]
    for move in (("order", None, "awaiting_payment"), ("order", "awaiting_payment", "paid"), ("order", "paid", "completed"),
                 ("payment", None, "pending"), ("payment", "pending", "succeeded"), ("entitlement", None, "active")):
        assert move in moves
    assert [m["at"] for m in order["timeline"]] == sorted(m["at"] for m in order["timeline"])


def test_a_buyers_orders_page_by_page(api):
    api.buyer(), api.buyer("b2")
    api.order(buyer="b2")
    placed = [api.order()["no"] for _ in range(5)]
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = api.get(f"/v1/orders?buyer=b1&limit=2{cursor and '&cursor=' + cursor}").json
        seen += [order["no"] for order in page["items"]]
        cursor, pages = page["next"], pages + 1
    assert pages == 3 and sorted(seen) == sorted(placed) and seen == sorted(seen, reverse=True)
    assert api.get("/v1/orders?buyer=nobody").json == {"items": [], "next": None}


def test_an_idempotency_key_costs_one_statement_and_a_repeat_no_commit(lite):
    lite.buyer()
    lite.order()
    store.counts.reset()
    sale.place("cards-app", items=[{"sku": "card/month"}], buyer_id="b1")
    alone = store.counts.statements, store.counts.commits
    key = uuid.uuid4().hex
    store.counts.reset()
    place(lite, key)
    assert (store.counts.statements, store.counts.commits) == (alone[0] + 1, alone[1])
    store.counts.reset()
    assert place(lite, key).replayed and store.counts.commits == 0
