"""Scenes: all that is sold exists and has one currency, somebody can pay for it, the examples speak of this scene."""
from __future__ import annotations

from typing import Any

from ..base import money
from ..base.errors import Code
from .check_payment import check_channels
from .check_references import check_reporting
from .compile_payment import offered_names
from .problems import Fault, nearest_word, shown
from .vocabulary import Vocabulary
from .wording import either
from .world import Document, World

_CODES = tuple(code.code for code in Code)
_CHARGED_BY_PARTNER = ("direct_charge", "joint")


def check_scene(world: World, vocabulary: Vocabulary, id: str, scene: Document,
                coupon_ids: frozenset[str] | None) -> list[Fault]:
    """`coupon_ids`: the coupons whose scope meets the scene; None when that can't be told."""
    faults = [*_check_goods(world, id, scene), *_check_method(world, id, scene), *_check_fields(scene),
              *_check_shop(world, id, scene)]
    payment = _check_payment(world, vocabulary, id, scene)
    for number, example in enumerate(scene.get("examples", ())):
        path = ("examples", number)
        faults += _check_partner_named(world, id, scene, example, path)
        faults += _check_coupons_named(example, path, coupon_ids)
        faults += _check_answer(world, id, example["then"], (*path, "then"), None if payment else offered_names(scene))
    faults += payment
    names = [example["name"] for example in scene.get("examples", ())]
    faults += (Fault(("examples", number, "name"), "repeated", f"another example of this scene is called {shown(name)}")
               for number, name in enumerate(names) if name in names[:number])
    return faults


def _check_goods(world: World, id: str, scene: Document) -> list[Fault]:
    faults = []
    first: tuple[str, str] | None = None
    for product_id, wanted in scene["sells"].items():
        product = world.shelf.data("products", product_id)
        if product is None:
            continue
        currency = product.get("currency", "CNY")
        first = first or (product_id, currency)
        if currency != first[1]:
            told = f"a scene sells in one currency, and {first[0]} costs {first[1]}"
            faults.append(Fault(("sells", product_id), "currency", told, f"{product_id} costs {currency}", at_key=True))
        if wanted != "all":
            skus = product["skus"]
            faults += (Fault(("sells", product_id, number), "reference", f"{product_id} has no SKU {shown(sku_id)}",
                             expected=either(skus), nearest=nearest_word(sku_id, skus))
                       for number, sku_id in enumerate(wanted) if sku_id not in skus)
    return faults


def _check_method(world: World, id: str, scene: Document) -> list[Fault]:
    """A scene that needs a partner has one, and its line can do what the method asks."""
    method, partners = scene["method"], world.partners_of.get(id, [])
    faults = []
    if method in _CHARGED_BY_PARTNER and not partners and world.shelf.all_sound("partners"):
        faults.append(Fault(("method",), "partner", f"{method} needs a partner, and none names this scene as its own"))
    if method == "joint" and len(partners) > 1:
        faults.append(Fault(("method",), "partner", "a joint scene has one partner", found=", ".join(partners)))
    line = world.shelf.data("lines", scene["line"])
    if method == "direct_charge" and line is not None and "charge" not in line:
        told = f"the line {scene['line']} is not open to direct charge: it has no flow `charge`"
        faults.append(Fault(("method",), "line", told))
    return faults


def _check_shop(world: World, id: str, scene: Document) -> list[Fault]:
    """The shop's channel is one, its products are sold here and by no other scene of that shop, its fields exist."""
    shop = scene.get("shop")
    if shop is None:
        return []
    faults = check_reporting(world.shelf, shop, "shop", "deliver", ("shop",))
    keys = world.goods[id].keys
    faults += (Fault(("shop", "items", item), "scope", f"this scene does not sell {key}", expected=either(keys))
               for item, key in shop["items"].items() if world.sku(key) and key not in keys and not world.goods[id].partial)
    for other_id, other in world.scenes.items():
        theirs = other.get("shop", {})
        if other_id < id and theirs.get("channel") == shop["channel"]:
            faults += (Fault(("shop", "items", item), "repeated", f"the scene {other_id} sells this product of the shop already",
                             at_key=True) for item in shop["items"] if item in theirs["items"])
    faults += (Fault(("shop", "fields", name), "reference", f"this scene has no field {shown(name)}", at_key=True,
                     nearest=nearest_word(name, scene.get("fields", {})))
               for name in shop.get("fields", {}) if name not in scene.get("fields", {}))
    return faults


