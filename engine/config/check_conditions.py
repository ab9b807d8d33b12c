"""Conditions where they stand: typed by the facts known there, naming things that exist, able to hold.

A scene's own fields are facts of its conditions. A line or a coupon is shared by scenes: its conditions may name a
field if one of those scenes has it, and a scene without it counts it as empty.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Iterable, Iterator, Mapping

from . import fields, shape
from .conditions import Condition, Test, parse
from .facts import FactTable
from .kept import Alike, alike
from .problems import Fault, nearest_word, shown
from .reach import Known, never
from .shelf import Shelf
from .wording import either

# Facts whose values are ids of this catalogue, and facts whose values are words of the scene's schema.
_IDS = {"scene.id": "scenes", "line.id": "lines", "partner.id": "partners", "channel.id": "channels",
        "product.ids": "products", "product.types": "product_types"}
_SCENE_WORDS = {"scene.terminal": "terminal", "scene.method": "method", "scene.login": "login"}
_EQUALS = ("eq", "ne", "in", "has")


@lru_cache(maxsize=None)
def table(stage: str) -> FactTable:
    """The facts known while a flow runs, or for `pay` (a channel is chosen), without a scene's own fields.

    quote: before the price · place: the price, too · anything later: all of them.
    """
    if stage == "place":
        # an order has no channel before it is paid: a condition on one could only be false
        known = FactTable.at("pay")
        return FactTable("place", {f.name: f for f in known if f.name not in ("channel.id", "payment.bank")})
    return FactTable.at(stage if stage in ("quote", "pay") else "step")


def table_with(stage: str, own: Alike) -> FactTable:
    """The same with scenes' own fields (`Fields.own`)."""
    return table(stage).with_fields(fields.schema_of(own.value)) if own.value else table(stage)


@dataclass(frozen=True)
class Fields:
    """The fields of several scenes together, and those that two of them define with different types."""
    fields: Mapping[str, Any]
    torn: Mapping[str, tuple[str, str]]

    @cached_property
    def own(self) -> Alike:
        return alike(self.fields)


def fields_of(scenes: Iterable[tuple[str, Mapping[str, Any]]]) -> Fields:
    together: dict[str, Any] = {}
    owner: dict[str, str] = {}
    torn: dict[str, tuple[str, str]] = {}
    for id, scene in scenes:
        for name, field in scene.get("fields", {}).items():
            if name not in together:
                together[name], owner[name] = field, id
            elif together[name]["type"] != field["type"]:
                torn.setdefault(name, (owner[name], id))
    return Fields(together, torn)


def checked(shelf: Shelf, tree: Any, path: tuple, stage: str, scope: Fields, currency: str | None,
            faults: list[Fault]) -> Condition | None:
    """The condition written at a path, or None when it has faults, which are added to `faults`.

    currency  the one its amounts are in; None: its scenes sell in several
    """
    condition, found = None, [
        Fault(path, "condition", f"the field {name} has one type in scene {one} and another in scene {other}")
        for name, (one, other) in scope.torn.items() if f"fields.{name}" in set(_words(tree))]
    if not found:
        condition, found = parse(tree, shelf.made(table_with, stage, scope.own), path, currency or "CNY")
    if condition is not None:
        found = _absent(shelf, tree, path, scope.fields)
        if currency is None and any(test.type == "money" for test in tests_of(condition)):
            found.append(Fault(path, "currency", "no amount can be named here: the scenes sell in several currencies"))
    faults += found
    return condition if not found else None


def _words(tree: Any) -> Iterator[str]:
    """Every key and every text of a tree, sound or not."""
    if isinstance(tree, str):
        yield tree
    for part in tree.items() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ():
        yield from _words(part)


def _absent(shelf: Shelf, tree: Any, path: tuple, own_fields: Mapping[str, Any]) -> list[Fault]:
    """Values that a fact can never have: an id that does not exist, a word the schema does not know."""
    found = []
    for where, name, value in _compared(tree, path):
        allowed = _values_of(shelf, name, own_fields)
        if allowed is not None and value not in allowed and value != "":
            nearest = nearest_word(value, map(str, allowed))
            found.append(Fault(where, "condition", f"{name} is never this", shown(value),
                               None if nearest or name in _IDS else either(allowed), nearest))
    return found


def _values_of(shelf: Shelf, name: str, own_fields: Mapping[str, Any]) -> list[Any] | None:
    if name in _IDS:
        return list(shelf.ids(_IDS[name]))
    if name in _SCENE_WORDS:
        return shape.schema_of("scenes")["properties"][_SCENE_WORDS[name]]["enum"]
    if name == "partner.mode":
        return shape.schema_of("partners")["properties"]["mode"]["enum"]
    if name == "product.skus":
        return sku_keys(shelf) if shelf.all_sound("products") else None
    field = own_fields.get(name.removeprefix("fields."), {}) if name.startswith("fields.") else {}
    return field.get("enum") or field.get("items", {}).get("enum")


def sku_keys(shelf: Shelf) -> list[str]:
    return [f"{product_id}/{sku_id}" for product_id, product in shelf.sound("products") for sku_id in product["skus"]]


def _compared(tree: Any, path: tuple) -> Iterator[tuple[tuple, str, Any]]:
    """(path, fact, value) of every value that a sound condition compares a fact with."""
    if isinstance(tree, list):
        for number, part in enumerate(tree):
            yield from _compared(part, (*path, number))
        return
    for word, body in tree.items():
        if word in ("all", "any", "not"):
            yield from _compared(body, (*path, word))
        elif word in _EQUALS:
            for name, value in body.items():
                if isinstance(value, list):
                    yield from (((*path, word, name, number), name, each) for number, each in enumerate(value))
                else:
                    yield (*path, word, name), name, value


def tests_of(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Test):
        yield condition
        return
    for part in getattr(condition, "parts", None) or (condition.part,):
        yield from tests_of(part)


def known_in(scene_id: str, scene: Mapping[str, Any], sold: Iterable[str], partner_ids: Iterable[str],
             currency: str | None) -> Known:
    """What is fixed in a scene: its own facts, the goods it sells (`product/sku` keys), its partners and currency."""
    values = {"scene.id": scene_id, "line.id": scene["line"], "scene.terminal": scene["terminal"],
              "scene.method": scene["method"], "scene.login": scene["login"]}
    if currency is not None:
        values["currency"] = currency
    partners = list(partner_ids)
    if not partners:
        values.update({"partner.id": "", "partner.mode": ""})
    sold = list(sold)
    among = {"product.skus": sold, "product.ids": sorted({key.partition("/")[0] for key in sold})}
    return Known(values, among)


def out_of_reach(condition: Condition | None, everywhere: Iterable[Known]) -> bool:
    """True when a condition holds in none of the places where it could."""
    places = list(everywhere)
    return condition is not None and bool(places) and all(never(condition, known) for known in places)
