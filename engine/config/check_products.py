"""Products: each SKU has what its product type asks for, and its entitlements have a period."""
from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Iterator, Mapping

from ..base import money
from . import shape
from .check_scenes import precision
from .problems import Fault, nearest_word, shown
from .wording import either
from .world import Document, World

# words a SKU has whatever its type
_OWN = frozenset(shape.schema_of("products")["$defs"]["sku"]["properties"])
_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("text", lambda value: isinstance(value, str) and value != ""),
    "integer": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "list": ("a list of texts", lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value)),
    "money": ("an amount, e.g. 9.90", lambda value: isinstance(value, (str, int, Decimal)) and _parses("money", value)),
    "duration": ("a duration, e.g. 30m", lambda value: isinstance(value, str) and _parses("duration", value)),
    "period": ("a period, e.g. 1 month", lambda value: isinstance(value, str) and _parses("period", value)),
    "durations": ("a list of durations, e.g. [4h, 1d]", lambda value: isinstance(value, list) and all(
        isinstance(each, str) and _parses("duration", each) for each in value)),
    "prices": ("a list of steps, e.g. [{from: 4, price: 29.00}], each from a later period",
               lambda value: isinstance(value, list) and _steps_up(value)),
}
# What renewing needs to know of a SKU: a type that takes part in it declares these, each of this type.
RENEWAL = {"renews_every": "period", "renewal_price": "money", "notice_before": "duration", "retry": "durations",
           "grace": "duration", "suspends_for": "duration"}
RENEWAL_MAY = {"price_steps": "prices"}
_DEDUCTED = ("renewal_price", "price_steps")


def _parses(form: str, value: Any) -> bool:
    try:
        shape.FORMATS[form](value)
        return not isinstance(value, bool)
    except ValueError:
        return False


def _steps_up(steps: list[Any]) -> bool:
    """Whether price steps are well made: {from, price} each, from the second period on, each later than the one before."""
    if not all(isinstance(step, Mapping) and set(step) == {"from", "price"} and _KINDS["integer"][1](step["from"])
               and _KINDS["money"][1](step["price"]) for step in steps):
        return False
    starts = [step["from"] for step in steps]
    return starts == sorted(set(starts)) and all(start >= 2 for start in starts)


def declared(type_: Document) -> dict[str, Document]:
    """The fields a product type adds to its SKUs, by name."""
    return {**type_.get("requires", {}), **type_.get("allows", {})}


def check_type(type_: Document) -> list[Fault]:
    faults = [Fault((section, name), "name", "every SKU has a field of this name already", shown(name), at_key=True)
              for section in ("requires", "allows") for name in type_.get(section, {}) if name in _OWN]
    faults += (Fault(("allows", name), "repeated", f"{name} is required already", at_key=True)
               for name in type_.get("allows", {}) if name in type_.get("requires", {}))
    fields = declared(type_)
    if "renew" in type_["takes_part_in"]:
        faults += _renewal_fields(fields, type_)
    for name, value in type_.get("defaults", {}).items():
        if name not in fields:
            faults.append(Fault(("defaults", name), "unknown-key", f"the type has no field {shown(name)}", at_key=True,
                                nearest=nearest_word(name, fields)))
        else:
            faults += _check_value(fields[name], name, value, ("defaults", name), "CNY")
    return faults


def _renewal_fields(fields: Mapping[str, Document], type_: Document) -> Iterator[Fault]:
    for name, kind in {**RENEWAL, **RENEWAL_MAY}.items():
        if name in fields and fields[name]["type"] != kind:
            section = "requires" if name in type_.get("requires", {}) else "allows"
            yield Fault((section, name, "type"), "type", f"{name} of a type that renews is of type {kind}",
                        found=fields[name]["type"], expected=kind)
        elif name in RENEWAL and name not in type_.get("requires", {}):
            yield Fault(("takes_part_in",), "missing-key", f"a type that renews requires {name} of its SKUs",
                        expected=f"requires: {{{name}: {{type: {kind}, …}}}}")


