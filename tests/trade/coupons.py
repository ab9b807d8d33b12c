"""Coupons and scenes made by hand, for properties over many of them."""
from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from engine.config.catalog import Benefit, Coupon, Scene, Sku
from engine.config.conditions import parse
from engine.config.facts import FactTable
from engine.config.rules import RuleSet
from engine.steps.context import base_facts
from engine.trade import pricing

NOW = 1_800_000_000_000
TABLE = FactTable.at("quote")
TITLE = {"zh": "券", "en": "Coupon"}


def coupon(id: str, benefit: Benefit = Benefit("amount", 100), when: Any = None, **values: Any) -> Coupon:
    tree = parse(when, TABLE, (), "CNY")[0] if when else None
    blank = {"product_scope": frozenset(), "scene_scope": frozenset(), "line_scope": frozenset(), "threshold_minor": 0,
             "group": id, "priority": 0, "combines": True, "budget_minor": None, "cap_total": None,
             "cap_per_buyer": None, "valid_from_ms": None, "valid_until_ms": None, "on_refund": "return"}
    return Coupon(id=id, title=TITLE, currency="CNY", benefit=benefit, when=None, when_tree=tree, **(blank | values))


def sku(key: str, price_minor: int) -> Sku:
    product, _, name = key.partition("/")
    return Sku(key=key, product_id=product, sku_id=name, title=TITLE, type_id="once", merchant_id="own", currency="CNY",
               price_minor=price_minor, quantity_max=100)


SKUS = {key: sku(key, price)
        for key, price in (("a/1", 990), ("a/2", 4000), ("b/1", 3333), ("b/2", 1), ("c/1", 29_800))}


def scene(*coupons: Coupon, skus: dict[str, Sku] = SKUS) -> Scene:
    """A scene with these coupons, in the order in which they are tried."""
    ordered = tuple(sorted(coupons, key=lambda c: (-c.priority, c.id)))
    return Scene(id="scene", title=TITLE, terminal="app", method="in_app", login="guest", line_id="line",
                 currency="CNY", skus=skus,
                 channels=(), tenders=frozenset({"channel"}), quote_ttl_s=900, pay_within_s=1800, fields_schema={},
                 check_fields=lambda fields: [], flows={}, coupons=ordered,
                 coupon_rules=RuleSet("coupon", {c.id: c.when_tree for c in ordered}, TABLE, closures_only=True))


def priced(of: Scene, items: dict[str, int]) -> pricing.Price:
    price = pricing.Price("CNY")
    pricing.list_price(price, [(of.skus[key], quantity) for key, quantity in items.items()])
    return price


def facts(of: Scene, price: pricing.Price, tags: list[str] = []) -> dict[str, Any]:
    buyer = {"tags": tags, "orders_paid": 0, "phone": ""}
    return {**base_facts(of, "b1", buyer, {}, {}, None, NOW), **pricing.facts(price)}


ITEMS = st.dictionaries(st.sampled_from(sorted(SKUS)), st.integers(1, 5), min_size=1, max_size=4)
TAGS = st.lists(st.sampled_from(["fresh", "gold"]), unique=True)
_BENEFITS = st.one_of(
    st.builds(Benefit, st.just("amount"), st.integers(1, 50_000)),
    st.builds(Benefit, st.just("percent"), st.integers(1, 1000).map(lambda n: Decimal(n) / 10),
              st.none() | st.integers(1, 3000)),
    st.builds(Benefit, st.just("price"), st.integers(0, 5000)))
_WHENS = st.sampled_from([None, {"has": {"buyer.tags": "fresh"}}, {"not": {"has": {"buyer.tags": "gold"}}},
                          {"gte": {"subtotal": "50.00"}},
                          {"lte": {"quantity": 3}}, {"has": {"product.ids": "a"}}])
_SCOPES = st.sampled_from([frozenset(), frozenset({"a"}), frozenset({"b/1"}), frozenset({"a/2", "c"}),
                           frozenset({"z"})])


@st.composite
def some_coupons(draw: Any, prefix: str = "c", most: int = 6) -> list[Coupon]:
    return [coupon(f"{prefix}{n}", draw(_BENEFITS), draw(_WHENS), product_scope=draw(_SCOPES),
                   group=draw(st.sampled_from(["g", "h", f"own{n}"])),
                   priority=draw(st.integers(0, 3)), combines=draw(st.booleans()),
                   threshold_minor=draw(st.sampled_from([0, 1000, 20_000])),
                   cap_per_buyer=draw(st.none() | st.just(1)),
                   valid_from_ms=draw(st.sampled_from([None, NOW, NOW + 1])),
                   valid_until_ms=draw(st.sampled_from([None, None, NOW, NOW + 1])))
                   for n in range(draw(st.integers(0, most)))]


def again(one: Coupon, **changed: Any) -> Coupon:
    return dataclasses.replace(one, **changed)
