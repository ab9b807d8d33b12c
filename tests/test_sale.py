"""The story end to end, in one process: quote, place, pay, notice, completed; and everything that can go otherwise."""
from __future__ import annotations

import pytest

from engine import charge, runs, sale, settling, store
from engine.base import clock, crash
from engine.base.errors import Code, Refusal
from engine.deliver import entitlements, messages, upstream, work_orders
from engine.flow import journal, outbox
from engine.ledger import postings
from engine.pay import payments, refunds
from engine.trade import buyers, coupons, idempotency, orders, quotes
from tests.support.selling import FILES, SILENT, UNREACHABLE, Outcome, order, payment, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


def place(shop, *keys, scene="app", buyer=None, **more):
    return sale.place(scene, items=shop.items(*(keys or ("card/month",))),
                      buyer_id=shop.buyer() if buyer is None else buyer, **more)


def paid(shop, *keys, **more):
    placed = place(shop, *keys, **more)
    shop.notice(sale.pay(placed["no"], "wallet"))
    return order(placed["no"])


def ledger_of(order_no):
    return [{p["account"]: p["amount_minor"] for p in t["postings"]} for t in postings.of_order(order_no)]


# ── the straight way ─────────────────────────────────────────────────────────────────────────────────────────────────

def test_from_quote_to_completed(shop):
    buyer = shop.buyer("crowd", phone="13800000001")
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer, fields={"from_page": "home"})
    assert (quote["payable_minor"], quote["state"]) == (2000, "open")
    placed = sale.place("app", quote_no=quote["no"], buyer_id=buyer, expected_payable_minor=2000)
    assert (placed["state"], placed["payable_minor"], placed["subtotal_minor"]) == ("awaiting_payment", 2000, 4000)
    attempt = sale.pay(placed["no"], "wallet")
    assert (attempt["state"], attempt["client"]) == ("pending", {"text": f"{attempt['no']} 2000"})
    assert shop.notice(attempt) == "applied"

    done = order(placed["no"])
    assert (done["state"], done["paid_at_ms"], done["ended_at_ms"]) == ("completed", clock.now_ms(), clock.now_ms())
    assert payment(attempt["no"])["state"] == "succeeded" and payment(attempt["no"])["channel_no"] == f"W-{attempt['no']}"
    assert ledger_of(placed["no"]) == [{"deferred_revenue:shop": -2000, "channel_receivable:wallet": 2000,
                                        "coupon_expense": 2000}]
    assert [e["right"] for e in entitlements.of_order(placed["no"])] == ["calls", "reports"]
    assert coupons.of_order(placed["no"])[0]["state"] == "redeemed"
    after = buyers.find(buyer)
    assert (after["orders_paid"], after["tags"]) == (1, ["crowd", "member"])
    assert quotes.lock_open is not None and store.one(quotes.Quote, no=quote["no"])["state"] == "adopted"
    assert [(s["flow"], s["name"], s["state"]) for s in journal.of(placed["no"])] == [
        ("place", "buyer_is_known", "done"), ("place", "within_purchase_cap", "done"), ("place", "hold_purchase_cap", "done"),
        ("paid", "grant_entitlements", "done"), ("paid", "tag_buyer", "done"), ("paid", "message", "done")]
    text = messages.of_order(placed["no"])[0]
    assert text["recipient"] == "13800000001" and text["text"] == f"订单{placed['no']}：月卡，20.00"
    shop.work()
    assert messages.of_order(placed["no"])[0]["state"] == "sent"


def test_an_order_without_a_quote_is_quoted_in_its_own_transaction(shop):
    placed = place(shop, "card/month", ("book/paper", 3))
    quote = store.one(quotes.Quote, no=placed["quote_no"])
    assert (quote["state"], quote["order_no"], quote["payable_minor"]) == ("adopted", placed["no"], 4000 + 9999 - 1000)
    assert placed["title"] == "月卡 +1"


def test_a_scene_that_a_partner_sells_with(shop):
    buyer = shop.buyer()
    quote = sale.quote("duo", shop.items("card/month"), buyer_id=buyer)
    placed = sale.place("duo", quote_no=quote["no"], buyer_id=buyer)
    assert (placed["partner_id"], placed["payable_minor"]) == ("club", 4000)       # its own price, not the agreement's
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert order(placed["no"])["state"] == "completed"


