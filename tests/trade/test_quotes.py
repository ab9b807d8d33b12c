"""Quotes: a price promised for a while, with everything it was made from."""
from __future__ import annotations

import pytest

from engine import sale, store
from engine.audit import trade_checks
from engine.base import clock
from engine.base.errors import Code
from engine.flow import journal
from engine.trade import buyers, quotes
from tests.support.selling import put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


def test_what_a_quote_keeps(shop):
    buyer = shop.buyer("crowd", phone="13800000001")
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer, fields={"from_page": "home"},
                       contact={"name": "Li"})
    kept = store.one(quotes.Quote, no=quote["no"])
    assert kept == quote
    assert (kept["scene_id"], kept["release_no"], kept["state"], kept["order_no"], kept["currency"]) == \
        ("app", 1, "open", None, "CNY")
    assert kept["expires_at_ms"] == clock.now_ms() + 900_000 and kept["contact"] == {"name": "Li"}
    assert [s["step"] for s in kept["steps"]] == \
        ["buyer_is_known", "within_purchase_cap", "list_price", "partner_price", "coupons", "hold_coupons"]
    assert [s["state"] for s in kept["steps"]] == ["done", "done", "done", "skipped", "done", "done"]
    assert journal.of(quote["no"]) == []       # its steps are in its own row
    facts = kept["facts"]
    assert (facts["buyer.tags"], facts["buyer.registered"], facts["buyer.phone_known"], facts["fields.from_page"]) == \
        (["crowd"], True, True, "home")
    assert (facts["time.date"], facts["time.hour"], facts["time.weekday"], facts["scene.id"]) == \
        ("2026-11-20", 12, 5, "app")


@pytest.mark.parametrize("change", ["later", "the buyer changed", "a new release"])
def test_a_quote_is_the_same_when_it_is_recomputed(shop, change):
    buyer = shop.buyer("crowd", "fresh")
    quote = sale.quote("app", shop.items("card/month", "card/week", ("book/paper", 3)), buyer_id=buyer)
    if change == "later":
        clock.advance(40 * 86400)
    elif change == "the buyer changed":
        with store.transaction():
            buyers.put(buyer, tags=[])
    else:
        put_live(2, {"coupons/bulk.yaml": None})
    assert trade_checks.recompute(store.one(quotes.Quote, no=quote["no"])) == quote["result"]


def test_quotes_that_expire_together_are_ended_once(shop):
    for _ in range(7):
        sale.quote("page", shop.items("card/month"))
    clock.advance(900)
    ended = at_once(lambda n: quotes.expire_due(limit=3), range(6))
    assert not errors(ended)
    rest = sum(ended)
    while more := quotes.expire_due():
        rest += more
    assert rest == 7 and {q["state"] for q in store.many(quotes.Quote)} == {"expired"}


def test_sixteen_orders_at_once_from_one_quote(shop):
    buyer = shop.buyer("crowd")
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    results = at_once(lambda n: sale.place("app", quote_no=quote["no"], buyer_id=buyer), range(16))
    assert len(results) - len(errors(results)) == 1 and {e.code for e in errors(results)} == {Code.QUOTE_USED}


def test_a_quote_whose_time_is_over_is_refused_before_anybody_ended_it(shop):
    quote = sale.quote("page", shop.items("card/month"))
    clock.advance(900)
    with refused(Code.QUOTE_EXPIRED, "2026-11-20T04:15:00.000Z"):
        sale.place("page", quote_no=quote["no"])
    quotes.expire_due()
    with refused(Code.QUOTE_EXPIRED):
        sale.place("page", quote_no=quote["no"])
