"""Pricing: items to priced lines, and discounts that add up."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import Code
from engine.trade import pricing
from tests.support.selling import refused
from tests.trade.coupons import ITEMS, SKUS, TITLE, priced, scene


def test_lines_at_list_price():
    price = priced(scene(), {"a/1": 2, "b/1": 1})
    assert price.lines[0] == {"n": 1, "sku": "a/1", "product": "a", "type": "once", "merchant": "own", "title": TITLE,
                              "quantity": 2,
                              "unit_price_minor": 990, "list_minor": 1980, "discount_minor": 0, "payable_minor": 1980}
    assert (price.subtotal_minor, price.payable_minor) == (5313, 5313)
    assert pricing.facts(price) == {"subtotal": 5313, "payable": 5313, "currency": "CNY", "quantity": 3,
                                    "product.ids": ["a", "b"],
                                    "product.types": ["once"], "product.skus": ["a/1", "b/1"]}


@pytest.mark.parametrize("items, wanted", [
    ([{"sku": "a/1"}], [("a/1", 1)]), ([{"sku": "a/1", "quantity": 100}], [("a/1", 100)]),
    ([{"sku": "b/1"}, {"sku": "a/1", "quantity": 2}, {"sku": "b/1", "quantity": 3}], [("b/1", 4), ("a/1", 2)])])
def test_what_is_wanted(items, wanted):
    assert [(sku.key, quantity) for sku, quantity in pricing.wanted(scene(), items)] == wanted


@pytest.mark.parametrize("items, code", [
    ([], Code.BAD_REQUEST), ([{"sku": "z/1"}], Code.NOT_SOLD_HERE), ([{"sku": "a"}], Code.NOT_SOLD_HERE),
    ([{"sku": "a/1", "quantity": 0}], Code.QUANTITY_INVALID),
    ([{"sku": "a/1", "quantity": 101}], Code.QUANTITY_INVALID),
    ([{"sku": "a/1", "quantity": 2}, {"sku": "a/1", "quantity": -1}], None)])
def test_what_can_not_be_bought(items, code):
    if code is None:                           # two and minus one are one
        assert pricing.wanted(scene(), items)[0][1] == 1
    else:
        with refused(code):
            pricing.wanted(scene(), items)


def test_an_agreed_price_stands_instead_of_the_list_price():
    price = priced(scene(), {"a/1": 2})
    price.discount("coupon", "c", TITLE, 100, [1])
    pricing.agreed_price(price, [(SKUS["a/1"], 2)], {"a/1": 600})
    assert (price.subtotal_minor, price.payable_minor, price.discounts) == (1200, 1200, [])
    with refused(Code.AGREEMENT_REFUSED, "a/2"):
        pricing.agreed_price(price, [(SKUS["a/2"], 1)], {"a/1": 600})


def test_a_discount_stops_at_nothing():
    price = priced(scene(), {"a/1": 1})
    assert price.discount("adjustment", "x", TITLE, 5000, [1]) == 990 and price.payable_minor == 0
    assert price.discount("adjustment", "y", TITLE, 100, [1]) == 0
    assert [d["amount_minor"] for d in price.discounts] == [990, 0]


@given(ITEMS, st.lists(st.tuples(st.integers(0, 10 ** 6), st.sets(st.integers(1, 4), min_size=1)), max_size=5))
def test_any_discounts_add_up(items, discounts):
    price = priced(scene(), items)
    before = price.subtotal_minor
    taken = [price.discount("adjustment", str(n), TITLE, amount, sorted(lines))
             for n, (amount, lines) in enumerate(discounts)]
    result = price.result()
    assert result["subtotal_minor"] == before and result["discount_minor"] == sum(taken) == \
        before - result["payable_minor"]
    for line in result["lines"]:
        off = sum(d["shares"].get(str(line["n"]), 0) for d in result["discounts"])
        assert 0 <= off == line["discount_minor"] == line["list_minor"] - line["payable_minor"] <= line["list_minor"]
    assert all(sum(d["shares"].values()) == d["amount_minor"] for d in result["discounts"])


def test_priced_again_from_nothing():
    price = priced(scene(), {"a/1": 1})
    price.discount("coupon", "c", TITLE, 1, [1])
    price.refuse_coupon("d", TITLE, "expired", "It is no longer valid.")
    price.clear()
    assert price.result() == pricing.Price("CNY").result()