def test_each_merchant_is_credited_with_its_own_goods(shop):
    done = paid(shop, "card/month", ("book/paper", 3))
    share_own, share_maker = [line["discount_minor"] for line in orders.lines(done["no"])]
    assert share_own + share_maker == 1000
    legs = store.many(postings.LedgerPosting, order_by="id")
    assert {(leg["account"], leg["amount_minor"]) for leg in legs} == {
        ("deferred_revenue:shop", -(4000 - share_own)), ("deferred_revenue:shop", -share_own),
        ("merchant_payable:maker", -(9999 - share_maker)), ("merchant_payable:maker", -share_maker),
        ("channel_receivable:wallet", 4000 - share_own), ("channel_receivable:wallet", 9999 - share_maker),
        ("coupon_expense", share_own), ("coupon_expense", share_maker)}


def test_the_same_sku_twice_is_one_line(shop):
    placed = place(shop, "card/month", ("card/month", 2))
    assert [(line["sku"], line["quantity"]) for line in orders.lines(placed["no"])] == [("card/month", 3)]


def test_paying_with_the_order(shop):
    placed = place(shop, pay_by={"channel": "counter", "client": {"ip": "10.0.0.1"}})
    assert (placed["payment"]["state"], placed["payment"]["client"]) == ("pending", {"qr": "qr-text"})
    shop.notice(placed["payment"])
    assert order(placed["no"])["state"] == "completed"


def test_an_order_stands_though_its_first_attempt_failed(shop):
    shop.outside.answers["counter", "pay"] = Outcome("failed", reason="no", sent=True)
    placed = place(shop, pay_by={"channel": "counter"})
    assert (placed["payment"]["state"], placed["payment"]["reason"]) == ("failed", "the channel did not take the payment: no")
    assert order(placed["no"])["state"] == "awaiting_payment"
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert order(placed["no"])["state"] == "completed"


def test_a_channel_that_answers_paid_at_once(shop):
    shop.outside.answers["counter", "pay"] = Outcome("succeeded", {"state": "succeeded", "channel_no": "C1",
                                                                   "amount_minor": 4000}, sent=True)
    placed = place(shop)
    attempt = sale.pay(placed["no"], "counter")
    assert attempt["state"] == "succeeded" and order(placed["no"])["state"] == "completed"
    assert shop.notice(attempt, channel_no="C1") == "nothing_new"


def test_a_free_order_is_completed_with_its_placing(shop):
    buyer = shop.buyer("guest-of-honour")
    placed = place(shop, buyer=buyer)
    assert (placed["state"], placed["payable_minor"], placed["payment"]) == ("completed", 0, None)
    assert ledger_of(placed["no"]) == [{"deferred_revenue:shop": -4000, "coupon_expense": 4000}]
    assert coupons.of_order(placed["no"])[0]["state"] == "redeemed" and buyers.find(buyer)["orders_paid"] == 1
    assert payments.of_order(placed["no"]) == []
    with refused(Code.ORDER_STATE):
        sale.pay(placed["no"], "wallet")


def test_a_free_order_from_a_quote(shop):
    buyer = shop.buyer("guest-of-honour")
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    assert sale.place("app", quote_no=quote["no"], buyer_id=buyer, pay_by={"channel": "wallet"})["state"] == "completed"


def test_an_order_paid_in_an_outside_shop(shop):
    placed = sale.place("stall", items=shop.items("card/month"), external={"no": "T-1", "paid_minor": 4000},
                        contact={"phone": "13800000009"})
    assert (placed["state"], placed["external_no"]) == ("completed", "T-1")
    assert ledger_of(placed["no"]) == [{"deferred_revenue:shop": -4000, "external_receivable:stall": 4000}]
    assert payments.of_order(placed["no"])[0]["tender_kind"] == "external"


