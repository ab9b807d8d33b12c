"""Orders of shops elsewhere: they enter paid, are delivered and reported back; repeated, reordered, unknown or wrong ones
change nothing, and a refund takes them back."""
from __future__ import annotations

import pytest

from engine import runs, store
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import entitlements, outgoing, work_orders
from engine.ledger import postings
from engine.pay import notices, refunds
from engine.shopping import apply_shop
from engine.trade import coupons, orders
from engine.wire import Outcome
from tests.support.partner_files import TOLD
from tests.support.selling import SILENT, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]

PAID = {"shop_order_no": "T-1", "item": "7001", "quantity": 1, "amount_minor": 4000, "phone": "13800000077", "state": "succeeded"}


@pytest.fixture
def market(shop):
    put_live(2, TOLD)
    shop.outside.answers["market", "deliver"] = Outcome("succeeded", sent=True, status=200)
    return shop


def told(key="paid:T-1", **changes):
    fields = {name: value for name, value in {**PAID, **changes}.items() if value is not None}
    return apply_shop("market", fields, "notice", ("market", key, "paid"))


def gave_back(number="F-1", key="", **changes):
    fields = {"shop_order_no": "T-1", "channel_refund_no": number, "amount_minor": 4000, "state": "succeeded", **changes}
    return apply_shop("market", {k: v for k, v in fields.items() if v is not None}, "notice",
                      ("market", key or f"refunded:{number}", "refunded"))


def sold():
    return store.many(orders.TradeOrder, order_by="no")


def test_a_shops_order_enters_paid_is_delivered_and_reported(market):
    assert told() == "applied"
    [order] = sold()
    assert (order["state"], order["scene_id"], order["external_no"], order["payable_minor"]) == ("completed", "bazaar", "T-1", 4000)
    assert orders.sold(order["no"])["fields"] == {"market_no": "T-1"}
    assert len(entitlements.of_order(order["no"])) == 2
    assert postings.balance("external_receivable:bazaar", "CNY") == 4000
    market.work()
    [facts] = market.outside.asked("market", "deliver")
    assert facts["shop.order_no"] == "T-1" and facts["order.no"] == order["no"] and facts["shop.item"] == "7001"
    assert len(facts["delivery.code"]) == 32                       # a guest's: binds the order to a buyer later
    assert {n["state"] for n in outgoing.of_order(order["no"])} == {"told"}


def test_a_buyer_who_is_known_by_the_phone_gets_it(market):
    buyer = market.buyer(phone="13800000077")
    told(quantity="2", amount_minor=8000)
    [order] = sold()
    assert order["buyer_id"] == buyer and {e["buyer_id"] for e in entitlements.of_order(order["no"])} == {buyer}
    assert orders.lines(order["no"])[0]["quantity"] == 2
    market.work()
    assert market.outside.asked("market", "deliver")[0]["delivery.code"] == ""


def test_repeated_under_the_same_key_or_another_it_is_sold_once(market):
    assert [told(), told(), told(key="paid:T-1:again")] == ["applied", "repeated", "applied"]
    assert len(sold()) == 1 and postings.balance("external_receivable:bazaar", "CNY") == 4000
    market.work()
    assert len(market.outside.asked("market", "deliver")) == 1


def test_eight_deliveries_of_one_notice_at_once(market):
    results = at_once(lambda n: told(key=f"paid:{n % 2}"), range(8))
    assert not errors(results) and len(sold()) == 1


@pytest.mark.parametrize("changes, why", [
    ({"item": "9999"}, "no scene sells the product '9999'"), ({"amount_minor": 3999}, "3999 were paid"),
    ({"quantity": 2}, "4000 were paid"), ({"quantity": "many"}, "no number of pieces"), ({"quantity": 0}, "no number of pieces"),
    ({"currency": "USD"}, "USD"), ({"shop_order_no": None}, "names no order"), ({"quantity": 11, "amount_minor": 44000}, "can't be sold")])
def test_what_cannot_be_taken_leaves_nothing_and_may_come_again(market, changes, why):
    with refused(Code.NOTICE_REJECTED, why):
        told(**changes)
    assert sold() == [] and store.many(notices.NoticeReceived) == []
    assert told() == "applied"                 # once it is right


