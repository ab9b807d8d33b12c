"""Coupons: worth less than what they lower, within their own limits, and never two that nobody could choose between."""
from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from ..base import clock, money
from .check_conditions import checked, fields_of, out_of_reach
from .check_scenes import precision
from .conditions import Condition
from .problems import Fault
from .reach import apart
from .world import Document, World

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


def check_ties(world: World, coupons: Mapping[str, tuple[Document, Reach]]) -> Iterator[tuple[str, Fault]]:
    """(coupon id, fault) of coupons of one group that can meet in one order, at the same time, with equal priority."""
    rivals: dict[tuple[str, int], list[str]] = {}
    for id, (coupon, _) in coupons.items():
        stack = coupon.get("stack", {})
        if "group" in stack:
            rivals.setdefault((stack["group"], stack.get("priority", 0)), []).append(id)
    for (group, priority), ids in rivals.items():
        for number, id in enumerate(ids):
            other = next((other for other in ids[:number] if _can_meet(coupons[id], coupons[other])), None)
            if other is not None:
                path = ("stack", "priority") if "priority" in coupons[id][0]["stack"] else ("stack",)
                yield id, Fault(path, "tie", f"{other} of the same group {group} can meet it, and neither goes first",
                                found=f"priority {priority} in both", expected="two priorities")


def _can_meet(one: tuple[Document, Reach], other: tuple[Document, Reach]) -> bool:
    (a, reach_a), (b, reach_b) = one, other
    if not _overlap(a.get("valid", {}), b.get("valid", {})) or apart(reach_a.condition, reach_b.condition):
        return False
    # in one order each coupon may meet goods of its own: sharing a scene is enough to meet
    return any(reach_a.scenes[scene_id] and reach_b.scenes.get(scene_id) for scene_id in reach_a.scenes)


def _overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return not _ends_first(one, other) and not _ends_first(other, one)


def _ends_first(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether one validity is over when another begins."""
    if "until" not in one or "from" not in other:
        return False
    return clock.parse_rfc3339(one["until"]) <= clock.parse_rfc3339(other["from"])