def test_an_outside_shops_number_makes_one_order(shop):
    told = {"items": shop.items("card/month"), "external": {"no": "T-1", "paid_minor": 4000}}
    first = sale.place("stall", **told)
    again = sale.place("stall", **told)
    assert again["no"] == first["no"] and again["claim_token"] == ""
    results = at_once(lambda n: sale.place("stall", items=shop.items("card/month"),
                                           external={"no": "T-2", "paid_minor": 4000}), range(6))
    assert not errors(results) and len({r["no"] for r in results}) == 1
    assert len(store.many(orders.TradeOrder)) == 2
    with refused(Code.IDEMPOTENCY_KEY_REUSED):
        sale.place("stall", items=shop.items(("card/month", 2)), external={"no": "T-1", "paid_minor": 8000})


def test_what_an_order_costs_in_statements(shop):
    """The figure the engine is designed around: it may fall, and it does not grow unseen."""
    buyer = shop.buyer("fresh")
    counted = []

    def count(result):
        counted.append((store.counts.statements, store.counts.commits))
        store.counts.reset()
        return result
    store.counts.reset()
    quote = count(sale.quote("app", shop.items("card/week"), buyer_id=buyer))
    placed = count(sale.place("app", quote_no=quote["no"], buyer_id=buyer))
    attempt = count(sale.pay(placed["no"], "wallet"))
    count(shop.notice(attempt))
    assert [commits for _, commits in counted] == [1, 1, 1, 1]
    most = (6, 11, 8, 18)
    assert all(statements <= limit for (statements, _), limit in zip(counted, most)), f"{counted}, at most {most}"


def test_more_lines_cost_no_more_statements(shop):
    def cost(*keys):
        store.counts.reset()
        shop.notice(sale.pay(sale.place("page", items=shop.items(*keys))["no"], "wallet"))
        return store.counts.statements
    assert cost("card/month", "card/week") == cost("card/month")


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────

REFUSALS = {
    "no such scene": (Code.SCENE_UNKNOWN, {"scene_id": "nowhere"}),
    "nothing bought": (Code.BAD_REQUEST, {"items": []}),
    "not sold here": (Code.NOT_SOLD_HERE, {"items": [{"sku": "filing/one"}]}),
    "no such goods": (Code.NOT_SOLD_HERE, {"items": [{"sku": "gold/bar"}]}),
    "too many": (Code.QUANTITY_INVALID, {"items": [{"sku": "card/month", "quantity": 11}]}),
    "too many together": (Code.QUANTITY_INVALID, {"items": [{"sku": "card/month", "quantity": 6}] * 2}),
    "none": (Code.QUANTITY_INVALID, {"items": [{"sku": "card/month", "quantity": 0}]}),
    "fewer than none": (Code.QUANTITY_INVALID, {"items": [{"sku": "card/month", "quantity": -1}]}),
    "a field too long": (Code.FIELD_INVALID, {"fields": {"from_page": "x" * 21}}),
    "a field nobody declared": (Code.FIELD_INVALID, {"fields": {"colour": "red"}}),
    "nobody buys": (Code.LOGIN_REQUIRED, {"buyer_id": ""}),
    "somebody unknown buys": (Code.BUYER_UNKNOWN, {"buyer_id": "stranger"}),
    "a coupon that does not exist": (Code.COUPON_UNKNOWN, {"wanted_coupons": ["gold"]}),
    "another price": (Code.PRICE_CHANGED, {"expected_payable_minor": 3999}),
    "paid elsewhere": (Code.METHOD_MISMATCH, {"external": {"no": "1", "paid_minor": 4000}}),
    "an order where partners charge": (Code.METHOD_MISMATCH, {"scene_id": "gift"}),
    "a shop order that is not paid": (Code.METHOD_MISMATCH, {"scene_id": "stall"}),
    "a shop order paid with too little": (Code.PRICE_CHANGED, {"scene_id": "stall", "external": {"no": "1", "paid_minor": 3999}}),
    "a channel not offered": (Code.CHANNEL_NOT_ALLOWED, {"pay_by": {"channel": "desk"}}),
    "a channel nobody knows": (Code.CHANNEL_NOT_ALLOWED, {"pay_by": {"channel": "shell"}}),
    "a quote that is none": (Code.QUOTE_UNKNOWN, {"quote_no": "Q1"}),
}