def test_a_product_that_was_unknown_is_sold_after_the_catalogue_was_mended(market):
    with refused(Code.NOTICE_REJECTED):
        told(item="8001")
    put_live(3, {**TOLD, "scenes/bazaar.yaml": TOLD["scenes/bazaar.yaml"].replace('"7001"', '"8001"')})
    assert told(item="8001") == "applied"


def test_other_goods_under_the_same_number_are_refused(market):
    told()
    with refused(Code.NOTICE_REJECTED, "used for other goods"):
        told(key="paid:other", item="7002", amount_minor=1490)
    assert len(sold()) == 1


def test_what_is_not_paid_yet_is_no_order(market):
    assert told(key="pending", state="pending") == "nothing_new" and sold() == []
    assert told() == "applied"


def test_a_notice_that_only_names_the_order_is_asked_for(market):
    market.outside.answers["market", "query"] = Outcome("succeeded", {
        "shop_order_no": "T-1", "item": "7003", "quantity": 1, "amount_minor": 3333, "state": "succeeded"}, sent=True)
    assert told(item=None, amount_minor=None, quantity=None, phone=None) == "applied"
    assert orders.lines(sold()[0]["no"])[0]["sku"] == "book/paper"
    market.outside.answers["market", "query"] = SILENT
    with refused(Code.NOTICE_REJECTED, "does not say"):
        told(key="paid:T-2", shop_order_no="T-2", item=None)


def test_delivery_is_reported_until_the_shop_takes_it(market):
    market.outside.answers["market", "deliver"] = [SILENT, SILENT, Outcome("succeeded", sent=True)]
    told()
    for _ in range(3):
        market.work()
        clock.advance(60)
    assert len(market.outside.asked("market", "deliver")) == 3
    assert [n["state"] for n in outgoing.of_order(sold()[0]["no"])] == ["told"]


def test_a_report_that_names_the_pieces_asks_the_shop_for_their_numbers(shop):
    file = TOLD["channels/market.yaml"].replace("amount: {fen: paid}, phone: phone}", "amount: {fen: paid}, items: {each: pieces, number: no}}", 1)
    put_live(2, {**TOLD, "channels/market.yaml": file.replace('code: "{delivery.code?}"', 'pieces: "{shop.item_nos}"')})
    shop.outside.answers["market", "deliver"] = [Outcome("failed"), Outcome("succeeded", sent=True, status=200)]    # unsent without them
    shop.outside.answers["market", "query"] = [SILENT, Outcome("succeeded", {"shop_order_no": "T-1", "items": [{"number": "p1"}, {"number": "p2"}]}, sent=True)]
    assert told() == "applied"
    shop.work()
    clock.advance(400)
    shop.work()
    first, second = shop.outside.asked("market", "deliver")
    assert (first["shop.item_nos"], second["shop.item_nos"]) == ("", ["p1", "p2"])


def test_a_refund_after_delivery_takes_everything_back(market):
    told()
    assert gave_back() == "applied"
    [order] = sold()
    assert (order["state"], order["refunded_minor"]) == ("refunded", 4000)
    assert {e["state"] for e in entitlements.of_order(order["no"])} == {"revoked"}
    assert postings.balance("external_receivable:bazaar", "CNY") == postings.balance("deferred_revenue:shop", "CNY") == 0
    assert [gave_back(), gave_back(key="another delivery")] == ["repeated", "nothing_new"]
    with refused(Code.NOTICE_REJECTED, "0 are left"):
        gave_back("F-2")
    assert told(key="paid:late") == "applied" and len(sold()) == 1 and sold()[0]["state"] == "refunded"


def test_refunds_in_parts(market):
    told(quantity=2, amount_minor=8000)
    assert gave_back("F-1", amount_minor=3000) == "applied"
    [order] = sold()
    assert (order["state"], order["refunded_minor"]) == ("partially_refunded", 3000)
    assert {e["state"] for e in entitlements.of_order(order["no"])} == {"active"}
    assert gave_back("F-2", amount_minor=1000) == "applied"
    with refused(Code.NOTICE_REJECTED, "4000 are left"):
        gave_back("F-3", amount_minor=4001)
    assert gave_back("F-3", amount_minor=None) == "applied"        # the rest
    assert sold()[0]["state"] == "refunded" and [r["amount_minor"] for r in refunds.of_order(order["no"])] != []
    assert {e["state"] for e in entitlements.of_order(order["no"])} == {"revoked"}


