"""Partners: an agreement that covers something sold where it may charge, from a pool that makes sense."""
from __future__ import annotations

from decimal import Decimal
from typing import Iterator, Mapping

from ..base import money
from .check_coupons import check_valid
from .check_references import check_reporting
from .check_scenes import precision
from .problems import Fault
from .wording import either
from .world import Document, World


def check_partner(world: World, partner: Document) -> list[Fault]:
    return [*check_valid(partner), *_check_scenes(world, partner), *_check_prices(world, partner),
            *_check_pool(world, partner), *_check_merchant(world, partner), *_check_told(world, partner)]


def _check_scenes(world: World, partner: Document) -> Iterator[Fault]:
    for number, scene_id in enumerate(partner["scenes"]):
        scene = world.scenes.get(scene_id)
        if scene is None:
            continue
        if scene["method"] not in ("direct_charge", "joint"):
            yield Fault(("scenes", number), "method", f"no partner takes part in the scene {scene_id}",
                        found=f"method {scene['method']}", expected="a scene with method direct_charge or joint")
        elif scene["method"] == "direct_charge" and not world.goods[scene_id].partial \
                and not set(partner["prices"]) & set(world.goods[scene_id].keys):
            yield Fault(("scenes", number), "scope", f"the agreement prices nothing that the scene {scene_id} sells",
                        expected="a price for " + either(world.goods[scene_id].keys))


def _check_prices(world: World, partner: Document) -> Iterator[Fault]:
    scenes = [id for id in partner["scenes"] if id in world.scenes]
    sold = {key for id in scenes for key in world.goods[id].keys}
    partial = len(scenes) < len(partner["scenes"]) or any(world.goods[id].partial for id in scenes)
    for key, price in partner["prices"].items():
        found = world.sku(key)
        if found is None:
            continue
        yield from precision(price, found[0].get("currency", "CNY"), ("prices", key))
        if key not in sold and not partial:
            yield Fault(("prices", key), "scope", f"none of the partner's scenes sells {key}", at_key=True,
                        expected=either(sorted(sold)) if sold else None)


def _check_pool(world: World, partner: Document) -> Iterator[Fault]:
    pool, currency = partner["pool"], pool_currency(world, partner)
    other = {key: product["currency"] for key, product in _priced(world, partner) if product.get("currency", "CNY") != currency}
    if other and partner["mode"] == "fund_pool":
        key = next(iter(other))
        yield Fault(("prices", key), "currency", f"the pool is kept in {currency}, and {key} is priced in another currency",
                    at_key=True, found=other[key], expected=currency)
    if partner["mode"] == "fund_pool":
        faults = [fault for word in ("floor", "low_water") for fault in precision(pool[word], currency, ("pool", word))]
        yield from faults
        if faults:
            return
        floor, low_water = money.parse_major(pool["floor"], currency), money.parse_major(pool["low_water"], currency)
    else:
        floor, low_water = pool["floor"], pool["low_water"]
    if low_water < floor:
        yield Fault(("pool", "low_water"), "range", "the partner would be warned only when its pool is spent",
                    found=str(pool["low_water"]), expected=f"at least the floor, {pool['floor']}")


def pool_currency(world: World, partner: Document) -> str:
    """What a fund pool is kept in: the currency of what the agreement covers."""
    return next((product.get("currency", "CNY") for _, product in _priced(world, partner)), "CNY")


def _priced(world: World, partner: Document) -> Iterator[tuple[str, Document]]:
    """(sku key, its product) of what the agreement covers."""
    return ((key, found[0]) for key in partner["prices"] if (found := world.sku(key)))


def _check_told(world: World, partner: Document) -> list[Fault]:
    results = partner.get("tell", {}).get("results")
    return check_reporting(world.shelf, results, "partner", "notify", ("tell", "results")) if results else []


def _check_merchant(world: World, partner: Document) -> Iterator[Fault]:
    merchant = world.shelf.data("merchants", partner["merchant"])
    if merchant is not None and merchant["kind"] == "supplier":
        yield Fault(("merchant",), "role", f"{partner['merchant']} is a supplier: no agreement is made with it",
                    expected="a merchant of kind own or seller")


def check_shared_pools(world: World, partners: Mapping[str, Document]) -> Iterator[tuple[str, Fault]]:
    """(partner id, fault): partners that draw from one pool must agree on what is drawn and how far."""
    first: dict[str, str] = {}
    for id, partner in partners.items():
        pool = partner["pool"]
        other = first.setdefault(pool.get("id", id), id)
        if other == id:
            continue
        terms, currency = partners[other]["pool"], pool_currency(world, partner)
        if partner["mode"] != partners[other]["mode"]:
            yield id, Fault(("pool",), "pool", f"{other} draws from this pool by another mode", found=partner["mode"],
                            expected=partners[other]["mode"], at_key=True)
        elif partner["mode"] == "fund_pool" and currency != pool_currency(world, partners[other]):
            yield id, Fault(("pool",), "pool", f"{other} draws from this pool in another currency", found=currency,
                            expected=pool_currency(world, partners[other]), at_key=True)
        elif any(Decimal(str(pool[word])) != Decimal(str(terms[word])) for word in ("floor", "low_water")):
            told = f"{other} draws from this pool with another floor or low-water mark"
            yield id, Fault(("pool",), "pool", told, at_key=True)