@pytest.mark.parametrize("code, given", REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_leaves_nothing(shop, code, given):
    buyer = shop.buyer()
    asked = {"scene_id": "app", "items": shop.items("card/month"), "buyer_id": buyer} | given
    with refused(code):
        sale.place(asked.pop("scene_id"), **asked)
    for table in (orders.TradeOrder, quotes.Quote, payments.PaymentOrder, orders.OrderLine, coupons.CouponHold, store.StateLog):
        assert store.many(table) == []
    assert coupons_used() == {} and orders.purchased(buyer, "card/week") == 0


def coupons_used():
    return {row["coupon_id"]: row["used"] for row in store.many(coupons.CouponUsage)}


def test_the_line_itself_may_refuse(shop):
    for lang, words in (("zh", "不办加急"), ("en", "Nothing is urgent here")):
        with refused(Code.NOT_ELIGIBLE, words):
            sale.place("office", items=shop.items("filing/one"), fields={"urgent": True}, lang=lang)


def test_what_a_quote_does_not_allow(shop):
    buyer, other = shop.buyer(), shop.buyer()
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    with refused(Code.QUOTE_UNKNOWN):
        sale.place("app", quote_no=quote["no"], buyer_id=other)
    with refused(Code.QUOTE_MISMATCH, "of the scene app"):
        sale.place("page", quote_no=quote["no"], buyer_id=buyer)
    with refused(Code.QUOTE_MISMATCH, "items"):
        sale.place("app", quote_no=quote["no"], buyer_id=buyer, items=shop.items("card/year"))
    placed = sale.place("app", quote_no=quote["no"], buyer_id=buyer, items=shop.items(("card/month", 1)))
    with refused(Code.QUOTE_USED, placed["no"]):
        sale.place("app", quote_no=quote["no"], buyer_id=buyer)


def test_a_quote_ends_at_its_last_moment(shop):
    buyer = shop.buyer()
    early, late = (sale.quote("app", shop.items("card/month"), buyer_id=buyer) for _ in range(2))
    clock.set_to(early["expires_at_ms"] - 1)
    assert sale.place("app", quote_no=early["no"], buyer_id=buyer)["state"] == "awaiting_payment"
    clock.advance(0.001)
    with refused(Code.QUOTE_EXPIRED):
        sale.place("app", quote_no=late["no"], buyer_id=buyer)


def test_a_guests_quote_becomes_a_buyers_order(shop):
    quote = sale.quote("page", shop.items("card/month"), contact={"phone": "13800000002"})
    placed = sale.place("page", quote_no=quote["no"], buyer_id=shop.buyer())
    assert placed["claim_token"] == "" and placed["buyer_id"]
    assert orders.sold(placed["no"])["contact"] == {"phone": "13800000002"}


def test_paying_is_refused(shop):
    placed = place(shop)
    with refused(Code.ORDER_UNKNOWN):
        sale.pay("O1", "wallet")
    for channel in ("desk", "shell"):          # one below its amount, one that is none
        with refused(Code.CHANNEL_NOT_ALLOWED, channel):
            sale.pay(placed["no"], channel)
    clock.set_to(placed["expires_at_ms"])
    with refused(Code.ORDER_STATE, "expired"):
        sale.pay(placed["no"], "wallet")
    sale.close(placed["no"], "changed my mind")
    with refused(Code.ORDER_STATE, "closed"):
        sale.pay(placed["no"], "wallet")
    assert payments.of_order(placed["no"]) == []


def test_a_channel_with_a_condition_is_offered_when_it_holds(shop):
    placed = place(shop, "card/year")
    attempt = sale.pay(placed["no"], "desk", {"openid": "o-1"})
    assert attempt["client"] == {"text": f"{attempt['no']} o-1"}


# ── pinned to a release ──────────────────────────────────────────────────────────────────────────────────────────────

def test_a_quote_keeps_its_price_and_its_release(shop):
    buyer = shop.buyer()
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    offered = "[wallet, counter, {use: desk, when: {gte: {payable: 100.00}}}]"
    put_live(2, {"products/card.yaml": FILES["products/card.yaml"].replace("40.00", "55.00"),
                 "scenes/app.yaml": FILES["scenes/app.yaml"].replace(offered, "[counter]")})
    assert sale.quote("app", shop.items("card/month"), buyer_id=buyer)["payable_minor"] == 5500
    placed = sale.place("app", quote_no=quote["no"], buyer_id=buyer, pay_by={"channel": "wallet"})
    assert (placed["payable_minor"], placed["release_no"]) == (4000, 1)
    assert placed["payment"]["channel_id"] == "wallet"             # the release's channels, as in pay()
    shop.notice(placed["payment"])
    assert order(placed["no"])["state"] == "completed"


# ── attempts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_the_same_channel_again_is_the_same_attempt(shop):
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    assert sale.pay(placed["no"], "counter") == first
    assert len(shop.outside.asked("counter", "pay")) == 1


def test_an_attempt_with_nothing_to_show_goes_on_without_it(shop):
    """A terminal at the till is asked, and the buyer is given nothing."""
    put_live(1, {"channels/counter.yaml": FILES["channels/counter.yaml"].replace('    client: {qr: "{answer.qr}"}\n', "")})
    shop.outside.answers["counter", "pay"] = Outcome("accepted", sent=True)
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    assert (first["state"], first["client"]) == ("pending", None)
    assert sale.pay(placed["no"], "counter")["no"] == first["no"]


def test_another_channel_closes_the_first_attempt(shop):
    placed = place(shop)
    first = sale.pay(placed["no"], "wallet")
    second = sale.pay(placed["no"], "counter")
    assert second["no"] != first["no"]
    shop.work()
    assert payment(first["no"])["state"] == "closed" and payment(second["no"])["state"] == "pending"
    shop.notice(second)
    assert order(placed["no"])["state"] == "completed"


def test_an_attempt_whose_outcome_is_unknown_is_not_repeated(shop):
    shop.outside.answers["counter", "pay"] = SILENT
    placed = place(shop)
    attempt = sale.pay(placed["no"], "counter")
    assert attempt["state"] == "unknown"
    with refused(Code.PAYMENT_IN_PROGRESS, attempt["no"]):
        sale.pay(placed["no"], "counter")
    shop.notice(attempt)
    assert order(placed["no"])["state"] == "completed"


def test_an_attempt_whose_answer_was_lost_is_replaced_by_one_that_can_be_shown(shop):
    shop.outside.answers["counter", "pay"] = [SILENT, Outcome("pending", {}, {"qr": "2"}, sent=True)]
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    clock.advance(60)
    second = sale.pay(placed["no"], "counter")                     # the channel says that the first waits to be paid
    assert second["no"] != first["no"] and second["client"] == {"qr": "2"}
    assert payment(first["no"])["state"] == "pending"
    shop.work()
    assert payment(first["no"])["state"] == "closed"
    shop.notice(second)
    assert order(placed["no"])["state"] == "completed"


@pytest.mark.parametrize("answer", [UNREACHABLE, Outcome("busy", reason="later", sent=True), Outcome("closed", sent=True)],
                         ids=["unreachable", "busy", "closed"])
def test_a_channel_that_did_not_take_it(shop, answer):
    shop.outside.answers["counter", "pay"] = answer
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE):
        sale.pay(placed["no"], "counter")
    assert [p["state"] for p in payments.of_order(placed["no"])] == ["failed"]
    shop.outside.answers["counter", "pay"] = Outcome("pending", {}, {"qr": "2"}, sent=True)
    assert sale.pay(placed["no"], "counter")["client"] == {"qr": "2"}