def test_a_refund_in_part_leaves_the_rest_to_be_delivered(market, monkeypatch):
    real = entitlements.grant
    monkeypatch.setattr(entitlements, "grant", lambda *given: (_ for _ in ()).throw(ConnectionError("away")))
    told()
    assert gave_back(amount_minor=100) == "applied"
    assert (sold()[0]["state"], sold()[0]["refunded_minor"]) == ("paid", 100)
    monkeypatch.setattr(entitlements, "grant", real)
    market.work()
    assert sold()[0]["state"] == "completed" and len(entitlements.of_order(sold()[0]["no"])) == 2
    assert market.outside.asked("market", "deliver")
    assert gave_back("F-2", amount_minor=None) == "applied" and sold()[0]["state"] == "refunded"


def test_a_refund_in_part_leaves_work_orders_to_be_done(market):
    put_live(3, {**TOLD, "scenes/agency.yaml": """\
id: agency
title: {zh: 代办店, en: Agency}
line: bureau
terminal: app
method: ecommerce
login: guest
sells: {filing: all}
shop: {channel: market, items: {"9001": filing/one}}
fields: {urgent: {type: boolean, title: {zh: 加急, en: Urgent}}}
"""})
    told(item="9001", amount_minor=100000)
    market.work()
    assert sold()[0]["state"] == "fulfilling"
    gave_back(amount_minor=100)
    assert sold()[0]["state"] == "fulfilling"
    for row in work_orders.of_order(sold()[0]["no"]):
        runs.finish_work_order(row["no"], "wang", {})
    market.work()
    assert sold()[0]["state"] == "completed" and len(entitlements.of_order(sold()[0]["no"])) == 1


def test_a_whole_refund_returns_the_coupon_whose_policy_says_so(market):
    market.buyer("fresh", phone="13800000077")
    told(item="7002", amount_minor=990)
    [hold] = coupons.of_order(sold()[0]["no"])
    assert hold["state"] == "redeemed"
    gave_back("F-1", amount_minor=490)
    assert coupons.of_order(sold()[0]["no"])[0]["state"] == "redeemed"
    gave_back("F-2", amount_minor=None)
    assert coupons.of_order(sold()[0]["no"])[0]["state"] == "returned"


# ── several products ─────────────────────────────────────────────────────────────────────────────────────────────────

def several(*items, key="paid:T-1", **changes):
    """Two months at 40.00, a week at 14.90, a book of another seller at 33.33."""
    return told(key=key, item=None, quantity=None, **{"amount_minor": 128_23, "items": list(items) or [
        {"item": "7001", "number": "N-1"}, {"item": "7002", "number": "N-2"}, {"item": "7001", "number": "N-3"},
        {"item": "7003", "number": "N-4", "quantity": "1"}], **changes})


def asked_to_judge():
    return [(w["state"], w["blocking"]) for w in store.many(work_orders.WorkOrder, kind="part_given_back")]


def test_an_order_of_several_products_has_a_line_a_product(market):
    assert [several(), several(key="again")] == ["applied", "applied"]
    [order] = sold()
    assert (order["state"], order["payable_minor"]) == ("completed", 128_23)
    assert [(line["sku"], line["quantity"], line["payable_minor"]) for line in orders.lines(order["no"])] == [
        ("card/month", 2, 80_00), ("card/week", 1, 14_90), ("book/paper", 1, 33_33)]
    assert {e["line_n"] for e in entitlements.of_order(order["no"])} == {1, 2}
    assert postings.balance("external_receivable:bazaar", "CNY") == 128_23
    assert postings.balance("merchant_payable:maker", "CNY") == -33_33
    market.work()
    [facts] = market.outside.asked("market", "deliver")
    assert (facts["shop.item"], facts["shop.items"]) == ("7001", "7001*2,7002*1,7003*1")