def check_product(world: World, id: str, product: Document) -> list[Fault]:
    currency = product.get("currency", "CNY")
    faults: list[Fault] = []
    merchant = world.shelf.data("merchants", product["merchant"])
    if merchant is not None and merchant["kind"] == "supplier":
        told = f"{product['merchant']} is a supplier: it takes our orders and sells nothing"
        faults.append(Fault(("merchant",), "role", told, expected="a merchant of kind own or seller"))
    faults += _check_rights(product.get("grants", ()), ("grants",))
    for sku_id, sku in product["skus"].items():
        path = ("skus", sku_id)
        faults += _check_price(sku, currency, path)
        faults += _check_rights(sku.get("grants", ()), (*path, "grants"))
        faults += _check_grants(product, sku, path)
        type_ = world.shelf.data("product_types", sku.get("type", product["type"]))
        if type_ is not None:
            faults += _check_extra(type_, sku, path, currency)
    return faults


def _check_price(sku: Document, currency: str, path: tuple) -> list[Fault]:
    if faults := precision(sku["price"], currency, (*path, "price")):
        return faults
    most = sku.get("quantity_max", 1)
    if money.parse_major(sku["price"], currency) * most <= money.AMOUNT_MAX_MINOR:
        return []
    return [Fault((*path, "price"), "range", f"{most} pieces in one order would cost more than an order may", str(sku["price"]),
                  f"at most {money.format_major(money.AMOUNT_MAX_MINOR // most, currency)}")]


def _check_rights(grants: Any, path: tuple) -> Iterator[Fault]:
    rights = [grant["right"] for grant in grants]
    for number, right in enumerate(rights):
        if right in rights[:number]:
            yield Fault((*path, number, "right"), "repeated", f"the right {right} is granted already")


def _check_grants(product: Document, sku: Document, path: tuple) -> Iterator[Fault]:
    grants = sku.get("grants", product.get("grants", ()))
    rights = [grant["right"] for grant in grants]
    endless = [grant["right"] for grant in grants if "for" not in grant]
    if endless and "for" not in sku:
        yield Fault(path, "missing-key", f"for is missing: {', '.join(endless)} would have no period",
                    expected="e.g. for: 1 month", at_key=True)
    if "for" in sku and not endless:
        yield Fault((*path, "for"), "not-here", "no entitlement takes its period from here", at_key=True)
    for right in sku.get("quotas", {}):
        if right not in rights:
            yield Fault((*path, "quotas", right), "reference", f"the SKU grants no right {shown(right)}", at_key=True,
                        expected=either(rights) if rights else None, nearest=nearest_word(right, rights))


def _check_extra(type_: Document, sku: Document, path: tuple, currency: str) -> Iterator[Fault]:
    fields, defaults = declared(type_), type_.get("defaults", {})
    unknown = [name for name in sku if name not in _OWN and name not in fields]
    misspelt = set()
    for name in unknown:
        nearest = nearest_word(name, [word for word in (*_OWN, *fields) if word not in sku])
        misspelt.add(nearest)
        yield Fault((*path, name), "unknown-key", f"there is no key {shown(name)} here", nearest=nearest, at_key=True,
                    expected=None if nearest else either(sorted([*_OWN, *fields])))
    for name in type_.get("requires", {}):
        if name not in sku and name not in defaults and name not in misspelt:
            yield Fault(path, "missing-key", f"{name} is missing: a SKU of type {type_['id']} has it", at_key=True)
    for name, field in fields.items():
        if name in sku:
            yield from _check_value(field, name, sku[name], (*path, name), currency)


def _check_amount(name: str, value: Any, path: tuple, currency: str) -> list[Fault]:
    faults = precision(value, currency, path)
    if not faults and name in _DEDUCTED and money.parse_major(value, currency) == 0:
        faults.append(Fault(path, "range", "nothing can't be deducted", found=shown(value), expected="a price above 0"))
    return faults


def _check_value(field: Document, name: str, value: Any, path: tuple, currency: str) -> Iterator[Fault]:
    expected, fits = _KINDS[field["type"]]
    if not fits(value):
        yield Fault(path, "type", f"{name} is of type {field['type']}", found=shown(value), expected=expected)
    elif field["type"] == "money":
        yield from _check_amount(name, value, path, currency)
    elif field["type"] == "prices":
        for number, each in enumerate(value):
            yield from _check_amount(name, each["price"], (*path, number, "price"), currency)
    elif "one_of" in field and value not in field["one_of"]:
        yield Fault(path, "choice", f"{name} can't be this", shown(value), either(field["one_of"]),
                    nearest_word(value, map(str, field["one_of"])))
    elif field["type"] == "integer" and not field.get("minimum", value) <= value <= field.get("maximum", value):
        yield Fault(path, "range", f"{name} is out of bounds", found=str(value),
                    expected=f"{field.get('minimum', '…')} to {field.get('maximum', '…')}")