def test_a_notice_faster_than_the_answer(shop):
    placed = place(shop)

    def answer(facts):
        shop.notice(payment(facts["payment.no"]))
        return Outcome("pending", {}, {"qr": "late"}, sent=True)
    shop.outside.answers["counter", "pay"] = answer
    assert sale.pay(placed["no"], "counter")["state"] == "succeeded"
    assert order(placed["no"])["state"] == "completed"


def test_a_notice_faster_than_a_refusal(shop):
    """The channel's own books count, not the answer that got lost on its way and came as an error."""
    placed = place(shop)

    def answer(facts):
        shop.notice(payment(facts["payment.no"]))
        return Outcome("failed", reason="gateway", sent=True)
    shop.outside.answers["counter", "pay"] = answer
    assert sale.pay(placed["no"], "counter")["state"] == "succeeded"


def test_a_channel_that_can_make_nothing_for_the_buyer_is_no_attempt(shop, monkeypatch):
    placed = place(shop)
    monkeypatch.setattr(shop.outside, "_operate", lambda *a, **k: Outcome("failed", reason="a fact is missing"))
    with refused(Code.CHANNEL_UNAVAILABLE, "a fact is missing"):
        sale.pay(placed["no"], "wallet")
    assert payments.of_order(placed["no"]) == []


