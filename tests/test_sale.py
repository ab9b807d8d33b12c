"""The story end to end, in one process: quote, place, pay, notice, completed; and what is refused on the way."""
from __future__ import annotations

import pytest

from engine import sale, store, wire
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import entitlements, messages
from engine.flow import journal
from engine.ledger import postings
from engine.pay import payments
from engine.trade import buyers, coupons, idempotency, orders, quotes
from tests.support.selling import FILES, NOON, UNREACHABLE, Outcome, order, paid, payment, place, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


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
    taken = payment(attempt["no"])
    assert (taken["state"], taken["channel_no"]) == ("succeeded", f"W-{attempt['no']}")
    assert ledger_of(placed["no"]) == [{"deferred_revenue:shop": -2000, "channel_receivable:wallet": 2000,
                                        "coupon_expense": 2000}]
    assert [e["right"] for e in entitlements.of_order(placed["no"])] == ["calls", "reports"]
    assert coupons.of_order(placed["no"])[0]["state"] == "redeemed"
    after = buyers.find(buyer)
    assert (after["orders_paid"], after["tags"]) == (1, ["crowd", "member"])
    assert quotes.lock_open is not None and store.one(quotes.Quote, no=quote["no"])["state"] == "adopted"
    assert [(s["flow"], s["name"], s["state"]) for s in journal.of(placed["no"])] == [
        ("place", "buyer_is_known", "done"), ("place", "within_purchase_cap", "done"),
        ("place", "hold_purchase_cap", "done"),
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
    assert (placed["payment"]["state"], placed["payment"]["reason"]) == \
        ("failed", "the channel did not take the payment: no")
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


def test_what_lasts_longer_than_the_calendar_is_delivered_to_its_last_day(shop):
    put_live(2, {"products/card.yaml": FILES["products/card.yaml"].replace("for: 1 year}", "for: 1 year, quantity_max: 10000}")})
    sold = paid(shop, ("card/year", 9000))
    assert sold["state"] == "completed"
    assert {e["ends_at_ms"] for e in entitlements.of_order(sold["no"]) if e["quota_total"] is None} == {clock.LAST_MS}
    assert paid(shop, "card/month", buyer=sold["buyer_id"])["state"] == "completed"


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
    "a shop order paid with too little": (Code.PRICE_CHANGED,
                                          {"scene_id": "stall", "external": {"no": "1", "paid_minor": 3999}}),
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
    for table in (orders.TradeOrder, quotes.Quote, payments.PaymentOrder, orders.OrderLine, coupons.CouponHold,
                  store.StateLog):
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
    shop.outside.answers["wallet", "query"] = Outcome("succeeded", {"state": "succeeded", "channel_no": "W1"},
                                                      sent=True)
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


GONE = {"channels/wallet.yaml": None, **{f"scenes/{scene}.yaml": FILES[f"scenes/{scene}.yaml"].replace("wallet, counter", "counter").replace(
    "[wallet]", "[counter]") for scene in ("app", "page", "duo", "office", "bare", "last-call")}}


@pytest.mark.parametrize("query, changed", [(wire.WireError("a secret is missing"), {}), (UNREACHABLE, GONE),
                                            (Outcome("succeeded", {"state": "succeeded", "amount_minor": 1}, sent=True), {})],
                         ids=["broken", "gone from the catalogue", "answers of another amount"])
def test_no_channel_keeps_an_order_open_beyond_its_time(shop, query, changed):
    placed = place(shop, buyer=shop.buyer("crowd"))
    attempt = sale.pay(placed["no"], "wallet")
    shop.outside.answers["wallet", "query"] = query
    put_live(2, changed)
    clock.set_to(placed["expires_at_ms"])
    sale.expire(placed["no"])
    assert order(placed["no"])["state"] == "closed" and {h["state"] for h in coupons.of_order(placed["no"])} == {"released"}
    assert shop.notice(attempt) == "applied" and payment(attempt["no"])["surplus_minor"] == attempt["amount_minor"]


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


def test_orders_paid_and_claimed_at_once_lose_no_day(shop):
    """Whoever the buyer is: registered, or somebody we were not told of."""
    known, stranger = shop.buyer(), "somebody"
    placed = [place(shop, scene="page", buyer=buyer) for buyer in (known, stranger, "") for _ in range(3)]
    attempts = [sale.pay(each["no"], "wallet") for each in placed]
    for attempt in attempts[6:]:
        shop.notice(attempt)
    def work(n):
        return shop.notice(attempts[n]) if n < 6 else sale.claim(placed[n]["no"], placed[n]["claim_token"], known)
    assert not errors(at_once(work, range(9)))
    for buyer, months in ((known, 6), (stranger, 3)):
        last = max(e["ends_at_ms"] for e in entitlements.of_buyer(buyer) if e["right"] == "reports")
        assert abs(last - clock.add_period(NOON, months, "month", "Asia/Shanghai")) <= 3 * 86_400_000      # February is short


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