def test_a_price_with_our_coupons_is_ours_too(market):
    assert several(amount_minor=118_23) == "applied"               # ten off from a hundred on
    assert [d["id"] for d in orders.sold(sold()[0]["no"])["price"]["discounts"]] == ["bulk"]


@pytest.mark.parametrize("items, changes, why", [
    ((), {"amount_minor": 128_22}, "12822 were paid"), ((), {"amount_minor": 128_24}, "12824 were paid"),
    ([{"item": "7001"}, {"item": "9999"}], {}, "no scene sells the product '9999'"),
    ([{"item": "7001"}, {}], {}, "no scene sells the product ''"),
    ([{"item": "7001"}, {"item": "7003", "quantity": "x"}], {}, "no number of pieces")])
def test_several_products_that_cannot_be_taken_leave_nothing(market, items, changes, why):
    with refused(Code.NOTICE_REJECTED, why):
        several(*items, **changes)
    assert sold() == [] and several() == "applied"


def test_products_of_two_scenes_are_no_one_order(market):
    put_live(3, {**TOLD, "scenes/bazaar.yaml": TOLD["scenes/bazaar.yaml"].replace(', "7003": book/paper', ""),
                 "scenes/books.yaml": TOLD["scenes/bazaar.yaml"].replace("id: bazaar", "id: books").replace(
                     '"7001": card/month, "7002": card/week, ', "")})
    with refused(Code.NOTICE_REJECTED, "no one scene sells the products 7001, 7003"):
        several({"item": "7001"}, {"item": "7003"}, amount_minor=73_33)
    assert sold() == []


def test_several_products_are_asked_for_where_the_notice_only_names_the_order(market):
    market.outside.answers["market", "query"] = Outcome("succeeded", {"shop_order_no": "T-1", "state": "succeeded",
        "amount_minor": 73_33, "items": [{"item": "7001"}, {"item": "7003"}]}, sent=True)
    assert told(item=None, amount_minor=None, quantity=None) == "applied" and sold()[0]["payable_minor"] == 73_33


@pytest.mark.parametrize("item", [{"item": "7002"}, {"number": "N-2"}, {"item": "7002", "amount_minor": 14_90}])
def test_a_line_that_is_given_back_ends_and_the_others_stay(market, item):
    several()
    assert gave_back(amount_minor=14_90, items=[item]) == "applied"
    [order] = sold()
    assert (order["state"], order["refunded_minor"]) == ("partially_refunded", 14_90)
    assert {(e["line_n"], e["state"]) for e in entitlements.of_order(order["no"])} == {(1, "active"), (2, "revoked")}
    assert asked_to_judge() == []              # what it was for is known
    assert gave_back("F-2", amount_minor=None) == "applied"
    assert sold()[0]["state"] == "refunded" and {e["state"] for e in entitlements.of_order(order["no"])} == {"revoked"}


def test_a_line_is_given_back_by_its_own_seller(market):
    several()
    gave_back(amount_minor=33_33, items=[{"item": "7003"}])
    assert postings.balance("merchant_payable:maker", "CNY") == 0
    gave_back("F-2", amount_minor=10_00)       # for what, nobody says: of whom something is left
    assert postings.balance("deferred_revenue:shop", "CNY") == -84_90
    gave_back("F-3", amount_minor=None)
    assert postings.balance("deferred_revenue:shop", "CNY") == postings.balance("external_receivable:bazaar", "CNY") == 0


def test_a_line_given_back_piece_by_piece_ends_with_the_last(market):
    several()
    gave_back("F-1", amount_minor=40_00, items=[{"number": "N-1"}])
    [order] = sold()
    assert {e["state"] for e in entitlements.of_order(order["no"])} == {"active"} and asked_to_judge() == [("open", False)]
    gave_back("F-2", amount_minor=40_00, items=[{"number": "N-3"}])
    assert {(e["line_n"], e["state"]) for e in entitlements.of_order(order["no"])} == {(1, "revoked"), (2, "active")}
    assert sold()[0]["refunded_minor"] == 80_00 and len(asked_to_judge()) == 1


@pytest.mark.parametrize("amount, items", [
    (5_00, None), (5_00, [{"item": "7002"}]), (14_90, [{"item": "9999"}]), (20_00, [{"item": "7002"}]),
    (14_90, [{"item": "7002", "amount_minor": 10_00}])])