def test_sixteen_pays_at_once_make_one_attempt(shop):
    placed = place(shop)
    results = at_once(lambda n: sale.pay(placed["no"], "wallet"), range(16))
    assert not errors(results) and len({r["no"] for r in results}) == 1
    assert len(payments.of_order(placed["no"])) == 1


def test_sixteen_pays_at_once_call_the_channel_once(shop):
    placed = place(shop)
    results = at_once(lambda n: sale.pay(placed["no"], "counter"), range(16))
    assert all(isinstance(e, Refusal) and e.code is Code.PAYMENT_IN_PROGRESS for e in errors(results))
    assert len(payments.of_order(placed["no"])) == len(shop.outside.asked("counter", "pay")) == 1


# ── remembering ──────────────────────────────────────────────────────────────────────────────────────────────────────

def test_what_is_remembered_is_in_the_orders_transaction(shop):
    buyer = shop.buyer()

    def remember(made):
        idempotency.remember("client", "key", "print", made["no"], 201, {"no": made["no"]})
    placed = place(shop, buyer=buyer, remember=remember)
    assert idempotency.recall("client", "key", "print")["resource_no"] == placed["no"]
    with pytest.raises(store_integrity()):
        place(shop, buyer=buyer, remember=remember)
    assert len(store.many(orders.TradeOrder)) == 1
    attempt = sale.pay(placed["no"], "wallet", remember=lambda made: idempotency.remember(
        "client", "pay", "print", made["no"], 200, None))
    assert idempotency.recall("client", "pay", "print")["resource_no"] == attempt["no"]


def store_integrity():
    import peewee
    return peewee.IntegrityError


# ── the end of an unpaid order ───────────────────────────────────────────────────────────────────────────────────────

def test_closing_frees_what_was_held(shop):
    buyer = shop.buyer("crowd", "fresh")
    placed = place(shop, "card/week", "card/month", buyer=buyer)
    assert coupons_used() == {"last-ten": 1} and orders.purchased(buyer, "card/week") == 1
    attempt = sale.pay(placed["no"], "wallet")
    closed = sale.close(placed["no"], "changed my mind")
    assert (closed["state"], closed["ended_at_ms"]) == ("closed", clock.now_ms())
    assert coupons_used() == {"last-ten": 0} and orders.purchased(buyer, "card/week") == 0
    shop.work()
    assert payment(attempt["no"])["state"] == "closed"
    assert sale.close(placed["no"], "again")["state"] == "closed"
    with refused(Code.STATE_REFUSED):
        sale.close(paid(shop)["no"], "too late")


def test_an_order_that_nobody_pays_expires(shop):
    placed = place(shop)
    attempt = sale.pay(placed["no"], "wallet")
    clock.set_to(placed["expires_at_ms"])
    sale.expire(placed["no"])
    assert order(placed["no"])["state"] == "closed" and len(shop.outside.asked("wallet", "query")) == 1
    shop.work()
    assert payment(attempt["no"])["state"] == "closed"


def test_an_order_whose_notice_was_lost_is_found_paid_when_it_expires(shop):
    placed = place(shop)
    attempt = sale.pay(placed["no"], "wallet")
    shop.outside.answers["wallet", "query"] = Outcome("succeeded", {"state": "succeeded", "channel_no": "W1"}, sent=True)
    clock.set_to(placed["expires_at_ms"])
    sale.expire(placed["no"])
    assert order(placed["no"])["state"] == "completed" and payment(attempt["no"])["state"] == "succeeded"
    sale.expire(placed["no"])                  # a second sweeper finds nothing to do


