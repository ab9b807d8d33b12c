"""Checked documents → the frozen catalogue. Once a release; nothing here is looked at again while it is served.

Written amounts become minor units, spans seconds, times milliseconds, conditions functions. Whatever scenes have in
common (a pipeline, a set of coupons with its rules) is compiled once and shared, by releases too: what is made through
`shelf.made` sees its arguments and nothing else. The documents must have passed `check`.
"""
from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Any, Callable, Mapping

from ..base import canon, clock, money
from . import fields, shape
from .catalog import (
    Benefit, Catalog, Coupon, Flow, Grant, LowWater, Merchant, OutsideShop, Partner, PoolTerms, Reporting, Scene,
    Sku)
from .check_conditions import Fields, table_with
from .check_coupons import Reach
from .check_partners import pool_currency
from .check_products import declared
from .compile_flow import flows_of, placed
from .compile_payment import offers_of, written_choices
from .conditions import Condition, compile_closure, facts_named
from .facts import FactTable
from .kept import alike
from .rules import RuleSet
from .vocabulary import Vocabulary
from .world import Document, World

_QUOTE_HOLDS, _PAY_WITHIN, _RETRY = "15m", "30m", {"every": "1m", "for": "30d"}
_REPORT_WAIT, _REPORT_FOR = "15s..6h", "3d"
_POOL_UNITS = {"fund_pool": "money", "quantity_pool": "pieces", "new_customer": "heads"}
_TENDERS = {"direct_charge": ("pool",), "ecommerce": ("external",)}


def compile_catalog(world: World, vocabulary: Vocabulary, reaches: Mapping[str, Reach]) -> Catalog:
    """`reaches`: coupon id → the scenes and goods it can count for, as the checker worked them out."""
    shelf = world.shelf
    skus = _skus(world)
    coupons = {id: shelf.made(_coupon, coupon, reaches[id].condition) for id, coupon in shelf.sound("coupons")}
    scenes = _Scenes(world, vocabulary, skus, coupons, reaches)
    return Catalog(
        digest=digest_of(world),
        scenes=MappingProxyType({id: scenes.scene(id, scene) for id, scene in world.scenes.items()}),
        skus=MappingProxyType(skus),
        coupons=MappingProxyType(coupons),
        channels=MappingProxyType(dict(shelf.sound("channels"))),
        partners=MappingProxyType({id: _partner(partner, world) for id, partner in shelf.sound("partners")}),
        merchants=MappingProxyType({id: _merchant(merchant) for id, merchant in shelf.sound("merchants")}),
        lines=MappingProxyType({id: _frozen({"title": line["title"]}) for id, line in shelf.sound("lines")}),
        product_types=MappingProxyType({id: _frozen(type_) for id, type_ in shelf.sound("product_types")}),
        messages=MappingProxyType({id: _frozen(message) for id, message in shelf.sound("messages")}))


def digest_of(world: World) -> str:
    """SHA-256 of what the documents say; layout, comments and the order of keys do not count."""
    return canon.digest({kind: dict(world.shelf.sound(kind)) for kind in world.shelf.counts()})


def _frozen(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(document))


# ---- goods ----

def _skus(world: World) -> dict[str, Sku]:
    made, found = world.shelf.made, {}
    types = {id: made(_type, type_) for id, type_ in world.shelf.sound("product_types")}
    for _, product in world.shelf.sound("products"):
        used = {sku.get("type", product["type"]): None for sku in product["skus"].values()}
        found |= made(_skus_of, product, tuple((type_id, types[type_id]) for type_id in used))
    return found


def _skus_of(product: Document, types: tuple[tuple[str, tuple], ...]) -> dict[str, Sku]:
    return {f"{product['id']}/{sku_id}": _sku(product["id"], product, sku_id, sku, dict(types))
            for sku_id, sku in product["skus"].items()}


def _type(type_: Document) -> tuple[frozenset[str], Mapping[str, str], Mapping[str, Any]]:
    """(flows it takes part in, its own fields' types, defaults)."""
    kinds = {name: field["type"] for name, field in declared(type_).items()}
    return frozenset(type_["takes_part_in"]), kinds, type_.get("defaults", {})


