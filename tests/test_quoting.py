"""Quoting and what a price depends on: releases, purchase caps, the last of a coupon, the line's own price."""
from __future__ import annotations

from engine import sale, store
from engine.base.errors import Code
from engine.ledger import postings
from engine.trade import coupons, orders, quotes
from tests.support.selling import FILES, order, place, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


def ledger_of(order_no):
    return [{p["account"]: p["amount_minor"] for p in t["postings"]} for t in postings.of_order(order_no)]


def coupons_used():
    return {row["coupon_id"]: row["used"] for row in store.many(coupons.CouponUsage)}


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


# ── a price of the line's own ────────────────────────────────────────────────────────────────────────────────────────

def test_an_adjusted_price(shop):
    placed = place(shop, ("filing/one", 3), scene="office", buyer="")
    assert placed["payable_minor"] == 270_000
    shop.notice(sale.pay(placed["no"], "wallet"))
    shop.work()
    assert ledger_of(placed["no"])[0]["coupon_expense"] == 30_000