def test_an_order_paid_between_the_question_and_the_closing_stays_paid(shop, monkeypatch):
    placed = place(shop)
    attempt = sale.pay(placed["no"], "wallet")
    clock.set_to(placed["expires_at_ms"])
    find = orders.find

    def paid_meanwhile(no, lock=False):
        row = find(no, lock)
        if row["state"] == "awaiting_payment" and not store.in_transaction():
            monkeypatch.setattr(orders, "find", find)
            shop.notice(attempt)
        return row
    monkeypatch.setattr(orders, "find", paid_meanwhile)
    sale.expire(placed["no"])
    assert order(placed["no"])["state"] == "completed"


# ── guests ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_guest_claims_a_paid_order(shop):
    placed = place(shop, scene="page", buyer="", contact={"phone": "13800000003"})
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert messages.of_order(placed["no"])[0]["recipient"] == "13800000003"
    buyer = shop.buyer()
    assert sale.claim(placed["no"], placed["claim_token"], buyer)["buyer_id"] == buyer
    assert {e["buyer_id"] for e in entitlements.of_order(placed["no"])} == {buyer}
    assert buyers.find(buyer)["orders_paid"] == 1
    sale.claim(placed["no"], placed["claim_token"], buyer)
    assert buyers.find(buyer)["orders_paid"] == 1
    with refused(Code.ORDER_ALREADY_CLAIMED):
        sale.claim(placed["no"], placed["claim_token"], shop.buyer())
    assert entitlements.consume(buyer, "calls", 3, "k")["left"] == 7


def test_a_guest_claims_an_order_and_pays_it_then(shop):
    placed = place(shop, scene="page", buyer="")
    buyer = shop.buyer()
    sale.claim(placed["no"], placed["claim_token"], buyer)
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert buyers.find(buyer)["orders_paid"] == 1
    assert {e["buyer_id"] for e in entitlements.of_order(placed["no"])} == {buyer}


def test_a_claim_is_refused(shop):
    placed, buyer = place(shop, scene="page", buyer=""), shop.buyer()
    with refused(Code.ORDER_UNKNOWN):
        sale.claim("O1", placed["claim_token"], buyer)
    for token in ("", "0" * 32, placed["claim_token"][:-1]):
        with refused(Code.CLAIM_TOKEN_INVALID):
            sale.claim(placed["no"], token, buyer)
    with refused(Code.BUYER_UNKNOWN):
        sale.claim(placed["no"], placed["claim_token"], "stranger")
    with refused(Code.CLAIM_TOKEN_INVALID):    # an order that was a buyer's from the start has no token
        sale.claim(place(shop)["no"], "", buyer)


def test_a_claimed_order_that_nobody_paid_frees_no_more_than_it_held(shop):
    """A guest's pieces are not counted; closing the order after its claim must not uncount somebody else's."""
    buyer = shop.buyer()
    held = place(shop, "card/week", buyer=buyer)
    guest = place(shop, "card/week", scene="page", buyer="")
    sale.claim(guest["no"], guest["claim_token"], buyer)
    sale.close(guest["no"], "nobody paid")
    assert orders.purchased(buyer, "card/week") == 1
    sale.close(held["no"], "nobody paid")
    assert orders.purchased(buyer, "card/week") == 0


# ── purchase caps ────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_purchase_cap_counts_what_is_held_and_what_is_being_bought(shop):
    buyer = shop.buyer()
    first = place(shop, "card/week", buyer=buyer)
    with refused(Code.PURCHASE_CAP_REACHED):
        sale.quote("app", shop.items("card/week"), buyer_id=buyer)
    sale.close(first["no"], "no")
    place(shop, "card/week", buyer=buyer)
    place(shop, "card/week")                   # another buyer's cap is another


