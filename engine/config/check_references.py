"""References: whatever a file names must exist. The schemas say which values are names, and of what (`x-refers-to`)."""
from __future__ import annotations

import re
from typing import Any, Callable, Iterable, Mapping

from . import marks
from .check_conditions import sku_keys, table
from .problems import Fault, nearest_word, shown
from .shelf import Shelf
from .wording import either

_WORDS = {"lines": "business line", "scenes": "scene", "products": "product", "product_types": "product type",
          "merchants": "merchant", "coupons": "coupon", "partners": "partner", "messages": "message",
          "channels": "channel"}
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_POOL_FACTS = ("partner.title", "pool.balance", "pool.low_water")
_ORDER_FACTS = ("order.no", "order.title", "contract.no", "contract.date")


def check(shelf: Shelf, kind: str, id: str, data: Mapping[str, Any]) -> None:
    """Add a fault for every name in a document that leads nowhere."""
    shelf.add_all(kind, id, faults(shelf, shelf.made(_references, kind, data)))


def _references(kind: str, data: Mapping[str, Any]) -> list[marks.Mark]:
    return [mark for mark in marks.of_kind(kind).marks(data) if mark.word == "refers-to"]


def faults(shelf: Shelf, found: Iterable[marks.Mark], prefix: tuple = ()) -> list[Fault]:
    result = []
    for mark in found:
        if mark.word == "refers-to" and (fault := _TARGETS.get(mark.target, _named)(shelf, mark, prefix)):
            result.append(fault)
    return result


def _named(shelf: Shelf, mark: marks.Mark, prefix: tuple) -> Fault | None:
    kind = f"{mark.target}s"
    return None if shelf.has(kind, mark.value) else _dangling(mark, prefix, _WORDS[kind], shelf.ids(kind))


def _sku(shelf: Shelf, mark: marks.Mark, prefix: tuple) -> Fault | None:
    product_id, _, sku_id = mark.value.partition("/")
    if not shelf.has("products", product_id) or not sku_id:
        return _dangling(mark, prefix, "SKU", sku_keys(shelf))
    product = shelf.data("products", product_id)
    if product is None or sku_id in product["skus"]:
        return None
    return _dangling(mark, prefix, "SKU", [f"{product_id}/{each}" for each in product["skus"]])


def _goods(shelf: Shelf, mark: marks.Mark, prefix: tuple) -> Fault | None:
    if "/" in mark.value:
        return _sku(shelf, mark, prefix)
    return None if shelf.has("products", mark.value) else _dangling(mark, prefix, "product", shelf.ids("products"))


def _supplier(shelf: Shelf, mark: marks.Mark, prefix: tuple) -> Fault | None:
    if not shelf.has("merchants", mark.value):
        return _dangling(mark, prefix, "merchant", shelf.ids("merchants"))
    merchant = shelf.data("merchants", mark.value)
    if merchant is None or merchant["kind"] == "supplier":
        return None
    suppliers = [id for id, each in shelf.sound("merchants") if each["kind"] == "supplier"]
    return Fault((*prefix, *mark.path), "reference", f"the merchant {mark.value} is no supplier",
                 f"kind {merchant['kind']}", either(suppliers) if suppliers else "a supplier")


def _dangling(mark: marks.Mark, prefix: tuple, word: str, there: Iterable[str]) -> Fault:
    there = list(there)
    nearest = nearest_word(mark.value, there)
    expected = None if nearest else either(there) if there else f"a {word} (there is none yet)"
    return Fault((*prefix, *mark.path), "reference", f"there is no {word} {shown(mark.value)}", None, expected, nearest,
                 mark.at_key)


# What a channel must be able to do wherever it is used: role → operations, of each of which one will do. Money that nobody
# has a claim on goes back through the channel it came by; a supplier who does not answer is asked.
_ALWAYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "pay": (("pay", "pay_and_sign", "sign"), ("refund",)), "message": (("send",),), "upstream": (("charge",), ("query",))}
_TARGETS: Mapping[str, Callable[..., Fault | None]] = {"sku": _sku, "goods": _goods, "supplier": _supplier}


def check_role(shelf: Shelf, channel_id: str, role: str, path: tuple, *needs: str) -> Fault | None:
    """A fault when a channel that is there has another role than the one needed here, or can't do what is needed: what its
    role always does, and the operations in `needs`."""
    channel = shelf.data("channels", channel_id)
    if channel is None:
        return None
    if channel.get("role") != role:
        fitting = [id for id, each in shelf.sound("channels") if each.get("role") == role]
        return Fault(path, "role", f"the channel {channel_id} is not for this", found=f"role {channel.get('role')}",
                     expected=f"a channel of role {role}" + (": " + ", ".join(fitting) if fitting else ""))
    for ways in (*_ALWAYS.get(role, ()), *((need,) for need in needs)):
        if not any(way in channel.get("operations", {}) for way in ways):
            return Fault(path, "role", f"the channel {channel_id} has no operation " + " or ".join(f"`{way}`" for way in ways),
                         expected=f"a channel of role {role} that declares it")
    return None


def check_reporting(shelf: Shelf, told: Mapping[str, Any], role: str, operation: str, path: tuple) -> list[Fault]:
    """Faults when the channel that is to be told of results has another role, or lacks the operation for it."""
    fault = check_role(shelf, told["channel"], role, (*path, "channel"), operation)
    return [fault] if fault else []


def check_message(shelf: Shelf, id: str, message: Mapping[str, Any]) -> None:
    """The facts in braces are facts of an order, its scene's fields included; the channel sends messages."""
    if fault := check_role(shelf, message["channel"], "message", ("channel",)):
        shelf.add("messages", id, fault)
    known = [*_ORDER_FACTS, *_POOL_FACTS, *(fact.name for fact in table("step"))]
    known += sorted({f"fields.{name}" for _, scene in shelf.sound("scenes") for name in scene.get("fields", {})})
    for language, text in message["text"].items():
        for name in _IN_BRACES.findall(text):
            if name not in known:
                shelf.add("messages", id, Fault(
                    ("text", language), "fact", "the text names a fact that an order does not have",
                    found=shown(f"{{{name}}}"), nearest=nearest_word(name, known)))
