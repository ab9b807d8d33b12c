"""Quotes worked out from a compiled catalogue alone: a second, simpler account of what the sample's examples promise.

It shares no code with the rooms that price orders, so that the two can only agree by both being right.
"""
from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Mapping

from engine.base import clock
from engine.config.catalog import Catalog, Coupon, Scene
from engine.config.check_conditions import table


class Refused(Exception):
    def __init__(self, code: str):
        self.code = code


class Line:
    def __init__(self, key: str, product: str, type_: str, quantity: int, unit_minor: int):
        self.key, self.product, self.type, self.quantity = key, product, type_, quantity
        self.list_minor = self.left_minor = unit_minor * quantity


def run_scene_example(catalog: Catalog, scene: Scene, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _Quote(catalog, scene, given).outcome()
    except Refused as refused:
        return {"refused": refused.code}


class _Quote:
    def __init__(self, catalog: Catalog, scene: Scene, given: Mapping[str, Any]):
        self.catalog, self.scene, self.given = catalog, scene, given
        self.partner = catalog.partners[given["partner_id"]] if given["partner_id"] else None
        self.buyer = given["buyer"]
        self.lines: list[Line] = []
        self.applied: list[Coupon] = []
        self.reasons: dict[str, str] = {}

    def outcome(self) -> dict[str, Any]:
        self.wanted = [(self._sku(item["sku"], item["quantity"]), item["quantity"]) for item in self.given["items"]]
        if self.scene.check_fields(self.given["fields"]):
            raise Refused("field_invalid")
        self.lines = [Line(sku.key, sku.product_id, sku.type_id, n, sku.price_minor) for sku, n in self.wanted]
        flows = ["quote"] + (["charge"] if self.scene.method == "direct_charge" else [])
        steps = [step for flow in flows for step in self.scene.flows[flow].steps if step.hook in ("check", "price")]
        for step in steps:
            if step.when is None or step.when(self.facts(self.lines)):
                getattr(self, step.name)(step.params)
        declared = {name: value for name, value in self.facts(self.lines).items() if not name.startswith("fields.")}
        facts = table("pay").closed({**declared, "payable": self.payable()})
        channels = [offer.id for offer in self.scene.channels if any(choice.when is None or choice.when(facts) for choice in offer.of)]
        return {"payable_minor": self.payable(), "coupons": [coupon.id for coupon in self.applied],
                "not_applied": self.reasons, "channels": channels}

    def _sku(self, key: str, quantity: int) -> Any:
        sku = self.scene.sku(key)
        if sku is None:
            raise Refused("not_sold_here")
        if not 1 <= quantity <= sku.quantity_max:
            raise Refused("quantity_invalid")
        return sku

    def payable(self) -> int:
        return sum(line.left_minor for line in self.lines)

    def facts(self, lines: list[Line]) -> dict[str, Any]:
        local = clock.to_datetime(self.given["at_ms"]).astimezone(clock.zone("Asia/Shanghai"))
        buyer, partner = self.buyer or {}, self.partner
        fields = {f"fields.{name}": value for name, value in self.given["fields"].items()}
        return {"scene.id": self.scene.id, "scene.terminal": self.scene.terminal, "scene.method": self.scene.method,
                "scene.login": self.scene.login, "line.id": self.scene.line_id, "currency": self.scene.currency,
                "partner.id": partner.id if partner else "", "partner.mode": partner.mode if partner else "",
                "buyer.id": "b" if self.buyer else "", "buyer.registered": bool(buyer.get("registered")),
                "buyer.tags": buyer.get("tags", []), "buyer.orders_paid": buyer.get("orders_paid", 0),
                "buyer.phone_known": bool(buyer.get("phone_known")), "time.hour": local.hour,
                "time.weekday": local.isoweekday(), "time.date": local.strftime("%Y-%m-%d"),
                "subtotal": sum(line.list_minor for line in lines), "quantity": sum(line.quantity for line in lines),
                "product.ids": sorted({line.product for line in lines}), "product.skus": [line.key for line in lines],
                "product.types": sorted({line.type for line in lines}), **fields}

    # ---- the steps ----

    def buyer_is_known(self, params: Mapping[str, Any]) -> None:
        if self.scene.login == "required" and self.buyer is None:
            raise Refused("login_required")
        if self.scene.login == "required" and not self.buyer["registered"]:
            raise Refused("buyer_unknown")

    def within_purchase_cap(self, params: Mapping[str, Any]) -> None:
        bought = (self.buyer or {}).get("bought", {})
        for sku, quantity in self.wanted:
            held = sum(n for key, n in bought.items() if sku.cap_key in (key, key.partition("/")[0]))
            if sku.purchase_cap is not None and self.buyer and held + quantity > sku.purchase_cap:
                raise Refused("purchase_cap_reached")

    def refuse(self, params: Mapping[str, Any]) -> None:
        raise Refused("not_eligible")

    def list_price(self, params: Mapping[str, Any]) -> None:
        """The lines are made with their list price."""

    def partner_price(self, params: Mapping[str, Any]) -> None:
        prices = self.partner.prices if self.partner else {}
        if any(sku.key not in prices for sku, _ in self.wanted):
            raise Refused("agreement_refused")
        self.lines = [Line(sku.key, sku.product_id, sku.type_id, n, prices[sku.key]) for sku, n in self.wanted]

    def adjust(self, params: Mapping[str, Any]) -> None:
        self._take(self.lines, _percent(self.payable(), params["percent"]))

    def agreement_covers(self, params: Mapping[str, Any]) -> None:
        if self.scene.id not in self.partner.scenes:
            raise Refused("agreement_refused")

    def coupons(self, params: Mapping[str, Any]) -> None:
        for coupon in self.scene.coupons:
            scope = coupon.product_scope
            lines = [line for line in self.lines if not scope or {line.key, line.product} & scope]
            reason = self._reason(coupon, lines)
            if reason:
                self.reasons[coupon.id] = reason
            else:
                self._take(lines, self._worth(coupon, lines))
                self.applied.append(coupon)

    def _reason(self, coupon: Coupon, lines: list[Line]) -> str | None:
        at_ms, wanted = self.given["at_ms"], self.given["coupons"]
        tests = (
            ("not_chosen", wanted is not None and coupon.id not in wanted),
            ("not_in_scope", not lines),
            ("not_started", coupon.valid_from_ms is not None and at_ms < coupon.valid_from_ms),
            ("expired", coupon.valid_until_ms is not None and at_ms >= coupon.valid_until_ms),
            ("not_eligible", coupon.when is not None and not coupon.when(self.facts(lines))),
            ("below_threshold", sum(line.list_minor for line in lines) < coupon.threshold_minor),
            ("login_required", coupon.cap_per_buyer is not None and self.buyer is None),
            ("group_taken", any(other.group == coupon.group for other in self.applied)),
            ("not_combinable", any(not (other.combines and coupon.combines) for other in self.applied)),
            ("no_benefit", self._worth(coupon, lines) <= 0),
        )
        return next((reason for reason, holds in tests if holds), None)

    def _worth(self, coupon: Coupon, lines: list[Line]) -> int:
        left, value = sum(line.left_minor for line in lines), coupon.benefit.value
        if coupon.benefit.kind == "price":
            worth = left - sum(min(line.left_minor, value * line.quantity) for line in lines)
        else:
            worth = value if coupon.benefit.kind == "amount" else _percent(left, value)
        return min(worth, left, *([coupon.benefit.at_most_minor] if coupon.benefit.at_most_minor is not None else []))

    @staticmethod
    def _take(lines: list[Line], amount_minor: int) -> None:
        for line in lines:
            taken = min(amount_minor, line.left_minor)
            line.left_minor -= taken
            amount_minor -= taken


def _percent(amount_minor: int, percent: Any) -> int:
    return int((Decimal(amount_minor) * Decimal(str(percent)) / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))