def test_sixteen_orders_at_once_never_pass_the_purchase_cap(shop):
    buyer = shop.buyer()
    results = at_once(lambda n: place(shop, "card/week", buyer=buyer), range(16))
    assert len(results) - len(errors(results)) == 1
    assert all(e.code is Code.PURCHASE_CAP_REACHED for e in errors(results))
    assert orders.purchased(buyer, "card/week") == 1


# ── the last of a coupon ─────────────────────────────────────────────────────────────────────────────────────────────

def test_two_hundred_buyers_and_the_last_ten_coupons(shop):
    crowd = [shop.buyer("crowd") for _ in range(200)]
    results = [r for chunk in range(0, 200, 20) for r in at_once(
        lambda buyer: place(shop, buyer=buyer, wanted_coupons=["last-ten"]), crowd[chunk:chunk + 20])]
    assert not errors(results)
    assert sorted({r["payable_minor"] for r in results}) == [2000, 4000]
    assert sum(r["payable_minor"] == 2000 for r in results) == 10
    assert coupons_used() == {"last-ten": 10}
    told = store.one(quotes.Quote, no=next(r for r in results if r["payable_minor"] == 4000)["quote_no"])
    assert {n["id"]: n["reason"] for n in told["result"]["not_applied"]}["last-ten"] == "cap_reached"


# ── work orders and suppliers ────────────────────────────────────────────────────────────────────────────────────────

def states(order_no):
    return {w["kind"]: w["state"] for w in work_orders.of_order(order_no)}


def finish(order_no, kind):
    no = next(w["no"] for w in work_orders.of_order(order_no) if w["kind"] == kind)
    return runs.finish_work_order(no, "wang", {"seen": True})


def test_an_order_that_people_work_for(shop):
    placed = place(shop, "filing/one", scene="office", buyer="")
    assert states(placed["no"]) == {"search": "open"}
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert order(placed["no"])["state"] == "paid" and states(placed["no"])["file"] == "open"
    shop.work()                                # the supplier is called by a worker
    assert order(placed["no"])["state"] == "fulfilling"
    ordered = upstream.of_order(placed["no"])
    assert [(u["merchant_id"], u["state"], u["external_no"]) for u in ordered] == [("mill", "accepted", f"S{ordered[0]['no']}")]
    finish(placed["no"], "search")
    assert entitlements.of_order(placed["no"]) == []
    finish(placed["no"], "file")               # the copy is not blocking
    shop.work()
    assert order(placed["no"])["state"] == "completed" and len(entitlements.of_order(placed["no"])) == 1
    finish(placed["no"], "copy")
    shop.work()
    assert [s["name"] for s in journal.of(placed["no"], "fulfil")] == ["grant_entitlements", "message"]


def test_people_faster_than_the_money_and_the_supplier(shop):
    placed = place(shop, "filing/one", scene="office", buyer="")
    finish(placed["no"], "search")
    shop.notice(sale.pay(placed["no"], "wallet"))
    finish(placed["no"], "file")
    assert order(placed["no"])["state"] == "paid"
    shop.work()
    assert order(placed["no"])["state"] == "completed" and len(entitlements.of_order(placed["no"])) == 1


def test_a_flow_whose_last_step_is_a_call(shop):
    placed = place(shop, scene="last-call", buyer="")
    shop.notice(sale.pay(placed["no"], "wallet"))
    assert order(placed["no"])["state"] == "paid"
    shop.work()
    assert order(placed["no"])["state"] == "completed"
    assert [u["state"] for u in upstream.of_order(placed["no"])] == ["accepted"]


def test_an_unpaid_orders_work_is_cancelled(shop):
    placed = place(shop, "filing/one", scene="office", buyer="")
    sale.close(placed["no"], "no")
    assert states(placed["no"]) == {"search": "cancelled"}
    with refused(Code.STATE_REFUSED):
        finish(placed["no"], "search")


# ── a price of the line's own ────────────────────────────────────────────────────────────────────────────────────────

def test_an_adjusted_price(shop):
    placed = place(shop, ("filing/one", 3), scene="office", buyer="")
    assert placed["payable_minor"] == 270_000
    shop.notice(sale.pay(placed["no"], "wallet"))
    shop.work()
    assert ledger_of(placed["no"])[0]["coupon_expense"] == 30_000