def _sku(product_id: str, product: Document, sku_id: str, sku: Document, types: Mapping[str, tuple]) -> Sku:
    type_id, currency = sku.get("type", product["type"]), product.get("currency", "CNY")
    parts, kinds, defaults = types[type_id]
    key = f"{product_id}/{sku_id}"
    read: Mapping[str, Callable[[Any], Any]] = {"money": lambda value: money.parse_major(value, currency),
                                                "duration": clock.parse_duration_s, "period": shape.parse_period,
                                                "durations": lambda value: tuple(map(clock.parse_duration_s, value)),
                                                "prices": lambda value: tuple(
                                                    (step["from"], money.parse_major(step["price"], currency)) for step in value)}
    written = {**defaults, **sku}
    extra = {name: read.get(kind, lambda value: value)(written[name])
             for name, kind in kinds.items() if name in written}
    return Sku(
        key=key, product_id=product_id, sku_id=sku_id, title=_frozen(sku["title"]), type_id=type_id,
        merchant_id=product["merchant"], currency=currency, price_minor=money.parse_major(sku["price"], currency),
        grants=tuple(_grant(grant, sku) for grant in sku.get("grants", product.get("grants", ()))),
        quantity_max=sku.get("quantity_max", 1),
        purchase_cap=sku.get("purchase_cap", product.get("purchase_cap")),
        cap_key=key if "purchase_cap" in sku else product_id,
        deliver_parts=parts,
        invoice_item=sku.get("invoice_item", product.get("invoice_item", "")),
        extra=_frozen(extra))


def _grant(grant: Document, sku: Document) -> Grant:
    count, unit = shape.parse_period(grant.get("for", sku.get("for")))
    quota = sku.get("quotas", {}).get(grant["right"], grant.get("quota"))
    return Grant(grant["right"], _frozen(grant["title"]), count, unit, quota)


# ---- coupons, merchants, partners ----

def _coupon(coupon: Document, condition: Condition | None) -> Coupon:
    currency = coupon.get("currency", "CNY")
    benefit, stack, caps, scope = (coupon.get(word, {}) for word in ("benefit", "stack", "caps", "scope"))
    kind = next(word for word in ("amount", "percent", "price") if word in benefit)

    def minor(document: Document, word: str) -> int | None:
        return money.parse_major(document[word], currency) if word in document else None

    value = Decimal(str(benefit[kind])) if kind == "percent" else minor(benefit, kind)
    return Coupon(
        id=coupon["id"], title=_frozen(coupon["title"]), currency=currency,
        benefit=Benefit(kind, value, minor(benefit, "at_most")),
        when=compile_closure(condition) if condition is not None else None, when_tree=condition,
        product_scope=frozenset(scope.get("products", ())), scene_scope=frozenset(scope.get("scenes", ())),
        line_scope=frozenset(scope.get("lines", ())),
        threshold_minor=minor(coupon, "threshold") or 0,
        group=stack.get("group", coupon["id"]), priority=stack.get("priority", 0),
        combines=stack.get("combines", False),
        budget_minor=minor(coupon, "budget"), cap_total=caps.get("total"), cap_per_buyer=caps.get("per_buyer"),
        **_valid(coupon), on_refund=coupon.get("on_refund", "return"))


def _valid(document: Document) -> dict[str, int | None]:
    valid = document.get("valid", {})
    return {f"valid_{word}_ms": clock.parse_rfc3339(valid[word]) if word in valid else None
            for word in ("from", "until")}


def _merchant(merchant: Document) -> Merchant:
    return Merchant(merchant["id"], _frozen(merchant["title"]), merchant["kind"], merchant.get("upstream_channel"),
                    str(merchant.get("commission_percent", "0")))


def _partner(partner: Document, world: World) -> Partner:
    retry, pool, unit = partner.get("retry", _RETRY), partner["pool"], _POOL_UNITS[partner["mode"]]
    currency = pool_currency(world, partner)
    read = (lambda value: money.parse_major(value, currency)) if unit == "money" else int
    prices = {key: money.parse_major(price, world.sku(key)[0].get("currency", "CNY"))
              for key, price in partner["prices"].items()}
    return Partner(
        id=partner["id"], title=_frozen(partner["title"]), mode=partner["mode"], scenes=frozenset(partner["scenes"]),
        prices=MappingProxyType(prices),
        pool=PoolTerms(pool.get("id", partner["id"]), unit, read(pool["floor"]), read(pool["low_water"]), currency),
        per_buyer_cap=partner.get("caps", {}).get("per_buyer"), **_valid(partner), verify=partner["verify"],
        retry_every_s=clock.parse_duration_s(retry["every"]), retry_for_s=clock.parse_duration_s(retry["for"]),
        merchant_id=partner["merchant"], **_told(partner.get("tell", {})))


def _told(tell: Document) -> dict[str, Any]:
    low, results = tell.get("low_water"), tell.get("results")
    return {"low_water": LowWater(low["template"], low["to"], low.get("lang", "zh")) if low else None,
            "results": _reporting(results) if results else None}


