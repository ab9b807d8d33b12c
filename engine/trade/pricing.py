"""Pricing: items → priced lines → what is to be paid. Pure: the same facts under the same release give the same price.

A line: {n, sku, product, type, merchant, title, quantity, unit_price_minor, list_minor, discount_minor, payable_minor}.
A discount: {id, kind, title, amount_minor, shares: {n: minor}}; shares add up to the amount.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from ..base import money
from ..base.errors import Code, Refusal
from ..config.catalog import Scene


@dataclass
class Price:
    """A price in the making; `result()` is what a quote keeps and an order adopts."""
    currency: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    discounts: list[dict[str, Any]] = field(default_factory=list)
    not_applied: list[dict[str, Any]] = field(default_factory=list)

    @property
    def subtotal_minor(self) -> int:
        return sum([line["list_minor"] for line in self.lines])

    @property
    def payable_minor(self) -> int:
        return sum([line["payable_minor"] for line in self.lines])

    def discount(self, kind: str, id: str, title: Mapping[str, str], amount_minor: int, lines: list[int]) -> int:
        """Take an amount off some lines by their remaining price; returns what was taken (never below zero a line)."""
        chosen = [line for line in self.lines if line["n"] in lines]
        room = [line["payable_minor"] for line in chosen]
        amount_minor = min(amount_minor, sum(room))
        shares = money.split(amount_minor, room) if amount_minor > 0 else [0] * len(chosen)
        for line, share in zip(chosen, shares):
            line["discount_minor"] += share
            line["payable_minor"] -= share
        self.discounts.append({"kind": kind, "id": id, "title": dict(title), "amount_minor": amount_minor,
                               "shares": {str(line["n"]): share for line, share in zip(chosen, shares)}})
        return amount_minor

    def refuse_coupon(self, id: str, title: Mapping[str, str], reason: str, sentence: str) -> None:
        self.not_applied.append({"id": id, "title": dict(title), "reason": reason, "sentence": sentence})

    def clear(self) -> None:
        """Back to nothing, for pricing again with fewer coupons."""
        self.lines, self.discounts, self.not_applied = [], [], []

    def result(self) -> dict[str, Any]:
        subtotal, payable = self.subtotal_minor, self.payable_minor
        return {"currency": self.currency, "subtotal_minor": subtotal,
                "discount_minor": subtotal - payable, "payable_minor": payable,
                "lines": self.lines, "discounts": self.discounts, "not_applied": self.not_applied}


def wanted(scene: Scene, items: list[Mapping[str, Any]]) -> list[tuple[Any, int]]:
    """Items `[{sku: "product/sku", quantity}]` → [(Sku, quantity)]; the same SKU twice is added up.

    Refusals: BAD_REQUEST (no items), NOT_SOLD_HERE, QUANTITY_INVALID.
    """
    if not items:
        raise Refusal(Code.BAD_REQUEST, "an order needs at least one item", [{"path": "items", "expected": "one or more"}])
    totals: dict[str, int] = {}
    for item in items:
        totals[item["sku"]] = totals.get(item["sku"], 0) + item.get("quantity", 1)
    found = []
    for key, quantity in totals.items():
        sku = scene.sku(key)
        if sku is None:
            raise Refusal(Code.NOT_SOLD_HERE, f"{key} is not sold in the scene {scene.id}",
                          [{"path": "items", "found": key, "expected": ", ".join(sorted(scene.skus)[:8])}])
        if not 1 <= quantity <= sku.quantity_max:
            raise Refusal(Code.QUANTITY_INVALID, f"{key} is sold in quantities of 1 to {sku.quantity_max}",
                          [{"path": "items", "found": quantity, "expected": f"1 to {sku.quantity_max}"}])
        found.append((sku, quantity))
    return found


def list_price(price: Price, chosen: list[tuple[Any, int]]) -> None:
    """Lines at the list price of their SKU."""
    for n, (sku, quantity) in enumerate(chosen, 1):
        _add_line(price, n, sku, quantity, sku.price_minor)


def agreed_price(price: Price, chosen: list[tuple[Any, int]], prices: Mapping[str, int]) -> None:
    """Lines at a partner's agreed price; AGREEMENT_REFUSED for a SKU the agreement does not name."""
    price.clear()
    for n, (sku, quantity) in enumerate(chosen, 1):
        if sku.key not in prices:
            raise Refusal(Code.AGREEMENT_REFUSED, f"the agreement has no price for {sku.key}",
                          [{"path": "items", "found": sku.key, "expected": ", ".join(sorted(prices))}])
        _add_line(price, n, sku, quantity, prices[sku.key])


def _add_line(price: Price, n: int, sku: Any, quantity: int, unit_price_minor: int) -> None:
    total = unit_price_minor * quantity
    price.lines.append({"n": n, "sku": sku.key, "product": sku.product_id, "type": sku.type_id, "merchant": sku.merchant_id,
                        "title": dict(sku.title), "quantity": quantity, "unit_price_minor": unit_price_minor,
                        "list_minor": total, "discount_minor": 0, "payable_minor": total})


def facts(price: Price) -> dict[str, Any]:
    """The facts of what is bought."""
    return {"subtotal": price.subtotal_minor, "payable": price.payable_minor, "currency": price.currency,
            "quantity": sum([line["quantity"] for line in price.lines]),
            "product.ids": sorted({line["product"] for line in price.lines}),
            "product.types": sorted({line["type"] for line in price.lines}),
            "product.skus": sorted([line["sku"] for line in price.lines])}