def test_a_part_that_does_not_say_what_for_is_booked_and_a_person_is_asked(market, amount, items):
    several()
    assert gave_back(amount_minor=amount, items=items) == "applied"
    [order] = sold()
    assert (order["state"], order["refunded_minor"]) == ("partially_refunded", amount)
    assert postings.balance("external_receivable:bazaar", "CNY") == 128_23 - amount
    assert {e["state"] for e in entitlements.of_order(order["no"])} == {"active"} and asked_to_judge() == [("open", False)]
    assert gave_back("F-2", amount_minor=1) == "applied" and len(asked_to_judge()) == 1        # one case at a time
    gave_back("F-3", amount_minor=None)
    assert asked_to_judge() == [("cancelled", False)] and sold()[0]["state"] == "refunded"


def test_a_line_is_not_given_back_twice(market):
    several()
    gave_back("F-1", amount_minor=14_90, items=[{"item": "7002"}])
    assert gave_back("F-2", amount_minor=14_90, items=[{"item": "7002"}]) == "applied"         # the shop's money is a fact
    assert sold()[0]["refunded_minor"] == 29_80 and asked_to_judge() == [("open", False)]
    with refused(Code.NOTICE_REJECTED, "are left"):
        gave_back("F-3", amount_minor=128_23, items=[{"item": "7001"}])


def test_a_refund_by_line_without_an_amount_is_what_the_lines_cost(market):
    several()
    assert gave_back(amount_minor=None, items=[{"number": "N-1"}, {"item": "7003"}]) == "applied"
    assert sold()[0]["refunded_minor"] == 73_33


def test_a_part_that_is_given_back_before_delivery_does_not_stop_it(market, monkeypatch):
    real, left = entitlements.grant, [1]

    def grant(*given):
        if left[0]:
            left[0] -= 1
            raise ConnectionError("the entitlement centre is away")
        return real(*given)
    monkeypatch.setattr(entitlements, "grant", grant)
    several()
    assert gave_back(amount_minor=14_90, items=[{"item": "7002"}]) == "applied"
    assert (sold()[0]["state"], sold()[0]["refunded_minor"]) == ("paid", 14_90) and asked_to_judge() == [("open", False)]
    market.work()
    [order] = sold()
    assert order["state"] == "completed" and {e["line_n"] for e in entitlements.of_order(order["no"])} == {1, 2}
    assert gave_back("F-2", amount_minor=None) == "applied"
    assert {e["state"] for e in entitlements.of_order(order["no"])} == {"revoked"}


def test_parts_given_back_at_once_never_give_back_more_than_was_paid(market):
    several()
    results = at_once(lambda n: gave_back(f"F-{n}", amount_minor=40_00, items=[{"item": "7001"}]), range(5))
    assert results.count("applied") == 3 and len(errors(results)) == 2 and sold()[0]["refunded_minor"] == 120_00


def test_a_refund_that_is_faster_than_its_order_comes_again(market):
    with refused(Code.NOTICE_REJECTED, "no order 'T-1'"):
        gave_back()
    assert told() == "applied" and gave_back() == "applied"


def test_a_refund_under_way_is_none_yet(market):
    told()
    assert gave_back(key="refunded:F-1:begun", state="pending") == "nothing_new"
    assert sold()[0]["state"] == "completed" and gave_back() == "applied"


def test_eight_refunds_at_once_book_one(market):
    told()
    results = at_once(lambda n: gave_back(key=f"refunded:F-1:{n}"), range(8))
    assert not errors(results) and sorted(results).count("applied") == 1


def test_delivering_that_fails_is_left_to_a_worker(market, monkeypatch):
    real, left = entitlements.grant, [1]

    def grant(*given):
        if left[0]:
            left[0] -= 1
            raise ConnectionError("the entitlement centre is away")
        return real(*given)
    monkeypatch.setattr(entitlements, "grant", grant)
    assert told() == "applied" and sold()[0]["state"] == "paid"
    market.work()
    assert sold()[0]["state"] == "completed" and market.outside.asked("market", "deliver")