def _reporting(told: Document) -> Reporting:
    return Reporting(told["channel"], *shape.parse_wait(told.get("wait", _REPORT_WAIT)),
                     clock.parse_duration_s(told.get("for", _REPORT_FOR)))


# ---- scenes ----

class _Scenes:
    """Gathers what each scene is made of: all that it names, and nothing more."""

    def __init__(self, world: World, vocabulary: Vocabulary, skus: Mapping[str, Sku], coupons: Mapping[str, Coupon],
                 reaches: Mapping[str, Reach]):
        self.world, self.skus, self._coupons = world, skus, coupons
        self._specs = {id: tuple(vocabulary.steps[step.name] for step in placed(line))
                       for id, line in world.shelf.sound("lines")}
        self._rules: dict[tuple[str, ...], tuple[tuple[Coupon, ...], RuleSet]] = {}
        self._ids: dict[str, list[str]] = {}
        for coupon in sorted(coupons.values(), key=lambda coupon: (-coupon.priority, coupon.id)):
            for scene_id in reaches[coupon.id].scenes:
                self._ids.setdefault(scene_id, []).append(coupon.id)

    def scene(self, id: str, scene: Document) -> Scene:
        shelf, currency, partners = self.world.shelf, self.world.currency(id), self.world.partners_of.get(id, ())
        own = self.world.fields_of_line[scene["line"]].own
        channels = tuple(shelf.data("channels", choice.channel_id)["title"]
                         for choice in written_choices(scene) if choice.route is None)
        flows = shelf.made(flows_of, shelf.data("lines", scene["line"]), alike(scene.get("override", {})),
                           self._specs[scene["line"]], own, currency)
        return shelf.made(_scene, scene, currency, tuple(self.skus[key] for key in self.world.goods[id].keys), channels,
                          shelf.made(table_with, "pay", own), flows, *self._coupons_of(id),
                          partners[0] if len(partners) == 1 else None)

    def _coupons_of(self, scene_id: str) -> tuple[tuple[Coupon, ...], RuleSet]:
        ids = tuple(self._ids.get(scene_id, ()))
        if ids not in self._rules:
            made, coupons = self.world.shelf.made, tuple(self._coupons[id] for id in ids)
            asked = made(table_with, "quote", _asked(coupons, self.world.fields_together).own)
            self._rules[ids] = coupons, made(_rules_of, coupons, asked)
        return self._rules[ids]


def _scene(scene: Document, currency: str, skus: tuple[Sku, ...], channels: tuple[Mapping[str, str], ...],
           facts: FactTable, flows: Mapping[str, Flow], coupons: tuple[Coupon, ...], rules: RuleSet,
           partner_id: str | None) -> Scene:
    """`channels`: the titles of those offered by themselves, in their order."""
    pay, own_fields = scene.get("pay", {}), scene.get("fields", {})
    return Scene(
        id=scene["id"], title=_frozen(scene["title"]), terminal=scene["terminal"], method=scene["method"],
        login=scene["login"], line_id=scene["line"], currency=currency,
        skus=MappingProxyType({sku.key: sku for sku in skus}),
        channels=offers_of(pay.get("channels", ()), channels, facts, currency),
        tenders=frozenset(_TENDERS.get(scene["method"]) or pay.get("tenders", ("channel",))),
        quote_ttl_s=clock.parse_duration_s(scene.get("quote_holds", _QUOTE_HOLDS)),
        pay_within_s=clock.parse_duration_s(pay.get("within", _PAY_WITHIN)),
        fields_schema=fields.schema_of(own_fields), check_fields=fields.checker_of(own_fields),
        flows=flows, coupons=coupons, coupon_rules=rules, partner_id=partner_id,
        shop=_shop(scene["shop"]) if "shop" in scene else None)


def _shop(shop: Document) -> OutsideShop:
    return OutsideShop(_frozen(shop["items"]), _frozen(shop.get("fields", {})), _reporting(shop))


def _rules_of(coupons: tuple[Coupon, ...], facts: FactTable) -> RuleSet:
    return RuleSet("coupon", {coupon.id: coupon.when_tree for coupon in coupons}, facts)


def _asked(coupons: tuple[Coupon, ...], together: Fields) -> Fields:
    """The scenes' fields that these coupons ask about."""
    asked = {name.removeprefix("fields.") for coupon in coupons if coupon.when_tree is not None
             for name in facts_named(coupon.when_tree) if name.startswith("fields.")}
    return Fields({name: field for name, field in together.fields.items() if name in asked}, {})
