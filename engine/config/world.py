"""What follows from the files taken together: who sells what, in which currency, through which partners.

Worked out once for the checks that need more than one file. Only sound files take part; where one is broken the answer
is marked as partial, and nothing is concluded from what is absent.
"""
from __future__ import annotations

from functools import cached_property
from typing import Any, Mapping, NamedTuple

from .check_conditions import Fields, fields_of, known_in
from .check_steps import Scope
from .compile_flow import scenes_by_line
from .reach import Known
from .shelf import Shelf

Document = Mapping[str, Any]


class Goods(NamedTuple):
    """What a scene sells: SKU keys in order, their currencies, and whether a file that belongs to it is broken."""
    keys: tuple[str, ...]
    currencies: frozenset[str]
    partial: bool


class World:
    def __init__(self, shelf: Shelf):
        self.shelf = shelf
        self.scenes: dict[str, Document] = dict(shelf.sound("scenes"))
        self.goods: dict[str, Goods] = {id: self._goods(scene) for id, scene in self.scenes.items()}

    def _goods(self, scene: Document) -> Goods:
        keys: list[str] = []
        currencies: set[str] = set()
        partial = False
        for product_id, wanted in scene["sells"].items():
            product = self.shelf.data("products", product_id)
            if product is None:
                partial = True
                continue
            currencies.add(product.get("currency", "CNY"))
            keys += [f"{product_id}/{sku_id}" for sku_id in (product["skus"] if wanted == "all" else wanted)
                     if sku_id in product["skus"]]
        return Goods(tuple(keys), frozenset(currencies), partial)

    def sku(self, key: str) -> tuple[Document, Document] | None:
        """(product, SKU) of a `product/sku`, or None."""
        product_id, _, sku_id = key.partition("/")
        product = self.shelf.data("products", product_id)
        return (product, product["skus"][sku_id]) if product and sku_id in product["skus"] else None

    def currency(self, scene_id: str) -> str | None:
        """A scene's one currency; None when it has several."""
        currencies = self.goods[scene_id].currencies
        return next(iter(currencies), "CNY") if len(currencies) < 2 else None

    @cached_property
    def partners_of(self) -> dict[str, list[str]]:
        """Scene id → the partners that name it."""
        found: dict[str, list[str]] = {}
        for id, partner in self.shelf.sound("partners"):
            for scene_id in partner["scenes"]:
                found.setdefault(scene_id, []).append(id)
        return found

    @cached_property
    def scenes_of(self) -> dict[str, list[tuple[str, Document]]]:
        """Line id → its sound scenes."""
        return scenes_by_line(self.scenes.items())

    @cached_property
    def known(self) -> dict[str, Known]:
        """Scene id → what is fixed in it."""
        partners_partial = not self.shelf.all_sound("partners")
        found = {}
        for id, scene in self.scenes.items():
            goods = self.goods[id]
            currency = None if goods.partial else self.currency(id)
            known = known_in(id, scene, goods.keys, self.partners_of.get(id, ()), currency)
            if goods.partial:
                known = known._replace(among={})
            if partners_partial:
                known = known._replace(values={k: v for k, v in known.values.items() if not k.startswith("partner.")})
            found[id] = known
        return found

    def scope_of_line(self, line_id: str) -> Scope:
        scenes = self.scenes_of.get(line_id, [])
        if not self.shelf.all_sound("scenes"):
            return self._scope(scenes)._replace(known=[])       # a broken scene may run what the others do not
        return self._scope(scenes)

    def scope_of_scene(self, scene_id: str) -> Scope:
        """A scene's conditions may name the fields of its line's other scenes: the line's own conditions do."""
        own = self._scope([(scene_id, self.scenes[scene_id])])
        return own._replace(fields=self.fields_of_line[self.scenes[scene_id]["line"]])

    @cached_property
    def fields_of_line(self) -> dict[str, Fields]:
        return {line_id: fields_of(scenes) for line_id, scenes in self.scenes_of.items()}

    @cached_property
    def fields_together(self) -> Fields:
        """The fields of all scenes."""
        return fields_of(self.scenes.items())

    def _scope(self, scenes: list[tuple[str, Document]]) -> Scope:
        currencies = frozenset().union(*(self.goods[id].currencies for id, _ in scenes))
        known = [(scene["method"], self.known[id]) for id, scene in scenes]
        return Scope(fields_of(scenes), currencies, known)

    def scenes_in(self, scope: Mapping[str, Any]) -> list[tuple[str, Document]]:
        """The sound scenes a coupon's scope reaches, by scene, line and goods."""
        wanted, lines, goods = scope.get("scenes"), scope.get("lines"), frozenset(scope.get("products", ()))
        if wanted:
            candidates = [id for id in wanted if id in self.scenes]
        elif goods:                            # the narrowest way in: catalogues have many scenes and many coupons
            candidates = sorted({id for key in goods for id in self._sellers.get(key.partition("/")[0], ())})
        else:
            candidates = list(self.scenes)
        return [(id, self.scenes[id]) for id in candidates if (lines is None or self.scenes[id]["line"] in lines)
                and (not goods or self.covered(id, goods))]

    @cached_property
    def _sellers(self) -> dict[str, list[str]]:
        """Product id → the scenes that sell some of it."""
        found: dict[str, list[str]] = {}
        for id, scene in self.scenes.items():
            for product_id in scene["sells"]:
                found.setdefault(product_id, []).append(id)
        return found

    def covered(self, scene_id: str, goods: frozenset[str]) -> list[str]:
        """The SKU keys of a scene that a set of products and SKUs covers; all of them when it is empty."""
        keys = self.goods[scene_id].keys
        return [key for key in keys if not goods or key in goods or key.partition("/")[0] in goods]
