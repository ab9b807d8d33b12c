"""The checker: a catalogue's files → every error with its place, or the compiled catalogue.

It reads top to bottom: read → shape (JSON Schema) → references → what follows from several files → compile → examples.
A file with an error is left out of what comes later, so that one slip is told once; all other files are still looked at
in full. Examples are run only when nothing else is wrong.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from . import check_coupons, check_examples, check_limits, check_partners, check_products, check_references, check_scenes
from . import check_steps, shape
from . import shelf as shelves
from .catalog import Catalog
from .check_coupons import Reach
from .compile import compile_catalog
from .kept import Memory
from .problems import Fault, Problem, shown
from .reader import KINDS
from .shelf import Files, Shelf, documents
from .vocabulary import Vocabulary
from .world import World

__all__ = ["CheckResult", "check", "documents"]

_memory = Memory()                            # of this process: publisher, drafts and the live catalogue share it


@dataclass(frozen=True)
class CheckResult:
    """catalog: None when there is a problem. problems: errors, by file and place. counts: files of each kind, and
    `examples`: how many were run. notes: what is worth knowing and stops nothing."""
    catalog: Catalog | None
    problems: list[Problem]
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)


def check(catalogue: Path | str | Files, vocabulary: Vocabulary, examples: bool = True) -> CheckResult:
    """Check a folder or {path: text}; never raises for what the files say.

    What was read and compiled for an earlier check is taken from there; every check across files is made anew.
    """
    kept = _memory.begin()
    shelf = shelves.read(catalogue, kept)
    _check_each(shelf, vocabulary)
    world = World(shelf)
    reaches = _check_together(world, vocabulary)
    catalog, count = None, 0
    if not shelf.problems:
        catalog = compile_catalog(world, vocabulary, reaches)
        _add_notes(world, catalog)
        if examples:
            count = check_examples.run(shelf, catalog, vocabulary)
    kept.end()
    problems = sorted(dict.fromkeys(shelf.problems), key=_place)
    counts = {**shelf.counts(), "examples": count}
    return CheckResult(None if problems else catalog, problems, counts, sorted(shelf.notes, key=_place))


def _place(problem: Problem) -> tuple:
    return problem.file, problem.line, problem.column, problem.rule


def _check_each(shelf: Shelf, vocabulary: Vocabulary) -> None:
    """What can be told from a file alone. One that fails is broken from here on."""
    for kind in KINDS:
        for id, data in shelf.raw(kind):
            faults = shelf.made(shape.faults, kind, data)
            if not faults and data["id"] != id:
                faults = [Fault(("id",), "id", "the id is the file's name without .yaml", shown(data["id"]), id)]
            faults = faults or _signing_faults(kind, data, vocabulary)
            if faults:
                shelf.add_all(kind, id, faults)
                shelf.set_broken(kind, id)


def _signing_faults(kind: str, data: Mapping[str, Any], vocabulary: Vocabulary) -> list[Fault]:
    """What the room that speaks to the outside says about its part of a file."""
    if kind == "channels" and vocabulary.check_channel is not None:
        return [Fault(tuple(path), "channel", message) for path, message in vocabulary.check_channel(data)]
    if kind == "partners" and vocabulary.check_verify is not None:
        found = vocabulary.check_verify(data["verify"])
        return [Fault(("verify", *path), "channel", message) for path, message in found]
    return []


def _check_together(world: World, vocabulary: Vocabulary) -> dict[str, Reach]:
    """What needs several files. Returns where each coupon can count."""
    shelf = world.shelf
    dangling: set[tuple[str, str]] = set()
    for kind in KINDS:
        for id, data in list(shelf.sound(kind)):
            before = len(shelf.problems)
            check_references.check(shelf, kind, id, data)
            if len(shelf.problems) > before:
                dangling.add((kind, id))
    for kind, id in dangling:
        shelf.set_broken(kind, id)
    world = World(shelf) if dangling else world
    for id, faults in check_limits.check(list(shelf.sound("channels"))):
        shelf.add_all("channels", id, faults)
    for id, message in list(shelf.sound("messages")):
        check_references.check_message(shelf, id, message)
    for id, merchant in list(shelf.sound("merchants")):
        if "upstream_channel" in merchant:
            fault = check_references.check_role(shelf, merchant["upstream_channel"], "upstream", ("upstream_channel",))
            shelf.add_all("merchants", id, [fault] if fault else [])
    for id, type_ in list(shelf.sound("product_types")):
        shelf.add_all("product_types", id, check_products.check_type(type_))
    for id, product in list(shelf.sound("products")):
        shelf.add_all("products", id, check_products.check_product(world, id, product))
    _check_pipelines(world, vocabulary)
    reaches = _check_coupons(world)
    _check_scenes(world, vocabulary, reaches)
    partners = dict(shelf.sound("partners"))
    for id, partner in partners.items():
        shelf.add_all("partners", id, check_partners.check_partner(world, partner))
    for id, fault in check_partners.check_shared_pools(world, partners):
        shelf.add("partners", id, fault)
    return reaches


def _check_pipelines(world: World, vocabulary: Vocabulary) -> None:
    for id, line in world.shelf.sound("lines"):
        check_steps.check_line(world.shelf, vocabulary, id, line, world.scope_of_line(id))
    for id, scene in world.scenes.items():
        line = world.shelf.data("lines", scene["line"])
        if "override" in scene and line is not None:
            check_steps.check_overrides(world.shelf, vocabulary, id, scene, line, world.scope_of_scene(id))


def _check_coupons(world: World) -> dict[str, Reach]:
    found = {}
    for id, coupon in world.shelf.sound("coupons"):
        faults, reach = check_coupons.check_coupon(world, id, coupon)
        world.shelf.add_all("coupons", id, faults)
        if not faults:
            found[id] = coupon, reach
    for id, fault in check_coupons.check_ties(found):
        world.shelf.add("coupons", id, fault)
    return {id: reach for id, (_, reach) in found.items()}


def _check_scenes(world: World, vocabulary: Vocabulary, reaches: Mapping[str, Reach]) -> None:
    told = world.shelf.all_sound("coupons") and all(id in reaches for id in world.shelf.ids("coupons"))
    coupons_of: dict[str, set[str]] = {}
    for coupon_id, reach in reaches.items():
        for scene_id in reach.scenes:
            coupons_of.setdefault(scene_id, set()).add(coupon_id)
    for id, scene in world.scenes.items():
        complete = told and not world.goods[id].partial
        shelf_coupons = frozenset(coupons_of.get(id, ())) if complete else None
        world.shelf.add_all("scenes", id, check_scenes.check_scene(world, vocabulary, id, scene, shelf_coupons))


def _add_notes(world: World, catalog: Catalog) -> None:
    """What is there and used by nothing."""
    shelf = world.shelf
    sold = {key for scene in catalog.scenes.values() for key in scene.skus}
    for id, product in shelf.sound("products"):
        unsold = [sku_id for sku_id in product["skus"] if f"{id}/{sku_id}" not in sold]
        if len(unsold) == len(product["skus"]):
            shelf.note("products", id, Fault((), "unused", "no scene sells this product"))
        else:
            for sku_id in unsold:
                unused = Fault(("skus", sku_id), "unused", f"no scene sells {id}/{sku_id}", at_key=True)
                shelf.note("products", id, unused)
    counted = {coupon.id for scene in catalog.scenes.values() for coupon in scene.coupons}
    used = {
        "coupons": counted,
        "lines": {scene.line_id for scene in catalog.scenes.values()},
        "product_types": {sku.type_id for sku in catalog.skus.values()},
        "messages": {use.params.get("template") for scene in catalog.scenes.values() for flow in scene.flows.values()
                     for use in flow.steps} | {p.low_water.template for p in catalog.partners.values() if p.low_water},
    }
    why = {"coupons": "no scene sells anything in this coupon's scope", "lines": "no scene belongs to this line",
           "product_types": "no SKU is of this type", "messages": "no step sends this message"}
    for kind, ids in used.items():
        for id, _ in shelf.sound(kind):
            if id not in ids:
                shelf.note(kind, id, Fault((), "unused", why[kind]))
