"""Coupons: worth less than what they lower, within their own limits, and never two that nobody could choose between."""
from __future__ import annotations

import itertools
from typing import Any, Iterator, Mapping, NamedTuple

from ..base import clock, money
from .check_conditions import checked, fields_of, out_of_reach
from .check_scenes import precision
from .conditions import Condition, facts_named
from .problems import Fault
from .reach import apart
from .world import Document, World

# facts of a coupon's condition that are of the goods it covers, not of the whole order
_OF_GOODS = frozenset({"subtotal", "quantity", "product.ids", "product.types", "product.skus"})
_AMOUNTS = (("benefit", "amount"), ("benefit", "price"), ("benefit", "at_most"), ("threshold",), ("budget",))


class Reach(NamedTuple):
    """Where a coupon can count: scene id → the SKU keys it covers there; its condition, None when it always holds."""
    scenes: Mapping[str, list[str]]
    condition: Condition | None


def check_coupon(world: World, id: str, coupon: Document) -> tuple[list[Fault], Reach]:
    currency = coupon.get("currency", "CNY")
    faults: list[Fault] = []
    for path in _AMOUNTS:
        if (written := _at(coupon, path)) is not None:
            faults += precision(written, currency, path)
    scope = coupon.get("scope", {})
    goods = frozenset(scope.get("products", ()))
    scenes = [(scene_id, scene) for scene_id, scene in world.scenes_in(scope)
              if world.currency(scene_id) in (currency, None)]
    reach = {scene_id: world.covered(scene_id, goods) for scene_id, _ in scenes}
    condition = None
    if "when" in coupon:
        condition = checked(world.shelf, coupon["when"], ("when",), "quote", fields_of(scenes), currency, faults)
        known = [world.known[scene_id] for scene_id, _ in scenes]
        if world.shelf.all_sound("scenes") and out_of_reach(condition, known):
            faults.append(Fault(("when",), "unreachable",
                                "this can never hold where the coupon counts, so it would never apply"))
    if not faults:
        faults = [*_check_worth(world, coupon, currency, reach), *_check_limits(coupon, currency), *check_valid(coupon)]
    return faults, Reach(reach, condition)


def _at(document: Any, path: tuple) -> Any:
    for key in path:
        document = document.get(key) if document is not None else None
    return document


def _check_worth(world: World, coupon: Document, currency: str, reach: Mapping[str, list[str]]) -> Iterator[Fault]:
    """A coupon that takes off more than the cheapest thing it can meet would quietly be worth less than it says."""
    benefit = coupon["benefit"]
    if "amount" not in benefit and "price" not in benefit:
        return
    prices = {key: money.parse_major(world.sku(key)[1]["price"], currency) for keys in reach.values() for key in keys
              if not precision(world.sku(key)[1]["price"], currency, ())}
    if not prices:
        return
    key, least = min(prices.items(), key=lambda entry: entry[1])
    if "price" in benefit:
        if money.parse_major(benefit["price"], currency) >= least:
            yield Fault(("benefit", "price"), "worth", f"{key} costs {money.format_major(least, currency)} anyway",
                        found=str(benefit["price"]), expected="a lower price, or a scope without it")
        return
    threshold = money.parse_major(coupon.get("threshold", 0), currency)
    if money.parse_major(benefit["amount"], currency) > max(least, threshold):
        costs = money.format_major(max(least, threshold), currency)
        whose = "its goods must cost" if threshold > least else f"{key} costs"
        yield Fault(("benefit", "amount"), "worth", f"the coupon takes off more than the {costs} that {whose}",
                    str(benefit["amount"]), "a lower amount, a higher threshold or a narrower scope")


def _check_limits(coupon: Document, currency: str) -> Iterator[Fault]:
    benefit, caps = coupon["benefit"], coupon.get("caps", {})
    once = benefit.get("amount", benefit.get("at_most"))
    if "budget" in coupon and once is not None:
        budget_minor, once_minor = (money.parse_major(amount, currency) for amount in (coupon["budget"], once))
        if budget_minor < once_minor:
            yield Fault(("budget",), "range", "the budget does not pay for a single use", found=str(coupon["budget"]),
                        expected=f"at least {once}")
    if caps.get("per_buyer", 0) > caps.get("total", caps.get("per_buyer", 0)):
        yield Fault(("caps", "per_buyer"), "range", "one buyer may not have more than there are in all",
                    found=str(caps["per_buyer"]), expected=f"at most {caps['total']}")


def check_valid(document: Document) -> list[Fault]:
    """Of coupons and partners: a validity that ends after it begins."""
    valid = document.get("valid", {})
    if "from" in valid and "until" in valid and _ends_first(valid, valid):
        return [Fault(("valid", "until"), "range", "it ends before it begins", found=str(valid["until"]),
                      expected=f"a time after {valid['from']}")]
    return []


def check_ties(coupons: Mapping[str, tuple[Document, Reach]]) -> Iterator[tuple[str, Fault]]:
    """(coupon id, fault) of coupons that exclude each other, can meet in one order, and have the same priority."""
    rivals: dict[tuple[str, int], list[str]] = {}
    for id, (coupon, reach) in coupons.items():
        priority = coupon.get("stack", {}).get("priority", 0)
        for scene_id in reach.scenes:
            rivals.setdefault((scene_id, priority), []).append(id)
    pairs = dict.fromkeys(pair for ids in rivals.values() for pair in itertools.combinations(ids, 2))
    told: set[str] = set()
    for other, id in pairs:
        if id not in told and _exclude(coupons[id][0], coupons[other][0]) and _can_meet(coupons[id], coupons[other]):
            told.add(id)
            stack = coupons[id][0].get("stack", {})
            path = ("stack", "priority") if "priority" in stack else ("stack",) if stack else ()
            yield id, Fault(path, "tie", f"{other} excludes it, can meet it in one order, and neither goes first",
                            found=f"priority {stack.get('priority', 0)} in both", expected="two priorities")


def _exclude(one: Document, other: Document) -> bool:
    """Whether at most one of two coupons may apply: they share a group, or one of them stands alone."""
    a, b = one.get("stack", {}), other.get("stack", {})
    return a.get("group", one["id"]) == b.get("group", other["id"]) or not (a.get("combines") and b.get("combines"))


def _can_meet(one: tuple[Document, Reach], other: tuple[Document, Reach]) -> bool:
    """In an order of a scene that both reach; each may count for goods of its own there."""
    (a, reach_a), (b, reach_b) = one, other
    return _overlap(a.get("valid", {}), b.get("valid", {})) and not (
        apart(reach_a.condition, reach_b.condition) and not _speak_of_their_own_goods(one, other))


def _speak_of_their_own_goods(one: tuple[Document, Reach], other: tuple[Document, Reach]) -> bool:
    """Whether a fact that both name is of each one's own goods: then it can have two values in one order."""
    (a, reach_a), (b, reach_b) = one, other
    named = [facts_named(reach.condition) if reach.condition else frozenset() for reach in (reach_a, reach_b)]
    same_goods = set(a.get("scope", {}).get("products", ())) == set(b.get("scope", {}).get("products", ()))
    return not same_goods and bool(named[0] & named[1] & _OF_GOODS)


def _overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return not _ends_first(one, other) and not _ends_first(other, one)


def _ends_first(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether one validity is over when another begins."""
    if "until" not in one or "from" not in other:
        return False
    return clock.parse_rfc3339(one["until"]) <= clock.parse_rfc3339(other["from"])