def _check_fields(scene: Document) -> list[Fault]:
    faults = []
    for name, field in scene.get("fields", {}).items():
        path = ("fields", name)
        for least, most in (("minLength", "maxLength"), ("minimum", "maximum"), ("minItems", "maxItems")):
            if least in field and most in field and field[least] > field[most]:
                faults.append(Fault((*path, least), "range", f"{least} is above {most}: no value fits",
                                    found=str(field[least]), expected=f"at most {field[most]}"))
        wanted = int if field["type"] == "integer" else str
        faults += (Fault((*path, "enum", number), "type", f"the field {name} is of type {field['type']}", shown(value))
                   for number, value in enumerate(field.get("enum", ())) if not isinstance(value, wanted))
    return faults


def _check_payment(world: World, vocabulary: Vocabulary, id: str, scene: Document) -> list[Fault]:
    if "pay" not in scene:
        return []
    pay, faults = scene["pay"], []
    tenders = pay.get("tenders", ["channel"])
    faults += (Fault(("pay", "tenders", number), "tender", f"this engine takes no payment by {tender} yet",
                     expected=either(sorted(vocabulary.tenders)))
               for number, tender in enumerate(tenders) if tender not in vocabulary.tenders)
    if "channel" in tenders and "channels" not in pay:
        faults.append(Fault(("pay",), "unpayable", "no channel is offered, so nothing can be paid here", at_key=True,
                            expected="channels, with at least one channel"))
    if "channel" not in tenders and "channels" in pay:
        told = "channels are offered, but `channel` is none of the tenders"
        faults.append(Fault(("pay", "channels"), "not-here", told, at_key=True))
    return faults + check_channels(world, id, scene)


def _check_partner_named(world: World, id: str, scene: Document, example: Document, path: tuple) -> list[Fault]:
    if not world.shelf.all_sound("partners"):
        return []
    given, partners = example["given"], world.partners_of.get(id, [])
    if "partner" in given and given["partner"] not in partners:
        return [Fault((*path, "given", "partner"), "partner", f"{given['partner']} does not charge through this scene",
                      expected=either(partners) if partners else "no partner: none names this scene")]
    if scene["method"] == "direct_charge" and "partner" not in given and len(partners) > 1:
        return [Fault((*path, "given"), "missing-key", "partner is missing: several partners charge through this scene",
                      expected=either(partners), at_key=True)]
    return []


def _check_coupons_named(example: Document, path: tuple, coupon_ids: frozenset[str] | None) -> list[Fault]:
    """Coupons of an example that can't count in its scene, whatever is bought."""
    if coupon_ids is None:
        return []
    given, then = example["given"], example["then"]
    named = [((*path, where, "coupons", number), coupon_id, False) for where, part in (("given", given), ("then", then))
             for number, coupon_id in enumerate(part.get("coupons", ()))]
    named += [((*path, "then", "not_applied", coupon_id), coupon_id, True) for coupon_id in then.get("not_applied", ())]
    return [Fault(where, "scope", f"the coupon {coupon_id} is not for this scene", at_key=at_key)
            for where, coupon_id, at_key in named if coupon_id not in coupon_ids]


def _check_answer(world: World, id: str, then: Document, path: tuple, offered: list[str] | None) -> list[Fault]:
    """`offered`: the scene's channels; None when they have faults of their own."""
    faults = []
    for number, channel_id in enumerate(then.get("channels", ())):
        if offered is not None and channel_id not in offered:
            told = f"this scene does not offer the channel {shown(channel_id)}"
            nearest = nearest_word(channel_id, offered)
            faults.append(Fault((*path, "channels", number), "reference", told, nearest=nearest))
    if "refused" in then and then["refused"] not in _CODES:
        faults.append(Fault((*path, "refused"), "choice", "there is no refusal of this code",
                            found=shown(then["refused"]), nearest=nearest_word(then["refused"], _CODES)))
    if "payable" in then and (currency := world.currency(id)):
        faults += precision(then["payable"], currency, (*path, "payable"))
    return faults


def precision(written: Any, currency: str, path: tuple) -> list[Fault]:
    """A fault when an amount has more decimals than its currency knows."""
    try:
        money.parse_major(written, currency)
    except money.MoneyError as error:
        return [Fault(path, "money", str(error))]
    return []
